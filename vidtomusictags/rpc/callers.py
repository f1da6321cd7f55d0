"""Who the present call comes from, readable by whatever it runs."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

ON_BEHALF_OF = "on_behalf_of"
"""Permission to name another caller, whom the call is then counted for."""


@dataclass(frozen=True)
class Caller:
    """name: of an entry in the service's file of callers, or `jwt:`, `certificate:` or `address:` and what it says.

    permissions: None for all that methods ask for, which ON_BEHALF_OF is not part of. for_name: the caller that this
    one speaks for; empty for none.
    """

    name: str
    permissions: frozenset[str] | None = None
    for_name: str = ""

    @property
    def counted_as(self) -> str:
        """Whom calls are counted for."""
        return f"{self.name} for {self.for_name}" if self.for_name else self.name

    @property
    def is_known(self) -> bool:
        """Whether it has proved who it is."""
        return not self.name.startswith("address:")

    def may(self, permission: str) -> bool:
        """Whether it may do what needs that permission."""
        if self.permissions is None:
            return permission != ON_BEHALF_OF
        return permission in self.permissions


_present: ContextVar[Caller] = ContextVar("caller")


def present_caller() -> Caller:
    """The caller of this call. LookupError outside of calls."""
    return _present.get()


def enter_caller(caller: Caller) -> None:
    """From now on, in this call and all that it starts."""
    _present.set(caller)
