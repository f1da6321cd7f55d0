"""What an endpoint can do beyond answering: assumed by provider or declared, and unlearnt where it refuses."""

from __future__ import annotations

import enum
from collections.abc import Collection

from classifier_service.engines.instructor.endpoint import Endpoint
from classifier_service.engines.instructor.troubles import Kind, Trouble


class Capability(enum.StrEnum):
    """Something of a request that some providers do not take."""

    STRICT_SCHEMA = "strict_schema"
    """The answer is decoded under our JSON schema."""
    TEMPERATURE = "temperature"
    SEED = "seed"
    LOGPROBS = "logprobs"
    """The probabilities of the answer's tokens come with it."""
    MAX_TOKENS = "max_tokens"
    """The bound of the answer is called `max_tokens`; without this, `max_completion_tokens`."""


_SPOKEN = {
    Capability.STRICT_SCHEMA: ("response_format", "json_schema", "structured output", "guided", "grammar"),
    Capability.LOGPROBS: ("logprobs",),
    Capability.SEED: ("seed",),
    Capability.TEMPERATURE: ("temperature",),
    Capability.MAX_TOKENS: ("max_tokens",),
}
"""Words by which providers name what they refuse."""
_REFUSALS = (400, 404, 422, 501)


class Capabilities:
    """What is used of one endpoint. It shrinks as the endpoint refuses; a restart begins anew."""

    def __init__(self, endpoint: Endpoint, declared: Collection[str] | None = None) -> None:
        """declared: names of what there is, beside the bound of answers; None: all of it, for OpenAI's protocol.

        Raises ValueError for a name that is none.
        """
        known = [str(one) for one in Capability]
        if declared is not None and (unknown := [name for name in declared if name not in known]):
            raise ValueError(f"there is no capability {unknown[0]!r}; there is: {', '.join(known)}")
        if declared is not None:
            self._used = {Capability(name) for name in declared} | {Capability.MAX_TOKENS}
        elif endpoint.speaks_openai:
            self._used = set(Capability)
        else:  # Instructor asks other providers by their own tools, and its calls differ in the rest
            self._used = {Capability.TEMPERATURE, Capability.MAX_TOKENS}

    def __contains__(self, capability: Capability) -> bool:
        return capability in self._used

    @property
    def names(self) -> tuple[str, ...]:
        """What is in use, in a fixed order."""
        return tuple(str(one) for one in Capability if one in self._used)

    def unlearn(self, trouble: Trouble) -> bool:
        """Drops what a refused request shows to be missing; False where it shows nothing of that kind."""
        if trouble.kind is not Kind.REJECTED or trouble.status not in _REFUSALS:
            return False
        refused = next((one for one, words in _SPOKEN.items() if any(word in trouble.text for word in words)), None)
        if refused is None or refused not in self._used:
            return False
        self._used.discard(refused)
        return True
