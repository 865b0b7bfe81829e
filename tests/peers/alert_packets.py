"""Small Rubin alert packets whose content is known, and a message source over a list.

Not a test module: the conftests of `tests/stream` and `tests/faults` load it by its path.
"""

from __future__ import annotations

import copy
import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fastavro
import fastavro.schema
import numpy as np

from broker_assets.stream.messages import Message, OffsetOutOfRangeError, SourceRefusedError

SCHEMA_ID = 1100
FIRST_MJD = 61000.2
"""In the first night of the survey, evening of 2025-11-20 in Chile."""


def schema_folder() -> Path:
    """The data files of `lsst-alert-packet`; no code of the package is imported."""
    found = find_spec("lsst.alert.packet")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("the optional package lsst-alert-packet is not installed")
    return Path(next(iter(found.submodule_search_locations))) / "schema"


@cache
def rubin_schema(version: str = "11_0") -> dict[str, Any]:
    """The alert schema of a version such as `11_0`, in one piece, every named type inlined once."""
    major, minor = version.split("_")
    schema = fastavro.schema.load_schema(str(schema_folder() / major / minor / f"lsst.v{version}.alert.avsc"))
    assert isinstance(schema, dict)
    return {name: value for name, value in schema.items() if not name.startswith("__")}


@cache
def _parsed(version: str) -> Any:
    return fastavro.parse_schema(copy.deepcopy(rubin_schema(version)))


@cache
def _records(version: str) -> dict[str, Any]:
    """Record types by short name."""
    found: dict[str, Any] = {}

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "record":
                found[node["name"].split(".")[-1]] = node
                for entry in node["fields"]:
                    visit(entry["type"])
            else:
                visit(node.get("items"))
                visit(node.get("type") if not isinstance(node.get("type"), str) else None)
        elif isinstance(node, list):
            for entry in node:
                visit(entry)

    visit(rubin_schema(version))
    return found


_ZERO = {"long": 0, "int": 0, "double": 0.0, "float": 0.0, "string": "", "boolean": False, "bytes": b""}


def blank(name: str, version: str = "11_0") -> dict[str, Any]:
    """A record with null wherever it may be null and zero elsewhere."""
    return dict(_blank(name, version))


