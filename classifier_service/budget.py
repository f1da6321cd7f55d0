"""Keeps what is spent on language models within a limit per call and per day, by refusing before it is spent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from vidtomusictags.rpc.failures import BudgetExceeded


@dataclass(frozen=True)
class Limits:
    """None: no limit. Days are those of UTC."""

    usd_per_call: float | None = None
    usd_per_day: float | None = None
    tokens_per_call: int | None = None
    tokens_per_day: int | None = None

    @property
    def in_money(self) -> bool:
        """Whether a price must be known to keep them."""
        return self.usd_per_call is not None or self.usd_per_day is not None


@dataclass
class Spent:
    """What was paid, or is promised to requests that run. usd stays 0 where no price is known."""

    usd: float = 0.0
    tokens: int = 0

    def add(self, usd: float, tokens: int) -> None:
        """Both may be negative, to give a promise back."""
        self.usd += usd
        self.tokens += tokens


@dataclass
class Promise:
    """What one request may cost at most; `settle` replaces that by what it did cost."""

    usd: float
    tokens: int

    def settle(self, usd: float, tokens: int) -> None:
        """To be called once the usage is known. Without it the whole promise counts as spent."""
        self.usd, self.tokens = usd, tokens


class Budget:
    """The day's spending of this process, for all its models. Used on one event loop.

    It begins at zero when the process starts, and every replica has its own: share a limit among n by an nth each.
    """

    def __init__(self, limits: Limits, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.limits = limits
        self._now = now
        self._day = now().date()
        self._today = Spent()

    @property
    def today(self) -> Spent:
        """What this day has cost so far, promises included."""
        if (day := self._now().date()) != self._day:
            self._day, self._today = day, Spent()
        return self._today

    @contextmanager
    def promised(self, usd: float, tokens: int, call: Spent) -> Iterator[Promise]:
        """Room for one request while the block runs; afterwards what it cost is entered for the day and for `call`.

        usd, tokens: the most that the request can cost. Raises BudgetExceeded, and then nothing was spent.
        """
        self._check(usd, tokens, call)
        day, promise = self.today, Promise(usd, tokens)
        day.add(usd, tokens)
        try:
            yield promise
        finally:
            day.add(promise.usd - usd, promise.tokens - tokens)
            call.add(promise.usd, promise.tokens)

    def _check(self, usd: float, tokens: int, call: Spent) -> None:
        limits, today = self.limits, self.today
        checks = (
            ("call", "dollars", call.usd + usd, limits.usd_per_call),
            ("call", "tokens", call.tokens + tokens, limits.tokens_per_call),
            ("day", "dollars", today.usd + usd, limits.usd_per_day),
            ("day", "tokens", today.tokens + tokens, limits.tokens_per_day),
        )
        for period, unit, amount, limit in checks:
            if limit is not None and amount > limit:
                remedy = (
                    "send a shorter summary, or include fewer tags"
                    if period == "call"
                    else "try again after midnight UTC, or ask the operator to raise it"
                )
                raise BudgetExceeded(
                    f"The next request to the language model could exceed the budget of {limit:g} {unit} a {period};"
                    f" {remedy}.",
                    details={"period": period, "unit": unit},
                )
