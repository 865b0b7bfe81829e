"""What a run did, file by file."""

from __future__ import annotations

import hashlib
from collections import Counter

from pydantic import BaseModel, ConfigDict, Field


class Outcome(BaseModel):
    """What became of a file."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Complete name of our file."""
    path: str
    """Below our archive."""
    status: str
    """published, supplement, ignored, blacklisted, held, error."""
    reason: str = ""
    """Why, in words."""
    digest: str = ""
    """Of the content of our file."""
    delivered_name: str | None = None
    """Name at the target."""
    sha256: str | None = None
    """Of the delivered copy."""
    size: int | None = None
    """Of the delivered copy, bytes."""


class Report(BaseModel):
    """What a run did."""

    run_id: str
    """Identifier of the run."""
    target: str
    """Archive."""
    dry_run: bool = False
    """Nothing was written; the outcomes are what a run would do."""
    outcomes: list[Outcome] = Field(default_factory=list)
    """Files that this run decided on."""
    unchanged: list[Outcome] = Field(default_factory=list)
    """Files that were decided before, with what was decided."""
    waiting: list[str] = Field(default_factory=list)
    """Files that are too young."""
    left: list[str] = Field(default_factory=list)
    """Files beyond the size of the batch, or after the target went away."""
    passed_over: int = 0
    """Files that the target does not take."""
    failure: str | None = None
    """Why the run ended before all was done."""

    @property
    def counts(self) -> dict[str, int]:
        """Files of this run by outcome."""
        return dict(sorted(Counter(outcome.status for outcome in self.outcomes).items()))

    def of(self, *statuses: str) -> list[Outcome]:
        """Outcomes of these statuses."""
        return [outcome for outcome in self.outcomes if outcome.status in statuses]

    @property
    def held(self) -> list[Outcome]:
        """Files that wait for an operator, those of earlier runs included."""
        return [outcome for outcome in [*self.outcomes, *self.unchanged] if outcome.status == "held"]

    @property
    def data_version(self) -> str:
        """Hash of what the target has of the files given."""
        found = hashlib.sha256()
        for outcome in sorted([*self.outcomes, *self.unchanged], key=lambda outcome: outcome.name):
            if outcome.status in ("published", "supplement"):
                found.update(f"{outcome.name}\0{outcome.digest}\n".encode())
        return found.hexdigest()
