"""Every kind of message has its defined outcome: stored, duplicate or quarantined, and the batch goes on."""

from __future__ import annotations

import copy
import io
import json
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import fastavro
import pytest
from broken_adapter import BrokenAdapter

from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import SchemaFolder
from broker_assets.settings import DrainSettings

pytestmark = pytest.mark.database

VISITS = [(0, 61000.2), (1, 61001.2), (2, 61002.2)]


@dataclass
class Case:
    """One odd message between two good ones."""

    make: Callable[[ModuleType], bytes]
    outcome: str
    reason: str = ""
    also: Callable[[Any], None] = lambda broker: None


def _edited(packets: ModuleType, **source: Any) -> bytes:
    record = packets.alert(7, VISITS)
    record["diaSource"] |= source
    return packets.encode(record)


def _with_infinite_history(packets: ModuleType) -> bytes:
    record = packets.alert(7, VISITS)
    record["prvDiaForcedSources"][0]["psfFlux"] = math.inf
    record["prvDiaForcedSources"][1]["psfFlux"] = -math.inf
    return packets.encode(record)


def _solar_system(packets: ModuleType) -> bytes:
    record = packets.alert(7, VISITS, history=False, diaObject=None)
    record["diaSource"] |= {"diaObjectId": None, "ssObjectId": 4711}
    record["ssSource"] = packets.blank("ssSource") | {"ssObjectId": 4711, "diaSourceId": record["diaSourceId"]}
    return packets.encode(record)


def _unknown_field(packets: ModuleType) -> bytes:
    return packets.encode(packets.alert(7, VISITS))


def _one(broker: Any, statement: str) -> Any:
    return broker.value(statement)


def _check_nan(broker: Any) -> None:
    assert math.isnan(_one(broker, "SELECT psfflux FROM diasources WHERE diasourceid = 7002"))
    assert math.isinf(_one(broker, "SELECT psffluxerr FROM diasources WHERE diasourceid = 7002"))


def _check_infinite_history(broker: Any) -> None:
    fluxes = {row[0] for row in broker.query("SELECT psfflux FROM diaforcedsources WHERE diaobjectid = 7")}
    assert fluxes == {math.inf, -math.inf}


def _check_solar_system(broker: Any) -> None:
    assert broker.query("SELECT diaobjectid, ssobjectid FROM diasources WHERE diasourceid = 7002") == [(0, 4711)]
    assert _one(broker, "SELECT count(*) FROM sssources WHERE ssobjectid = 4711") == 1
    assert _one(broker, "SELECT count(*) FROM objects WHERE diaobjectid IN (0, 7)") == 0


def _check_history_of_seven(broker: Any) -> None:
    assert _one(broker, "SELECT count(*) FROM diasources WHERE diaobjectid = 7") == 3
    assert _one(broker, "SELECT count(*) FROM diaforcedsources WHERE diaobjectid = 7") == 2


def _check_no_history(broker: Any) -> None:
    assert _one(broker, "SELECT count(*) FROM diasources WHERE diaobjectid = 7") == 1
    assert _one(broker, "SELECT count(*) FROM diaforcedsources WHERE diaobjectid = 7") == 0
    assert _one(broker, "SELECT count(*) FROM objects WHERE diaobjectid = 7") == 1


def _check_ten_megabytes(broker: Any) -> None:
    assert _one(broker, "SELECT bytes FROM ingest_batch ORDER BY bytes DESC LIMIT 1") > 10_000_000


CASES = {
    "truncated in the middle": Case(
        lambda p: p.encode(p.alert(7, VISITS))[:300], "quarantined", "beyond the end|remaining bytes"
    ),
    "truncated in the framing": Case(lambda p: b"\0\0", "quarantined", "Confluent"),
    "empty (tombstone)": Case(lambda p: b"", "quarantined", "Confluent"),
    "no magic byte": Case(lambda p: b"\1" + p.encode(p.alert(7, VISITS))[1:], "quarantined", "Confluent"),
    "schema id that nobody knows": Case(
        lambda p: p.encode(p.alert(7, VISITS), schema_id=999), "quarantined", "no schema with id 999"
    ),
    "random bytes": Case(lambda p: p.encode({**p.alert(7, VISITS)})[:5] + b"\xff" * 500, "quarantined"),
    "bytes after the datum": Case(lambda p: p.encode(p.alert(7, VISITS)) + b"tail", "quarantined", "left over"),
    "NaN and infinity in the source": Case(
        lambda p: _edited(p, psfFlux=math.nan, psfFluxErr=math.inf), "stored", also=_check_nan
    ),
    "NaN as time": Case(lambda p: _edited(p, midpointMjdTai=math.nan), "quarantined", "midpoint is missing"),
    "infinite position": Case(lambda p: _edited(p, ra=math.inf), "quarantined", "right ascension inf"),
    "infinity in the history": Case(_with_infinite_history, "stored", also=_check_infinite_history),
    "null object (solar system)": Case(_solar_system, "stored", also=_check_solar_system),
    "object without history": Case(
        lambda p: p.encode(p.alert(7, VISITS, history=False)), "stored", also=_check_no_history
    ),
    "object with history": Case(lambda p: p.encode(p.alert(7, VISITS)), "stored", also=_check_history_of_seven),
    "text with a null character": Case(lambda p: _edited(p, reliabilityVersion="a\0b"), "stored-or-quarantined"),
    "10 MB": Case(lambda p: p.encode(p.alert(7, VISITS, cutout_bytes=3_400_000)), "stored", also=_check_ten_megabytes),
}


