"""Where the inputs of telemetry are fetched from, as settings.

The tree that they are part of is `settings`. Nothing here opens a connection.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

FetchedInput = Literal[
    "spice_kernels", "observation_plan", "instrument_configuration", "instrument_database", "request_table"
]
"""Inputs that can be fetched; they are stored where the settings of telemetry say that they are."""


class InputSource(BaseModel):
    """A place from which an input of telemetry is fetched."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    input: FetchedInput
    """What is fetched."""
    url: str = Field(min_length=1)
    """fsspec URL of a folder (`sftp://host/kernels`, `s3://bucket/kernels`, a path); or, beginning with `git+`, the URL
    of a git repository, whose newest tag is checked out; or, of the table of requests, the web service that answers
    `<url><yyyymmdd>/<yyyymmdd>` with rows."""
    options: dict[str, str] = Field(default_factory=dict)
    """Options of the file system (user, key file, endpoint, …)."""
    secrets: dict[str, SecretStr] = Field(default_factory=dict)
    """Options that are never printed (password, key, secret)."""
    patterns: list[str] = Field(default_factory=lambda: ["*"], min_length=1)
    """Patterns of the names of files that are fetched; zip files of kernels are unpacked, each once."""
    tags: str = "*"
    """Pattern of the tags of the repository that are used."""
    minutes: float = Field(default=15.0, ge=0.5)
    """Time between two checks of the source."""
    remove: bool = False
    """Whether files that were fetched and are no longer at the source are removed here."""
    public_folder: Path | None = None
    """Folder that gets the same checkout of a repository, for others to read."""
    file_bytes: int = Field(default=4 << 30, ge=1)
    """Maximum size of a file, in bytes."""
    total_bytes: int = Field(default=64 << 30, ge=1)
    """Maximum size of all files that are new at one time, unpacked, in bytes."""
    files: int = Field(default=100_000, ge=1)
    """Maximum number of files of a source, and of a zip file."""
    expansion: int = Field(default=200, ge=1)
    """Maximum expansion factor of a zip file; files that expand to less than 64 MiB are always accepted."""
    seconds: float = Field(default=1800.0, gt=0)
    """Time limit of a fetch."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        repository = self.url.startswith("git+")
        if self.public_folder is not None and not repository:
            raise ValueError("public_folder is of a git repository only: the URL must begin with git+")
        if repository and self.input == "request_table":
            raise ValueError("request_table is one file, or a web service: it cannot be a git repository")
        if repository and self.remove:
            raise ValueError("remove has no meaning for a git repository: its folder is exchanged as a whole")
        return self

    @property
    def revealed_options(self) -> dict[str, str]:
        """All options of the file system, including secrets."""
        return self.options | {name: value.get_secret_value() for name, value in self.secrets.items()}
