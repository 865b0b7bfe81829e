"""The only place where versions are reported: compared with provenance, shown to Dagster, and recorded.

Runs that do not know their partitions beforehand (drain, ingest, publication) and sensors that watch what is outside
pass all versions that they have seen to `Reporter.report`; asset functions end with `Reporter.made`. The callers decide
what a version is, and from what it was made.

The order is always Dagster first, provenance last. If a process dies in between, Dagster gets a report twice, but never
misses one: provenance decides what is new.
"""

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from logging import Logger
from typing import Any, Final

from dagster import (
    AssetCheckResult,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    AssetRecordsFilter,
    DagsterEventType,
    DagsterInstance,
    DataVersion,
    DynamicPartitionsDefinition,
    MaterializeResult,
    ObserveResult,
    PartitionsDefinition,
)

from broker_assets.dagster_internals import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from broker_assets.provenance import costs, versions
from broker_assets.resources.database import Database

ROWS: Final = ("dagster/row_count", "rows", "messages", "files", "packets")
BYTES: Final = ("bytes", "archived_bytes", "received_bytes")
"""Metadata that give the size of a materialisation, the most informative first."""
ADDS_TAG: Final = "broker/adds"
"""Tag of a materialisation that added to what the partition had, such as late alerts of a night: what was there before
is as it was, damage included."""
EMPTY: Final = "empty"
"""Data version of a partition without content. A partition that had content is reported with it, so that children
notice that it is empty now; one that never had any is not reported at all."""


@dataclass(frozen=True)
class Entry:
    """A version of an asset or of one of its partitions, as it is at present."""

    artefact: versions.Artefact
    """What is recorded. Its inputs are shown to Dagster, too."""
    description: str | None = None
    """A line for Dagster's pages."""
    metadata: Mapping[str, Any] | Callable[[], Mapping[str, Any]] = field(default_factory=dict)
    """Metadata, or a function that gives them, which is called only if the version is new."""
    shown_inputs: tuple[versions.Input, ...] = ()
    """Inputs that are shown to Dagster but not recorded: they do not make it stale."""
    adds: bool = False
    """Whether it was only added to, not made as a whole: that ends no alert about what could not be made."""

    @property
    def key(self) -> tuple[str, str]:
        """Asset and partition."""
        return self.artefact.asset, self.artefact.partition