@pytest.mark.parametrize("name", CASES)
def test_outcome(name: str, broker: Any, packets: ModuleType) -> None:
    """A message between two good ones; the good ones are stored whatever it is."""
    case = CASES[name]
    good = [packets.encode(packets.alert(object_id, VISITS[:1])) for object_id in (1, 2)]
    odd = case.make(packets)
    report = broker.drain(packets.ListSource.of([good[0], odd, good[1]]))

    expected = case.outcome
    if expected == "stored-or-quarantined":
        expected = "stored" if report.quarantined == 0 else "quarantined"
    counts = {"stored": 2, "duplicate": 0, "quarantined": 0}
    counts[expected] += 1
    assert {name: getattr(report, name) for name in counts} == counts
    assert report.received == report.stored + report.duplicate + report.quarantined
    broker.assert_closed_ledger()
    assert broker.value("SELECT count(*) FROM diasources WHERE diaobjectid IN (1, 2)") == 2
    if expected == "quarantined":
        [(payload, reason, state)] = broker.query("SELECT payload, reason, state FROM quarantine")
        assert bytes(payload) == odd
        assert state == "open"
        assert re.search(case.reason, reason)
    case.also(broker)


def test_unknown_fields_stop_nothing(broker: Any, packets: ModuleType, tmp_path: Path) -> None:
    """A newer minor version with fields that nobody knows: known fields are stored."""
    schema = copy.deepcopy(packets.rubin_schema())
    source = next(f for f in schema["fields"] if f["name"] == "diaSource")["type"]
    source["fields"].insert(3, {"name": "novelty", "type": ["null", "double"], "default": None})
    schema["fields"].append({"name": "novelties", "type": {"type": "array", "items": "string"}})
    (tmp_path / "1101.avsc").write_text(json.dumps(schema))
    (tmp_path / "1100.avsc").write_text(json.dumps(packets.rubin_schema()))
    record = packets.alert(7, VISITS)
    record["diaSource"]["novelty"] = 1.5
    record["novelties"] = ["one", "two"]
    out = io.BytesIO()
    out.write(b"\0" + struct.pack(">I", 1101))
    fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(schema)), record)
    old = packets.encode(packets.alert(8, VISITS))

    report = broker.drain(
        packets.ListSource.of([out.getvalue(), old]),
        decoder=lambda: AlertDecoder("rubin", "confluent", SchemaFolder(tmp_path), topic="alerts"),
    )
    assert (report.stored, report.quarantined) == (2, 0)
    assert broker.value("SELECT psfflux FROM diasources WHERE diasourceid = 7002") == 1002.0
    assert broker.value("SELECT count(*) FROM archive_file") == 2, "one file for each schema"


class TestDuplicates:
    """The same alert twice: the second message is a duplicate, archived and counted, and adds no row."""

    def check(self, broker: Any, report: Any) -> None:
        """Two messages, one alert."""
        assert (report.received, report.stored, report.duplicate) == (2, 1, 1)
        broker.assert_closed_ledger()
        assert broker.value("SELECT count(*) FROM diasources WHERE diasourceid = 7002") == 1
        assert broker.value("SELECT sum(packets) FROM archive_file") == 2

    def test_in_one_batch(self, broker: Any, packets: ModuleType) -> None:
        """Both messages in one transaction."""
        alert = packets.encode(packets.alert(7, VISITS))
        report = broker.drain(packets.ListSource.of([alert, alert]))
        assert report.batches == 1
        self.check(broker, report)

    def test_in_two_batches(self, broker: Any, packets: ModuleType) -> None:
        """One transaction after the other."""
        alert = packets.encode(packets.alert(7, VISITS))
        settings = DrainSettings(batch_max=1, batch_seconds=0.2, idle_seconds=0.1)
        report = broker.drain(packets.ListSource.of([alert, alert]), settings=settings)
        assert report.batches == 2
        self.check(broker, report)

    def test_in_two_runs(self, broker: Any, packets: ModuleType) -> None:
        """A producer that sends again what was stored long ago."""
        alert = packets.encode(packets.alert(7, VISITS))
        source = packets.ListSource.of([alert])
        broker.drain(source)
        source.append(0, alert)
        report = broker.drain(source)
        assert (report.received, report.stored, report.duplicate) == (1, 0, 1)
        broker.assert_closed_ledger()

    def test_own_packet_after_it_was_seen_in_a_history(self, broker: Any, packets: ModuleType) -> None:
        """A source known from a later packet's history is stored, not a duplicate, when its own packet comes."""
        late = packets.encode(packets.alert(7, VISITS[:1]))
        report = broker.drain(packets.ListSource.of([packets.encode(packets.alert(7, VISITS)), late]))
        assert (report.stored, report.duplicate) == (2, 0)
        assert broker.value("SELECT count(*) FROM diasources WHERE archivefileid IS NOT NULL") == 2
        assert broker.value("SELECT count(*) FROM diasources") == 3


