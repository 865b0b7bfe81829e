"""Packets from public bug reports in the stream: each is stored as far as it makes sense, and none ends a run."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.files import Schemas
from broker_assets.packets.files import read_packets as packets_of_file
from broker_assets.replay.packet_files import read_packets
from broker_assets.stream.isolation import DOUBTFUL_IN_A_ROW

pytestmark = [pytest.mark.shared, pytest.mark.database]


@pytest.fixture
def field(shared_folder: Path) -> Path:
    return shared_folder / "data" / "alerts" / "field"


def drain(broker: Any, packets: ModuleType, values: list[bytes], survey: str = "rubin") -> Any:
    return broker.drain(
        packets.ListSource.of(values), decoder=lambda: AlertDecoder(survey, "container", topic="alerts")
    )


def test_a_run_of_orbits_without_designation_is_ordinary(broker: Any, packets: ModuleType, field: Path) -> None:
    """The detections are stored; the orbits cost themselves, and are counted in the report."""
    content = (field / "lsst9_mpcorb_null_designation.avro").read_bytes()
    number = 2 * DOUBTFUL_IN_A_ROW
    report = drain(broker, packets, [content] * number)
    assert (report.stored, report.duplicate, report.quarantined) == (1, number - 1, 0)
    assert report.metadata()["omitted"] == {"orbit: without a valid designation": number}
    assert broker.value("SELECT count(*) FROM diasources") == 1
    assert broker.value("SELECT count(*) FROM mpc_orbits") == 0
    broker.assert_closed_ledger()


def test_records_that_spark_wrote(broker: Any, packets: ModuleType, field: Path) -> None:
    values = [packet.value for packet in read_packets([field / "fink_lsst_nonnull_records.avro"], framing="container")]
    report = drain(broker, packets, values)
    assert (report.stored, report.quarantined) == (7, 0)
    assert broker.value("SELECT count(*) FROM objects") == 5
    assert broker.value("SELECT count(*) FROM sssources") == 2
    assert broker.value("SELECT count(*) FROM mpc_orbits") == 2


def test_an_empty_first_block(broker: Any, packets: ModuleType, field: Path) -> None:
    report = drain(broker, packets, [(field / "ztf33_empty_first_block.avro").read_bytes()], "ztf")
    assert (report.stored, report.quarantined) == (1, 0)


def test_whatever_is_in_the_folder(broker: Any, packets: ModuleType, field: Path) -> None:
    """As messages of one stream; what is no packet of it is in quarantine with a reason."""
    files = sorted(field.glob("*.avro")) + sorted(field.glob("*.gz"))
    report = drain(broker, packets, [path.read_bytes() for path in files])
    assert report.received == len(files) == report.stored + report.duplicate + report.quarantined
    assert report.stored >= 15
    reasons = broker.query("SELECT reason FROM quarantine")
    assert any("compressed with gzip" in reason for (reason,) in reasons)
    assert not any("Traceback" in reason for (reason,) in reasons)
    broker.assert_closed_ledger()
    good = [packet for path in files for packet in packets_of_file(str(path), Schemas()) if packet.error is None]
    assert len(good) >= report.stored
