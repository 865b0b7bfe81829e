"""Result of a run, file by file."""

from __future__ import annotations

import hashlib
from collections import Counter

from pydantic import BaseModel, ConfigDict, Field


class Outcome(BaseModel):
    """Outcome of a file."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Complete name of our file."""
    path: str
    """Path below our archive."""
    status: str
    """published, supplement, ignored, blacklisted, held, error."""
    reason: str = ""
    """Reason, as text."""
    digest: str = ""
    """Digest of the content of our file."""
    delivered_name: str | None = None
    """Name at the target."""
    sha256: str | None = None
    """SHA-256 of the delivered copy."""
    size: int | None = None
    """Size of the delivered copy, bytes."""


class Report(BaseModel):
    """Result of a run."""

    run_id: str
    """Identifier of the run."""
    target: str
    """Archive."""
    dry_run: bool = False
    """Whether nothing was written; the outcomes are then what a run would do."""
    outcomes: list[Outcome] = Field(default_factory=list)
    """Files decided by this run."""
    unchanged: list[Outcome] = Field(default_factory=list)
    """Files decided earlier, with the decision."""
    waiting: list[str] = Field(default_factory=list)
    """Files that are too recent."""
    left: list[str] = Field(default_factory=list)
    """Files beyond the size of the batch, or after the target became unavailable."""
    passed_over: int = 0
    """Number of files that the target does not accept."""
    failure: str | None = None
    """Why the run ended early."""

    @property
    def counts(self) -> dict[str, int]:
        """Number of files of this run by outcome."""
        return dict(sorted(Counter(outcome.status for outcome in self.outcomes).items()))

    def of(self, *statuses: str) -> list[Outcome]:
        """Outcomes with these statuses."""
        return [outcome for outcome in self.outcomes if outcome.status in statuses]

    @property
    def held(self) -> list[Outcome]:
        """Files that wait for an operator, including those of earlier runs."""
        return [outcome for outcome in [*self.outcomes, *self.unchanged] if outcome.status == "held"]

    @property
    def data_version(self) -> str:
        """Hash of what the target has of the given files."""
        found = hashlib.sha256()
        for outcome in sorted([*self.outcomes, *self.unchanged], key=lambda outcome: outcome.name):
            if outcome.status in ("published", "supplement"):
                found.update(f"{outcome.name}\0{outcome.digest}\n".encode())
        return found.hexdigest()