def test_poison_packet_that_makes_the_adapter_raise(broker: Any, packets: ModuleType) -> None:
    """Its neighbours are stored; its traceback is kept."""
    adapter = BrokenAdapter(lambda identity: 13 in identity.diaobjectid, "thirteen")
    values = [packets.encode(packets.alert(object_id, VISITS)) for object_id in range(1, 31)]
    report = broker.drain(packets.ListSource.of(values), decoder=lambda: broker.decoder(adapter))
    assert (report.stored, report.quarantined) == (29, 1)
    [(offset, reason, traceback)] = broker.query('SELECT "offset", reason, traceback FROM quarantine')
    assert offset == 12
    assert "thirteen" in reason
    assert "ZeroDivisionError" in traceback


def test_packet_that_the_database_refuses(broker: Any, packets: ModuleType) -> None:
    """What only the server objects to is followed down to its message as well."""
    broker.execute("ALTER TABLE objects ADD CONSTRAINT no_thirteen CHECK (diaobjectid <> 13)")
    values = [packets.encode(packets.alert(object_id, VISITS)) for object_id in range(1, 31)]
    report = broker.drain(packets.ListSource.of(values, partitions=3))
    assert (report.stored, report.quarantined) == (29, 1)
    [(reason,)] = broker.query("SELECT reason FROM quarantine")
    assert "no_thirteen" in reason
    broker.assert_closed_ledger()
    assert len(broker.archive_files()) == broker.value("SELECT count(*) FROM archive_file"), "no orphan"


class TestRetention:
    """Offsets that the broker dropped before they were read, and recreated topics."""

    def test_gap_is_recorded_and_the_rest_is_read(self, broker: Any, packets: ModuleType) -> None:
        """Three of eight messages are lost, visibly."""
        source = packets.ListSource.of([packets.encode(packets.alert(n, VISITS[:1])) for n in range(1, 3)])
        broker.drain(source)
        for object_id in range(3, 9):
            source.append(0, packets.encode(packets.alert(object_id, VISITS[:1])))
        source.begins[0] = 5
        report = broker.drain(source)
        assert (report.received, report.stored) == (3, 3)
        assert [(gap.partition, gap.first_offset, gap.next_offset) for gap in report.gaps] == [(0, 2, 5)]
        assert broker.query('SELECT "partition", first_offset, next_offset FROM stream_gap') == [(0, 2, 5)]
        broker.assert_closed_ledger()

    def test_first_run_of_an_old_topic_has_no_gap(self, broker: Any, packets: ModuleType) -> None:
        """What was dropped before we ever read the topic was never ours."""
        source = packets.ListSource.of([packets.encode(packets.alert(n, VISITS[:1])) for n in range(1, 5)])
        source.begins[0] = 2
        report = broker.drain(source)
        assert report.stored == 2
        assert report.gaps == []
        broker.assert_closed_ledger()

    def test_topic_made_anew_is_an_error(self, broker: Any, packets: ModuleType) -> None:
        """A topic that ends before our position is not read silently from elsewhere."""
        from broker_assets.stream.errors import StreamResetError

        alerts = [packets.encode(packets.alert(n, VISITS[:1])) for n in range(1, 5)]
        broker.drain(packets.ListSource.of(alerts))
        with pytest.raises(StreamResetError, match="was recreated"):
            broker.drain(packets.ListSource.of(alerts[:1]))


def test_flood_is_marked(broker: Any, packets: ModuleType) -> None:
    """Most of a batch failing for one reason is rather our fault than the packets'."""
    good = packets.encode(packets.alert(1, VISITS))
    report = broker.drain(packets.ListSource.of([good, *[good[: 300 + n] for n in range(30)]]))
    assert (report.stored, report.quarantined) == (1, 30)
    [flood] = report.floods
    assert (flood.failed, flood.received) == (30, 31)
