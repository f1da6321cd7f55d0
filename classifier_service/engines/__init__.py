"""The list of classification engines. A new engine is one module and one line here."""

from __future__ import annotations

from importlib import import_module

from classifier_service.engines.engine import ClassificationEngine

ENGINES = {
    "embedded": "classifier_service.engines.embedded:EmbeddedEngine",
}
"""Name to module and class; a module is imported only when its engine is chosen."""


def open_engine(name: str) -> ClassificationEngine:
    """The engine of that name, loaded. Raises ValueError with the names that exist for any other."""
    if name not in ENGINES:
        raise ValueError(f"there is no classification engine {name!r}; there is: {', '.join(sorted(ENGINES))}")
    module, _, factory = ENGINES[name].partition(":")
    engine: ClassificationEngine = getattr(import_module(module), factory)()
    return engine