class Reporter:
    """Reports versions of a run or a tick.

    Parameters
    ----------
    instance : DagsterInstance
        Dagster instance whose event log shows them.
    database : Database
        Database with provenance.
    log : Logger
        Logger of the run or sensor.
    run_id : str, optional
        Recorded for artefacts that do not name a run.
    """

    def __init__(
        self, instance: DagsterInstance, database: Database, log: Logger, *, run_id: str | None = None
    ) -> None:
        self.instance = instance
        self._database = database
        self._log = log
        self._run_id = run_id
        self._logged: set[str] = set()

    def report(
        self,
        entries: Iterable[Entry],
        *,
        partitions: PartitionsDefinition[Any] | None = None,
        new_empty: bool = False,
        new_inputs: bool = False,
    ) -> Iterator[AssetMaterialization]:
        """One event for each version that provenance does not know, then the same in provenance.

        Consume the whole iterator: provenance is recorded at the end.

        Parameters
        ----------
        entries : iterable of Entry
            Each asset and partition once; those of an asset follow one another, parents before their children.
        partitions : PartitionsDefinition, optional
            Partitions of these assets. Other keys get no event, since Dagster has no place for them; they are logged
            once and recorded like all others. Without it, the assets have no partitions.
        new_empty : bool
            Whether partitions that are `EMPTY` from the beginning are reported, too.
        new_inputs : bool
            Whether a known version that was rebuilt from other inputs is reported, too.

        Yields
        ------
        AssetMaterialization
            With data version, code version, and version and event of each input as tags: without these Dagster
            considers a child stale from the beginning.

        Raises
        ------
        ValueError
            If an entry or one of its inputs appears twice.
        """
        for entry, tags in self._new(entries, partitions, new_empty, new_inputs):
            yield AssetMaterialization(**_event(entry, tags))

    def observe(
        self, entries: Iterable[Entry], *, partitions: PartitionsDefinition[Any] | None = None
    ) -> Iterator[AssetObservation]:
        """Like `report`, for external assets: the events are observations.

        Dagster uses them only for observable assets, that is, assets defined with a function that observes them (which
        ends with `seen`).
        """
        for entry, tags in self._new(entries, partitions, new_empty=False, new_inputs=False):
            yield AssetObservation(**_event(entry, tags))

    def _new(
        self,
        entries: Iterable[Entry],
        partitions: PartitionsDefinition[Any] | None,
        new_empty: bool,
        new_inputs: bool,
    ) -> Iterator[tuple[Entry, dict[str, str]]]:
        """New versions with their tags; provenance is recorded when all have been consumed."""
        given = [self._of_run(entry) for entry in entries]
        with self._database.transaction() as connection:
            known = versions.recorded(connection, [entry.key for entry in given])
        present = [entry for entry in given if entry.artefact.data_version != EMPTY or entry.key in known or new_empty]
        changed = [
            entry
            for entry in present
            if versions.is_new(entry.artefact, known.get(entry.key))
            or set(entry.artefact.inputs) != set(known[entry.key].inputs)
        ]
        new = [entry for entry in changed if new_inputs or versions.is_new(entry.artefact, known.get(entry.key))]
        if partitions is not None:
            places = self.known({entry.artefact.partition for entry in new}, partitions)
            shown = [entry for entry in new if entry.artefact.partition in places]
        else:
            shown = new
        for _, group in itertools.groupby(shown, key=lambda entry: entry.artefact.asset):
            of_asset = list(group)
            # Looked up now, so that events of parents that were yielded before are found.
            pointers = self._pointers(of_asset)
            for entry in of_asset:
                yield entry, _tags(entry, pointers)
        if changed:
            with self._database.transaction() as connection:
                versions.record(connection, [entry.artefact for entry in changed])

    def send(self, events: Iterable[AssetMaterialization | AssetObservation]) -> int:
        """Show events to Dagster at once and without a run, as a sensor does; return their number.

        Examples
        --------
        In a sensor::

            number = reporter.send(reporter.observe(entries))
        """
        number = 0
        for event in events:
            self.instance.report_runless_asset_event(event)
            number += 1
        return number

    def made(self, *entries: Entry, check_results: Sequence[AssetCheckResult] = ()) -> Iterator[MaterializeResult[Any]]:
        """The results of an asset function, new or not, then the same in provenance.

        Parameters
        ----------
        *entries : Entry
            One for each asset that the function makes.
        check_results : sequence of AssetCheckResult
            Results of checks of the first asset.

        Examples
        --------
        The last line of an asset function::

            yield from Reporter(context.instance, database, context.log, run_id=context.run.run_id).made(entry)
        """
        given = [self._of_run(entry) for entry in entries]
        shown = {entry.artefact.asset: dict(_metadata(entry)) for entry in given}
        used = self._costs(shown)
        for entry in given:
            metadata = shown[entry.artefact.asset]
            yield MaterializeResult(
                asset_key=AssetKey.from_user_string(entry.artefact.asset),
                data_version=DataVersion(entry.artefact.data_version),
                metadata={**metadata, **_cost_metadata(used, alone=len(given) == 1)},
                check_results=(check_results or None) if entry is given[0] else None,
            )
        with self._database.transaction() as connection:
            versions.record(connection, [entry.artefact for entry in given])
            if self._run_id is not None:
                costs.record(connection, self._run_id, used)

    def spent(self, stages: Mapping[str, tuple[float, float]], *, rows: int, size: int) -> None:
        """Record the cost of a run that built several assets at once, and how long its stages took.

        Parameters
        ----------
        stages : mapping
            Seconds of wall-clock time and of CPU time, by stage.
        rows, size : int
            Messages that it read, and their bytes.
        """
        if self._run_id is None:
            return
        seconds, processor = costs.METER.read()
        whole = costs.Cost(seconds=seconds, processor_seconds=processor, rows=rows, bytes=size)
        parts = [
            costs.Cost(stage=name, seconds=took, processor_seconds=used, rows=rows)
            for name, (took, used) in stages.items()
        ]
        with self._database.transaction() as connection:
            costs.record(connection, self._run_id, [whole, *parts])

    def _costs(self, shown: Mapping[str, Mapping[str, Any]]) -> list[costs.Cost]:
        """Time since the last report of this process, of one asset or of all; rows and bytes of each."""
        seconds, processor = costs.METER.read()
        amounts = {asset: (_amount(said, ROWS), _amount(said, BYTES)) for asset, said in shown.items()}
        if len(amounts) == 1:
            ((asset, (rows, size)),) = amounts.items()
            return [costs.Cost(asset=asset, seconds=seconds, processor_seconds=processor, rows=rows, bytes=size)]
        whole = costs.Cost(seconds=seconds, processor_seconds=processor)
        return [whole, *(costs.Cost(asset=asset, rows=rows, bytes=size) for asset, (rows, size) in amounts.items())]

    def seen(self, *entries: Entry) -> Iterator[ObserveResult]:
        """The results of a function that observes assets, new or not, then the same in provenance."""
        given = [self._of_run(entry) for entry in entries]
        for entry in given:
            yield ObserveResult(
                asset_key=AssetKey.from_user_string(entry.artefact.asset),
                data_version=DataVersion(entry.artefact.data_version),
                metadata=_metadata(entry),
            )
        with self._database.transaction() as connection:
            versions.record(connection, [entry.artefact for entry in given])

    def known(self, keys: Collection[str], partitions: PartitionsDefinition[Any]) -> set[str]:
        """The keys that are partitions in Dagster; the others are logged, each once.

        Simulated surveys extend into the future and a wrong clock gives any date: such data are stored and recorded
        nevertheless, but Dagster has no place to show them.
        """
        wanted = set(keys)
        if isinstance(partitions, DynamicPartitionsDefinition):
            valid = wanted & set(self.instance.get_dynamic_partitions(str(partitions.name)))
        else:
            valid = set(partitions.filter_valid_partition_keys(wanted))
        unknown = sorted(wanted - valid - self._logged)
        if unknown:
            self._logged.update(unknown)
            which = unknown[0] if len(unknown) == 1 else f"{len(unknown)} from {unknown[0]} to {unknown[-1]}"
            self._log.warning(f"recorded, but no partition of Dagster: {which}")
        return valid

    def newest(self, asset: AssetKey, keys: Collection[str]) -> dict[str, str]:
        """Data version of the newest materialisation of each partition, where Dagster knows one."""
        if not keys:
            return {}
        latest = self.instance.get_latest_storage_id_by_partition(
            asset, DagsterEventType.ASSET_MATERIALIZATION, set(keys)
        )
        if not latest:
            return {}
        records = self.instance.fetch_materializations(
            AssetRecordsFilter(asset, storage_ids=list(latest.values())), limit=len(latest)
        ).records
        events = [record.asset_materialization for record in records]
        return {
            event.partition: event.tags[DATA_VERSION_TAG]
            for event in events
            if event is not None and event.partition is not None and event.tags and DATA_VERSION_TAG in event.tags
        }

    def _of_run(self, entry: Entry) -> Entry:
        if entry.artefact.run_id is not None or self._run_id is None:
            return entry
        return replace(entry, artefact=entry.artefact.model_copy(update={"run_id": self._run_id}))

    def _pointers(self, entries: Sequence[Entry]) -> dict[tuple[str, str], int]:
        """Storage id of the newest event of each input, where there is one."""
        wanted: dict[str, set[str]] = {}
        for entry in entries:
            for use in (*entry.artefact.inputs, *entry.shown_inputs):
                wanted.setdefault(use.asset, set()).add(use.partition)
        return {
            (asset, partition): pointer
            for asset, keys in wanted.items()
            for partition, pointer in self._newest(AssetKey.from_user_string(asset), keys).items()
        }

    def _newest(self, asset: AssetKey, keys: set[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        if "" in keys:
            record = self.instance.get_latest_data_version_record(asset)
            if record is not None:
                found[""] = record.storage_id
        # Built here, or else observed.
        for kind in (DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_OBSERVATION):
            left = keys - found.keys() - {""}
            if left:
                found |= self.instance.get_latest_storage_id_by_partition(asset, kind, left)
        return found


def _tags(entry: Entry, pointers: Mapping[tuple[str, str], int]) -> dict[str, str]:
    artefact = entry.artefact
    tags = {DATA_VERSION_TAG: artefact.data_version}
    if artefact.code_version:
        tags[CODE_VERSION_TAG] = artefact.code_version
    if entry.adds:
        tags[ADDS_TAG] = "true"
    for use in (*artefact.inputs, *entry.shown_inputs):
        parent = AssetKey.from_user_string(use.asset)
        tags[get_input_data_version_tag(parent)] = use.data_version
        tags[get_input_event_pointer_tag(parent)] = str(pointers.get((use.asset, use.partition), NULL_EVENT_POINTER))
    return tags


def _event(entry: Entry, tags: Mapping[str, str]) -> dict[str, Any]:
    return {
        "asset_key": AssetKey.from_user_string(entry.artefact.asset),
        "partition": entry.artefact.partition or None,
        "description": entry.description,
        "metadata": _metadata(entry),
        "tags": tags,
    }


def _amount(said: Mapping[str, Any], names: Sequence[str]) -> int | None:
    """The first of some metadata that is a number."""
    return next((said[name] for name in names if isinstance(said.get(name), int)), None)


def _cost_metadata(used: Sequence[costs.Cost], *, alone: bool) -> dict[str, float]:
    """Numbers that the page of an asset plots along its materialisations; none if the run built several assets."""
    processor = used[0].processor_seconds if alone else None
    return {} if processor is None else {"processor seconds": round(processor, 3)}


def _metadata(entry: Entry) -> Mapping[str, Any]:
    return entry.metadata() if callable(entry.metadata) else entry.metadata
