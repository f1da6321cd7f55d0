"""`vidtags calibrate`: makes confidence mean what it says, from labelled clips."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidtomusictags.command import options
from vidtomusictags.command.documents import print_document
from vidtomusictags.command.endings import Mistake
from vidtomusictags.command.evaluate import DEFAULT_CACHE, Cache, DatasetFile, Workers, measured_runs, telling_mistakes
from vidtomusictags.command.extras import needing
from vidtomusictags.evaluation.dataset import read_dataset
from vidtomusictags.evaluation.run_spec import parse_run
from vidtomusictags.rpc.failures import Failure

if TYPE_CHECKING:
    from classifier_service.calibration import Key
    from vidtomusictags.evaluation.calibrating import Calibrated
    from vidtomusictags.evaluation.fitting import Method
    from vidtomusictags.evaluation.run_result import RunResult


class MethodName(StrEnum):
    """How the curve is fitted."""

    AUTO = "auto"
    BETA = "beta"
    ISOTONIC = "isotonic"


class CalibrationRefused(Failure):
    """The labels carry no calibration, or one that does not help."""

    code, reason = "FAILED_PRECONDITION", "CALIBRATION_REFUSED"


def calibrate(
    dataset: DatasetFile,
    run: Annotated[
        str, typer.Option(metavar="KEY=VALUE,...", help="What is calibrated, as a run of `vidtags evaluate`.")
    ] = "classifier=embedded",
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the file goes.")] = Path(
        "calibrations"
    ),
    precision: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Thresholds for at least this precision. [default: for the best F1]"),
    ] = None,
    method: Annotated[MethodName, typer.Option(help="auto: what does best on films held out.")] = MethodName.AUTO,
    folds: Annotated[int, typer.Option(min=2, max=20, help="Parts that films are split into to measure.")] = 5,
    keep: Annotated[bool, typer.Option("--keep", help="Write the file even if it does not help.")] = False,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take all answers from a recording; nothing is called.")
    ] = None,
    cache: Cache = DEFAULT_CACHE,
    workers: Workers = 4,
    timeout: options.Timeout = options.TIMEOUT_SECONDS,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Fit confidence and thresholds to labelled clips, and write a file for the classifier.

    The file is for exactly this taxonomy, engine, model and prompt. What it does is measured on films that it was not
    fitted on; one that does not help is not written. Start the classifier with CLASSIFIER_CALIBRATIONS=DIR to use it.

    Examples:
    vidtags calibrate clips.jsonl
    vidtags calibrate clips.jsonl --run classifier=instructor,taxonomy=house-moods.yaml --precision 0.8
    CLASSIFIER_CALIBRATIONS=calibrations vidtags up
    """
    with needing("evaluate"):
        from vidtomusictags.evaluation.calibrating import calibrate as fitted  # noqa: PLC0415
        from vidtomusictags.evaluation.calibrating import labelled_of  # noqa: PLC0415
        from vidtomusictags.evaluation.fitting import TooFewData  # noqa: PLC0415
    with telling_mistakes():
        data = read_dataset(dataset)
        (measured,) = measured_runs(
            data,
            [parse_run(f"calibrated={run}")],
            cache=cache,
            record=None,
            replay=replay,
            workers=workers,
            timeout=timeout,
            quiet=quiet,
        )
    key = _key(measured)
    version = 1 + max((_version(file, key) for file in out.glob("*.json")), default=0)
    served = measured.table.returned[measured.table.answered]
    chosen = _METHODS[method]
    try:
        found = fitted(
            labelled_of(measured), served, key=key, version=version, method=chosen, precision=precision, folds=folds
        )
    except TooFewData as error:
        raise CalibrationRefused(str(error)) from error
    written = _write(found, out) if found.helps or keep else None
    failed = len(measured.failures)
    if as_json:
        print_document(_document(found, written, failed))
    else:
        _print(found, written, failed)
    if written is None:
        raise CalibrationRefused(
            "The calibration does not help on films that it was not fitted on, so nothing was written; label more"
            " clips, or write it anyway with --keep."
        )


_METHODS: Mapping[MethodName, Method | None] = {
    MethodName.AUTO: None,
    MethodName.BETA: "beta",
    MethodName.ISOTONIC: "isotonic",
}


def _key(run: RunResult) -> Key:
    from classifier_service.calibration import Key  # noqa: PLC0415

    if "classify" not in run.identities:
        raise Mistake("answers that were made elsewhere cannot be calibrated; name a classifier")
    facts = run.identities["classify"].facts
    return Key(
        taxonomy=run.taxonomy.id,
        taxonomy_version=run.taxonomy.version,
        taxonomy_digest=run.taxonomy.digest,
        engine=facts["engine"],
        model=facts["model"],
        revision=facts["revision"],
        prompt=facts["prompt"],
    )


def _version(file: Path, key: Key) -> int:
    """The version of a file for the same taxonomy, engine and model; 0 for others."""
    from classifier_service.calibration import CalibrationInvalid, read_calibration  # noqa: PLC0415

    try:
        there = read_calibration(file)
    except CalibrationInvalid:
        return 0
    return there.version if there.key.name == key.name else 0


def _write(found: Calibrated, folder: Path) -> Path:
    from classifier_service.calibration import to_dict  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    calibration = found.calibration
    name = re.sub(r"[^A-Za-z0-9.@_-]+", "-", f"{calibration.key.name}-v{calibration.version}")
    path = folder / f"{name}.json"
    unfinished = path.with_suffix(".json.part")
    unfinished.write_text(json.dumps(to_dict(calibration), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(path)
    return path


def _document(found: Calibrated, written: Path | None, failed: int) -> dict[str, object]:
    return {
        "file": str(written) if written else None,
        "id": found.calibration.id,
        "method": found.method,
        "folds": found.folds,
        "before": asdict(found.before),
        "held_out": asdict(found.after),
        "threshold": found.thresholds.shared,
        "thresholds": found.thresholds.of_tags,
        "unreached": list(found.thresholds.unreached),
        "failed_clips": failed,
    }


def _print(found: Calibrated, written: Path | None, failed: int) -> None:
    measured = found.calibration.measured
    print(f"{found.calibration.key.name}: {found.method} calibration from {measured['clips']} clips of", end=" ")
    print(f"{measured['films']} films, measured on films held out in {found.folds} parts")
    if failed:
        print(f"! {failed} clips failed and are not part of it")
    print(f"{'':<18}{'before':>9}{'held out':>10}")
    for name, before in vars(found.before).items():
        print(f"{name:<18}{before:>9.4f}{getattr(found.after, name):>10.4f}")
    print(f"threshold of all tags {found.thresholds.shared:.3f}")
    for tag, bound in found.thresholds.of_tags.items():
        unreached = "  the precision cannot be had; never returned" if tag in found.thresholds.unreached else ""
        print(f"  {tag:<24}{bound:.3f}{unreached}")
    if written:
        print(f"written: {written}")
