"""`vidtags evaluate`: how right tags are, over a labelled data set; `vidtags evaluate compare`: which run is better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from vidtomusictags.command import options
from vidtomusictags.command.compare import compare
from vidtomusictags.command.documents import print_document
from vidtomusictags.command.endings import FAILED, OK, Mistake
from vidtomusictags.command.extras import needing
from vidtomusictags.command.help import add
from vidtomusictags.command.text import printable
from vidtomusictags.evaluation.dataset import read_dataset
from vidtomusictags.evaluation.manifest_rows import ManifestUnreadable
from vidtomusictags.evaluation.recording import Recorder, RecordingUnusable, Replay
from vidtomusictags.evaluation.run_spec import RunInvalid, RunSpec, parse_run, run_from
from vidtomusictags.evaluation.running import ServiceGone
from vidtomusictags.evaluation.stage_results import StageFailed
from vidtomusictags.evaluation.stage_store import StageCache, StageStore
from vidtomusictags.rpc import failures

if TYPE_CHECKING:
    from vidtomusictags.evaluation.dataset import Dataset
    from vidtomusictags.evaluation.evaluation import Evaluation
    from vidtomusictags.evaluation.run_result import RunResult

DEFAULT_CACHE = Path(".vidtags-evaluation.sqlite")


class _RunByDefault(TyperGroup):
    """`evaluate DATASET ...` means `evaluate run DATASET ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Measure how right tags are: `vidtags evaluate DATASET --run NAME=...`, and compare two runs.",
)

DatasetFile = Annotated[
    Path, typer.Argument(metavar="DATASET", help="Labelled clips or summaries: .jsonl, .csv or .parquet.")
]
Runs = Annotated[
    list[str] | None,
    typer.Option(
        "--run",
        metavar="NAME=KEY=VALUE,...",
        help="A run: captioner, sampler, frames, prompt, classifier, taxonomy, min_confidence, max_tags, repeats; "
        "`classifier.model=...` sets a setting of an engine that is started for it. Again for more.",
    ),
]
Cache = Annotated[Path, typer.Option(metavar="FILE", help="Keeps what models answered; the next evaluation uses it.")]
Workers = Annotated[int, typer.Option(min=1, max=256, help="Clips at a time.")]


def run_(
    dataset: DatasetFile,
    runs: Runs = None,
    runs_file: Annotated[
        Path | None, typer.Option("--runs", metavar="FILE.yaml", help="Runs as a mapping of name to settings.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where results and report go.")] = Path(
        "evaluation"
    ),
    cache: Cache = DEFAULT_CACHE,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every model's answers to a file of lines.")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take all answers from such a file; nothing is called.")
    ] = None,
    workers: Workers = 4,
    timeout: options.Timeout = options.TIMEOUT_SECONDS,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure runs over a labelled data set: figures with intervals, result.json, report.html and pictures.

    The first run is the one that the others are compared with. What was answered once is kept by content, so an
    evaluation that was broken off goes on, and another classifier costs no captioning.

    Examples:
    vidtags evaluate clips.jsonl --run base=
    vidtags evaluate clips.jsonl --run scene=prompt=scene --run concise=prompt=concise
    vidtags evaluate clips.jsonl --run gpt=classifier=instructor,classifier.model=openai/gpt-4o --record answers.jsonl
    vidtags evaluate clips.jsonl --runs runs.yaml --replay answers.jsonl
    """
    if record and replay:
        raise Mistake("give --record or --replay, not both")
    with needing("evaluate"):
        from vidtomusictags.evaluation.evaluation import Evaluation, compared  # noqa: PLC0415
        from vidtomusictags.evaluation.report.writing import write_report  # noqa: PLC0415
        from vidtomusictags.evaluation.result_file import evaluation_to_dict, write_results  # noqa: PLC0415
    with telling_mistakes():
        specs = _specs(runs, runs_file)
        data = read_dataset(dataset)
        results = measured_runs(
            data, specs, cache=cache, record=record, replay=replay, workers=workers, timeout=timeout, quiet=quiet
        )
    evaluation = Evaluation(data, results, [compared(results[0], other) for other in results[1:]])
    write_results(evaluation, out)
    report = write_report(evaluation, out)
    if as_json:
        print_document(evaluation_to_dict(evaluation))
    else:
        _print(evaluation, report)
    raise typer.Exit(FAILED if all(len(one.failures) == len(one.outcomes) for one in results) else OK)


def measured_runs(
    data: Dataset,
    specs: Sequence[RunSpec],
    *,
    cache: Path,
    record: Path | None,
    replay: Path | None,
    workers: int,
    timeout: float,
    quiet: bool,
) -> list[RunResult]:
    """Every run, done and measured. Raises what its parts raise; `telling_mistakes` turns that into endings."""
    from vidtomusictags.command.evaluation_runs import do_runs  # noqa: PLC0415  # after the extra was asked for

    with ExitStack() as stack:
        store: StageStore = Replay(replay) if replay else stack.enter_context(StageCache(cache))
        recorder = Recorder(store) if record else None
        results = do_runs(data, specs, recorder or store, workers=workers, timeout_seconds=timeout, quiet=quiet)
        if recorder and record:
            recorder.write(record)
    return results


@contextmanager
def telling_mistakes() -> Iterator[None]:
    """What goes wrong in an evaluation, as the command's endings."""
    from vidtomusictags.evaluation.imported_answers import AnswersUnreadable  # noqa: PLC0415  # needs numpy

    try:
        yield
    except (RunInvalid, ManifestUnreadable, RecordingUnusable, AnswersUnreadable) as error:
        raise Mistake(str(error)) from error
    except ServiceGone as error:
        message = f"{error} What was done is kept: the same command goes on from there."
        raise failures.UpstreamUnavailable(message) from error
    except StageFailed as error:
        if error.fatal:
            raise failures.UpstreamUnavailable(error.message) from error
        raise failures.UpstreamRejected(error.message) from error


def _specs(runs: list[str] | None, runs_file: Path | None) -> list[RunSpec]:
    specs = [parse_run(text) for text in runs or ()]
    if runs_file is not None:
        with needing("evaluate"):
            import yaml  # noqa: PLC0415
        try:
            content = yaml.safe_load(runs_file.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise Mistake(f"{runs_file}: is not YAML: {error}") from error
        if not isinstance(content, dict) or not all(isinstance(one, dict | None) for one in content.values()):
            raise Mistake(f"{runs_file}: is not a mapping of a run's name to its settings")
        specs += [run_from(str(name), settings or {}) for name, settings in content.items()]
    if not specs:
        raise Mistake("say what to measure with --run NAME=..., or --run base= for what this machine has")
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise Mistake(f"each run needs a name of its own, not {', '.join(names)}")
    return specs


def _print(evaluation: Evaluation, report: Path) -> None:
    from vidtomusictags.command.evaluation_rendering import print_evaluation  # noqa: PLC0415

    print_evaluation(evaluation)
    print(f"\nreport: {printable(str(report))}")


add(app, run_, "run")
add(app, compare)
