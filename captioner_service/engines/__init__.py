"""The list of caption engines that take batches. A new one is one module and one line here; others: `describers`."""

from __future__ import annotations

from importlib import import_module

from captioner_service.engines.engine import CaptionEngine

ENGINES = {
    "embedded": "captioner_service.engines.embedded:EmbeddedEngine",
    "instant": "captioner_service.engines.instant:InstantEngine",
}
"""Name to module and class; a module is imported only when its engine is chosen."""


def open_engine(name: str) -> CaptionEngine:
    """The engine of that name, loaded. Raises ValueError with the names that exist for any other."""
    if name not in ENGINES:
        raise ValueError(f"there is no caption engine {name!r}; there is: {', '.join(sorted(ENGINES))}")
    module, _, factory = ENGINES[name].partition(":")
    engine: CaptionEngine = getattr(import_module(module), factory)()
    return engine
