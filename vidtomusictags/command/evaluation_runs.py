"""Does the runs of an evaluation one after another, with progress and cost on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from vidtomusictags.command.evaluation_stages import (
    OpenRun,
    local_taxonomy,
    noting_clips,
    opening_stages,
    recorded_run,
)
from vidtomusictags.evaluation.dataset import Dataset
from vidtomusictags.evaluation.imported_answers import imported_outcomes
from vidtomusictags.evaluation.recording import Recorder, Replay
from vidtomusictags.evaluation.run_result import RunResult, run_result
from vidtomusictags.evaluation.run_spec import RunSpec
from vidtomusictags.evaluation.running import Progress, run_items
from vidtomusictags.evaluation.stage_store import StageStore


def do_runs(
    data: Dataset, specs: Sequence[RunSpec], store: StageStore, *, workers: int, timeout_seconds: float, quiet: bool
) -> list[RunResult]:
    """Raises what opening, running and reading raise; what was done until then is in the store."""
    with opening_stages(workers=workers, timeout_seconds=timeout_seconds) as opener:

        def opened(spec: RunSpec) -> OpenRun:
            if isinstance(store, Replay):
                return recorded_run(spec, store, data.path.parent)
            with_clips = any(not item.summary and item.clip for item in data.items)
            return opener.open(spec, with_clips=with_clips)

        return [_do(data, spec, store, opened, workers=workers, quiet=quiet) for spec in specs]


def _do(
    data: Dataset,
    spec: RunSpec,
    store: StageStore,
    opened: Callable[[RunSpec], OpenRun],
    *,
    workers: int,
    quiet: bool,
) -> RunResult:
    if spec.answers:
        outcomes = imported_outcomes(Path(spec.answers), data.items)
        return run_result(data, local_taxonomy(spec), outcomes, spec=spec, identities={})
    with _showing(spec.name, len(data.items), quiet=quiet) as show:
        run = opened(spec)
        stages = run.stages
        if isinstance(store, Recorder):
            store.note_run(spec, run.identities)
            stages = noting_clips(stages, store, data.path.parent)
        outcomes = run_items(data.items, stages, store, workers=workers, on_progress=show)
    return run_result(data, run.taxonomy, outcomes, spec=spec, identities=run.identities)


@contextmanager
def _showing(name: str, total: int, *, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    console = Console(stderr=True, highlight=False, quiet=quiet)
    if not console.is_terminal:
        yield _Lines(name, total, console).show
        return
    columns = (
        TextColumn("{task.description}", style="bold"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[facts]}", style="dim"),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(name, total=total, facts="starting services")
        yield lambda progress: bars.update(task, completed=progress.done, facts=_facts(progress))
    console.print(f"{name}: done")


class _Lines:
    """A line for each tenth, where no terminal is watching."""

    def __init__(self, name: str, total: int, console: Console) -> None:
        self._name = name
        self._step = max(1, total // 10)
        self._console = console

    def show(self, progress: Progress) -> None:
        """Prints where a tenth is full."""
        if progress.done % self._step == 0 or progress.done == progress.total:
            line = f"{self._name}: {progress.done} of {progress.total}, {_facts(progress)}"
            self._console.print(Text(line), soft_wrap=True)


def _facts(progress: Progress) -> str:
    parts = [f"{progress.from_store} known", f"{progress.failed} failed", f"{progress.tokens} tokens"]
    if progress.usd:
        parts.append(f"${progress.usd:.4f}")
    return ", ".join(parts)
