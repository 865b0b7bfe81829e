"""The sources in the settings: what each fetches, where it goes, and whether it has anything new."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from broker_assets.settings import TelemetrySettings
from broker_assets.settings.sources import InputSource
from broker_assets.telemetry.fetching.files import Fetched, Record, fetch_files, listed, listing_version
from broker_assets.telemetry.fetching.repositories import fetch_tag, is_repository, newest_tag
from broker_assets.telemetry.fetching.zips import FetchError
from broker_assets.telemetry.inputs.requests_update import update

_SETTING = {
    "spice_kernels": "kernels",
    "observation_plan": "planning",
    "instrument_configuration": "configuration",
    "instrument_database": "databases",
    "request_table": "requests",
}
"""Setting with the place of an input."""


@dataclass(frozen=True)
class NamedSource:
    """A source with its name, unique among those of the settings."""

    name: str
    source: InputSource
    target: Path | None
    """Folder or file of the input."""
    record: Path
    """File that records what was fetched from it."""

    @property
    def last(self) -> Record:
        """What was fetched last."""
        return Record.read(self.record)

    def version(self) -> str | None:
        """Current version of the source; None for a web service, which only shows it when it is fetched.

        Raises
        ------
        FetchError
            If the source cannot be reached.
        """
        if is_repository(self.source):
            return " ".join(newest_tag(self.source))
        if _is_service(self.source):
            return None
        return listing_version(listed(self.source))

    def fetch(self) -> Fetched:
        """Bring the input up to date, completely or not at all.

        Raises
        ------
        FetchError
            If that is not possible; the previous input stays in force.
        """
        if self.target is None:
            raise FetchError(
                f"{self.name} has no destination: set BROKER_TELEMETRY__{_SETTING[self.source.input].upper()}"
            )
        if is_repository(self.source):
            return fetch_tag(self.source, self.target, self.record)
        if _is_service(self.source):
            return self._ask(self.target)
        return fetch_files(self.source, self.target, self.record)

    def _ask(self, target: Path) -> Fetched:
        before = target.read_bytes() if target.is_file() else None
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            rows = update(target, self.source.url, seconds=self.source.seconds, strict=True)
        except (OSError, UnicodeDecodeError) as error:
            raise FetchError(f"the table of requests cannot be updated from {self.source.url}: {error}") from error
        changed = target.is_file() and target.read_bytes() != before
        version = f"{rows} rows"
        Record(version=version, fetched_at=datetime.now(UTC)).write(self.record)
        return Fetched(version=version, new=[target.name] if changed else [])


def named_sources(settings: TelemetrySettings, folder: Path) -> list[NamedSource]:
    """The sources in the settings; several for one input are numbered.

    Parameters
    ----------
    settings : TelemetrySettings
        Sources, and where the inputs are.
    folder : Path
        Folder of telemetry, in which the records of what was fetched are kept.
    """
    found = []
    for number, source in enumerate(settings.sources):
        before = sum(other.input == source.input for other in settings.sources[:number])
        name = f"{source.input}_{before + 1}" if before else source.input
        target: Path | None = getattr(settings, _SETTING[source.input])
        found.append(NamedSource(name, source, target, folder / "fetched" / f"{name}.json"))
    return found


def _is_service(source: InputSource) -> bool:
    return source.input == "request_table" and source.url.startswith(("http://", "https://"))