@cache
def _blank(name: str, version: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for entry in _records(version)[name]["fields"]:
        kind = entry["type"]
        values[entry["name"]] = None if isinstance(kind, list) else _ZERO.get(kind if isinstance(kind, str) else "", 0)
    return values


def source_id(object_id: int, visit: int) -> int:
    """Unique over objects and visits."""
    return object_id * 1000 + visit


def source(object_id: int, visit: int, mjd: float, version: str = "11_0", **changes: Any) -> dict[str, Any]:
    """One detection."""
    record = blank("diaSource", version)
    record.update(
        diaSourceId=source_id(object_id, visit),
        visit=visit,
        detector=7,
        diaObjectId=object_id,
        midpointMjdTai=mjd,
        ra=(object_id * 0.37) % 360.0,
        dec=-60.0 + (object_id * 0.11) % 90.0,
        psfFlux=1000.0 + visit,
        psfFluxErr=10.0,
        band="ugrizy"[visit % 6],
        reliability=0.9,
        snr=100.0,
    )
    record.update(changes)
    return record


def forced_source(object_id: int, visit: int, mjd: float, version: str = "11_0") -> dict[str, Any]:
    """One forced measurement."""
    record = blank("diaForcedSource", version)
    record.update(
        diaForcedSourceId=source_id(object_id, visit) + 500_000_000_000,
        diaObjectId=object_id,
        visit=visit,
        detector=7,
        midpointMjdTai=mjd,
        ra=(object_id * 0.37) % 360.0,
        dec=-60.0 + (object_id * 0.11) % 90.0,
        psfFlux=900.0 + visit,
        psfFluxErr=11.0,
        band="ugrizy"[visit % 6],
    )
    return record


def alert(
    object_id: int,
    visits: Sequence[tuple[int, float]],
    *,
    version: str = "11_0",
    cutout_bytes: int = 64,
    history: bool = True,
    **changes: Any,
) -> dict[str, Any]:
    """The alert of the last of `visits` (number, MJD TAI), with the earlier ones as its history."""
    number, mjd = visits[-1]
    record = blank("alert", version)
    summary = blank("diaObject", version)
    summary.update(
        diaObjectId=object_id,
        ra=(object_id * 0.37) % 360.0,
        dec=-60.0 + (object_id * 0.11) % 90.0,
        validityStartMjdTai=mjd,
        nDiaSources=len(visits),
        firstDiaSourceMjdTai=visits[0][1],
        lastDiaSourceMjdTai=mjd,
    )
    summary = {name: value for name, value in summary.items() if name in _blank("diaObject", version)}
    noise = np.random.default_rng(source_id(object_id, number)).bytes(cutout_bytes)
    record.update(
        diaSourceId=source_id(object_id, number),
        diaSource=source(object_id, number, mjd, version),
        prvDiaSources=[source(object_id, n, t, version) for n, t in visits[:-1]] if history else None,
        prvDiaForcedSources=[forced_source(object_id, n, t, version) for n, t in visits[:-1]] if history else None,
        diaObject=summary,
        cutoutDifference=noise,
        cutoutScience=noise,
        cutoutTemplate=noise,
    )
    record.update(changes)
    return record


def encode(record: Mapping[str, Any], *, version: str = "11_0", schema_id: int = SCHEMA_ID) -> bytes:
    """The packet in the Confluent framing."""
    out = io.BytesIO()
    out.write(b"\0" + schema_id.to_bytes(4, "big"))
    fastavro.schemaless_writer(out, _parsed(version), record)
    return out.getvalue()


@dataclass
class Survey:
    """A small survey: every object is seen at every visit, and every detection has its alert."""

    objects: int
    visits: int
    first_object: int = 1
    visits_per_night: int = 2
    cutout_bytes: int = 64
    shuffle: int | None = None
    """Seed of the order of the alerts within a visit."""

    def times(self) -> list[tuple[int, float]]:
        """Number and MJD TAI of each visit."""
        return [
            (visit, FIRST_MJD + visit // self.visits_per_night + 0.01 * (visit % self.visits_per_night))
            for visit in range(self.visits)
        ]

    def packets(self) -> Iterator[bytes]:
        """Every alert, visit by visit."""
        order = np.arange(self.first_object, self.first_object + self.objects)
        generator = np.random.default_rng(self.shuffle)
        for visit in range(self.visits):
            if self.shuffle is not None:
                generator.shuffle(order)
            for object_id in order:
                yield encode(alert(int(object_id), self.times()[: visit + 1], cutout_bytes=self.cutout_bytes))

    def sources(self) -> set[tuple[int, int]]:
        """Object and source id of every detection."""
        return {
            (object_id, source_id(object_id, visit))
            for object_id in range(self.first_object, self.first_object + self.objects)
            for visit in range(self.visits)
        }

    def forced_sources(self) -> set[tuple[int, int]]:
        """Object and forced source id of every point that some packet carries (the newest visit has none yet)."""
        return {
            (object_id, number + 500_000_000_000)
            for object_id, number in self.sources()
            if number % 1000 < self.visits - 1
        }


@dataclass
class ListSource:
    """A message source over lists, with the manners of a broker: retention, end, failures on request."""

    logs: dict[int, list[Message]]
    begins: dict[int, int] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)
    """Raised one after the other by the next calls of `consume`."""
    assigned: dict[int, int] = field(default_factory=dict)
    closed: bool = False

    @classmethod
    def of(cls, values: Sequence[bytes], *, partitions: int = 1, timestamp_ms: int | None = None) -> ListSource:
        """Spread payloads over partitions in turn."""
        stamp = int(time.time() * 1000) if timestamp_ms is None else timestamp_ms
        logs: dict[int, list[Message]] = {partition: [] for partition in range(partitions)}
        for index, value in enumerate(values):
            log = logs[index % partitions]
            log.append(Message(index % partitions, len(log), stamp, None, value))
        return cls(logs)

    def append(self, partition: int, value: bytes) -> None:
        """Produce one message."""
        log = self.logs[partition]
        log.append(Message(partition, len(log), int(time.time() * 1000), None, value))

    def assign(self, positions: Mapping[int, int]) -> None:
        self.assigned = dict(positions)

    def consume(self, max_messages: int, timeout: float) -> list[Message]:
        if self.closed:
            raise SourceRefusedError("the source is closed")
        if self.failures:
            raise self.failures.pop(0)
        taken: list[Message] = []
        for partition, position in self.assigned.items():
            if position < self.begins.get(partition, 0) or position > len(self.logs[partition]):
                raise OffsetOutOfRangeError(partition, position)
            messages = self.logs[partition][position : position + max_messages - len(taken)]
            taken.extend(messages)
            self.assigned[partition] = position + len(messages)
        if not taken:
            time.sleep(min(timeout, 0.02))
        return taken

    def beginning_offsets(self) -> dict[int, int]:
        return {partition: self.begins.get(partition, 0) for partition in self.assigned}

    def end_offsets(self) -> dict[int, int]:
        return {partition: len(self.logs[partition]) for partition in self.assigned}

    def partitions(self) -> list[int]:
        return sorted(self.logs)

    def close(self) -> None:
        self.closed = True


def write_schema_folder(folder: Path, version: str = "11_0", schema_id: int = SCHEMA_ID) -> Path:
    """A folder of schemas named by id."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{schema_id}.avsc").write_text(json.dumps(rubin_schema(version)))
    return folder
