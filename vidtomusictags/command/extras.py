"""Parts that not everybody installs: where one is missing, a line says how to get it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vidtomusictags.command.endings import Mistake

_OURS = ("vidtomusictags", "captioner_service", "classifier_service", "gateway")


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Around imports: raises Mistake with the pip command where a library is missing that `extra` would bring."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name in _OURS:
            raise
        raise Mistake(f"this needs {name}, which is not installed: pip install 'vidtomusictags[{extra}]'") from error
    except ImportError as error:  # an engine that is chosen by name says itself which extra it needs
        if not isinstance(error.__cause__, ModuleNotFoundError):
            raise
        raise Mistake(str(error)) from error
