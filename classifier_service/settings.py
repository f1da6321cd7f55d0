"""The classifier's settings, from CLASSIFIER_* in the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from vidtomusictags.rpc.settings import HostSettings


class ClassifierSettings(HostSettings):
    """One classifier. Frozen; a wrong environment raises pydantic.ValidationError with every fault at once."""

    model_config = SettingsConfigDict(env_prefix="CLASSIFIER_", frozen=True)

    listen: str = Field("127.0.0.1:50052", description="Address and port; port 0 picks a free one.")
    engine: str = Field("embedded", description="Classification engine.")
    default_taxonomy: str = Field("music-moods", description="Taxonomy that is used where a caller names none.")
    taxonomy_directories: tuple[Path, ...] = Field(
        (), description='Further directories of taxonomies (*.yaml), as a JSON list: ["/taxonomies"].'
    )
    max_call_seconds: float = Field(120.0, gt=0, description="Longest a call may take, whatever its deadline.")
