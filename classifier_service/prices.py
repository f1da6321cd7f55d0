"""What tokens cost: a dated list of prices per model."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from classifier_service.engines.engine import Cost

_MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens."""

    input: float
    cached_input: float
    output: float

    def usd(self, prompt_tokens: int, cached_prompt_tokens: int, completion_tokens: int) -> float:
        """For a request; the cached tokens are among those of the prompt."""
        fresh = prompt_tokens - cached_prompt_tokens
        paid = fresh * self.input + cached_prompt_tokens * self.cached_input + completion_tokens * self.output
        return paid / _MILLION


@dataclass(frozen=True)
class PriceList:
    """Prices by `provider/model`. as_of: ISO 8601."""

    as_of: str
    models: Mapping[str, Price]

    def price(self, model: str) -> Price | None:
        """Of that model, or of the family whose dated version it is: `openai/gpt-4o-2024-08-06`."""
        if model in self.models:
            return self.models[model]
        family = max((name for name in self.models if _is_dated(model, name)), key=len, default=None)
        return None if family is None else self.models[family]

    def cost(self, usd: float) -> Cost:
        """An amount by this list."""
        return Cost(round(usd, 8), self.as_of)


def read_prices(path: Path | None = None) -> PriceList:
    """The list at `path`, or the packaged one. Raises ValueError for what is no price list, naming the entry."""
    source = files("classifier_service") / "prices.toml" if path is None else path
    name = "prices.toml" if path is None else str(path)
    try:
        content = tomllib.loads(source.read_text(encoding="utf-8"))
        return PriceList(
            date.fromisoformat(content["as_of"]).isoformat(),
            {model: _price(prices) for model, prices in content["models"].items()},
        )
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{name} is not a list of prices (as_of, and models with input, cached_input and output): {error}"
        ) from error


def _price(entry: Mapping[str, Any]) -> Price:
    price = Price(float(entry["input"]), float(entry.get("cached_input", entry["input"])), float(entry["output"]))
    if not all(0 <= amount < _MILLION for amount in (price.input, price.cached_input, price.output)):
        raise ValueError("a price must be 0 or more")
    return price


def _is_dated(model: str, family: str) -> bool:
    suffix = model.removeprefix(f"{family}-")
    return suffix != model and suffix.replace("-", "").isdigit()
