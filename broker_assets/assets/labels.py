"""What Dagster's pages show about an asset besides its content: tags, owners, and what writes it.

Every asset has the same four tags, so that the catalogue can be searched by them. Owners are roles; `docs/operating.md`
says what each is responsible for. Assets that a job writes outside Dagster's automation name the job, with links.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dagster import MetadataValue

LOCATION: Final = "broker_assets"
"""Name of the code location, as in `workspace.yaml`."""

STREAM_OPERATORS: Final = "team:stream-operators"
SKY_LIST_CURATORS: Final = "team:sky-list-curators"
INSTRUMENT_OPERATORS: Final = "team:instrument-operators"
ARCHIVE_MANAGERS: Final = "team:archive-managers"
OWNERS: Final = (STREAM_OPERATORS, SKY_LIST_CURATORS, INSTRUMENT_OPERATORS, ARCHIVE_MANAGERS)
"""The roles."""

ALL_SURVEYS: Final = "all"
INSTRUMENT: Final = "stix"
WRITTEN_BY: Final = "written by"
"""Name of the metadata with the links."""


def labels(owner: str, *, survey: str, level: str, family: str, store: str) -> dict[str, Any]:
    """Arguments of an asset definition: its tags and owner.

    Parameters
    ----------
    owner : str
        One of `OWNERS`.
    survey : str
        Survey or instrument of the data, or `ALL_SURVEYS`.
    level : str
        Step of the processing: `raw`, `archive`, `rows`, `facts`, `list`, `index`, `hits`, `files`, `input`,
        `model`, `published`, or the level of telemetry (`lb`, `l0`, `l1`, `l2`).
    family : str
        `alerts`, `sky`, `tns`, or the family of telemetry products.
    store : str
        Kind of store: `kafka`, `files` or `postgres`.

    Examples
    --------
    >>> labels(STREAM_OPERATORS, survey="ztf", level="raw", family="alerts", store="kafka")["tags"]["survey"]
    'ztf'
    """
    return {"owners": [owner], "tags": {"survey": survey, "level": level, "family": family, "store": store}}


@dataclass(frozen=True)
class Writer:
    """The job or sensor that writes or observes an asset outside Dagster's automation."""

    job: str | None = None
    """Job."""
    sensor: str | None = None
    """Sensor that starts the job, or that observes the asset itself."""
    schedule: str | None = None
    """Schedule that starts the job."""

    def sentence(self) -> str:
        """Markdown with links to the pages of both.

        Examples
        --------
        >>> Writer("drain", sensor="kafka_lag").sentence()[:60]
        'Written by the job [drain](/locations/broker_assets/jobs/dra'
        >>> Writer(sensor="kafka_lag").sentence()
        'Recorded by the sensor [kafka_lag](/locations/broker_assets/sensors/kafka_lag), without a run.'
        """
        kind, name = ("sensor", self.sensor) if self.sensor else ("schedule", self.schedule)
        starter = f"the {kind} {_link(f'{kind}s', name)}" if name else "an operator"
        if self.job is None:
            return f"Recorded by {starter}, without a run."
        return f"Written by the job {_link('jobs', self.job)}, which {starter} starts."


def _link(kind: str, name: str) -> str:
    return f"[{name}](/locations/{LOCATION}/{kind}/{name})"


def about(text: str, writer: Writer | None = None, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Arguments of an asset definition: its description and metadata, both with the job or sensor that writes it.

    Parameters
    ----------
    text : str
        Description of the asset.
    writer : Writer, optional
        Job or sensor that writes it; not for assets with an automation condition.
    metadata : mapping, optional
        More metadata.
    """
    if writer is None:
        return {"description": text, "metadata": dict(metadata or {})}
    sentence = writer.sentence()
    return {
        "description": f"{text} {sentence}",
        "metadata": {**(metadata or {}), WRITTEN_BY: MetadataValue.md(sentence)},
    }


ANNOTATE: Final = Writer("read_annotations", sensor="annotations")
DRAIN: Final = Writer("drain", sensor="kafka_lag")
FACT_INPUT_OBSERVER: Final = Writer(sensor="fact_inputs")
SURVEY_NIGHT: Final = Writer("survey_night", schedule="survey_night")
PLACING: Final = Writer("place_objects", sensor="roots")
PLANNING: Final = Writer("plan_nights", schedule="plan_nights")
COMPARISON: Final = Writer("compare_brokers", schedule="compare_brokers")
SIMULATION_OBSERVER: Final = Writer(schedule="survey_night")
CATALOGUE_OBSERVER: Final = Writer(sensor="catalogues")
STREAM_OBSERVER: Final = Writer(sensor="kafka_lag")
INGEST: Final = Writer("ingest_telemetry", sensor="telemetry_files")
FOLDER_OBSERVER: Final = Writer(sensor="telemetry_files")
INPUT_OBSERVER: Final = Writer(sensor="telemetry_inputs")
LIST_OBSERVER: Final = Writer(sensor="lists")
CLASSIFIER_OBSERVER: Final = Writer(sensor="classifiers")
FILTER_OBSERVER: Final = Writer(sensor="filters")
TRAIN: Final = Writer("train_classifier", sensor="classifiers")
MATCH: Final = Writer("match_lists", sensor="lists")
FETCH_TNS: Final = Writer("fetch_tns", sensor="tns_cadence")
TNS_OBSERVER: Final = Writer(sensor="tns_cadence")
NIGHTLY_BACKUP: Final = Writer("nightly_backup", schedule="nightly_backup")
WEEKLY_BACKUP: Final = Writer("weekly_backup", schedule="weekly_backup")
PUBLISH: Final = Writer("publish_products", schedule="publish_due")
