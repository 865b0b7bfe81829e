"""Tables of kinds and cases that no golden file shows, from packets made here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broker_assets.telemetry import InstrumentDatabase, RawPacket
from broker_assets.telemetry.inputs.requests import RequestTable
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.packets.encoding import PacketHeader, encode
from broker_assets.telemetry.products.kinds import kind_of
from broker_assets.telemetry.products.levels.level0 import Inputs, Problem, level0_of_request, whole
from broker_assets.telemetry.products.levels.level1 import NOT_SHIFTED, SHIFTED, level1_of_request
from broker_assets.telemetry.products.product import Product, VersionRange
from broker_assets.telemetry.reception.packet_store import StoredPacket

START = 664156800
Key = tuple[int, int, int | None]
Maker = Callable[..., Product]
HEAD = {"NIX00001": 91, "NIX00002": 50001, "NIX00037": 1234567, "NIX00402": START << 16}


@pytest.fixture
def make(open_database: InstrumentDatabase, open_inputs: Inputs) -> Maker:
    """The one product of one packet of a kind with given values."""

    def made(
        key: Key, values: dict[str, Any], *, table: RequestTable | None = None, problem: str | None = None
    ) -> Product:
        packet = encode(open_database, key, {"NIX00120": key[2], **values}, PacketHeader(START + 3600, 0, 1, 3))
        request = (50001, 1234567) if kind_of(key).by_request else None
        digest = hashlib.sha256(packet).digest()
        stored = StoredPacket(RawPacket(packet, "x.xml", 0, 1), digest, (START + 3600) << 16, 1, request, None)
        inputs = replace(open_inputs, requests=table or RequestTable())
        problems: list[Problem] = []
        if kind_of(key).by_request:
            found = level0_of_request(kind_of(key), [stored], inputs, problems)
        else:
            product = whole(kind_of(key), [stored], inputs, problems)
            found = [] if product is None else [product]
        assert [item.reason for item in problems] == ([] if problem is None else [problem])
        return found[0] if found else None  # type: ignore[return-value]

    return made


def pixel_values(bins: int = 2, *, step: int = 20, **more: Any) -> dict[str, Any]:
    """Compressed pixel data: two energies, detectors 1 and 4, pixels 0, 1 and 4."""
    values: dict[str, Any] = {**HEAD, "NIXD0008": 4, "NIXD0009": 4, "NIXD0011": 4, "NIXD0012": 4, "NIX00403": bins}
    values |= {f"NIX00{number}": [number - 242] * bins for number in range(242, 258)}
    values |= {"NIX00441": [step * i for i in range(bins)], "NIX00401": [0] * bins, "NIX00442": [3] * bins}
    values |= {"NIXD0407": [1, 2, 16] * bins, "NIX00407": [0b1001] * bins, "NIX00405": [step] * bins}
    values |= {"NIX00258": [2] * bins, "NIXD0016": [4, 6] * bins, "NIXD0017": [5, 9] * bins}
    values |= {"NIX00259": [6] * (2 * bins), "NIX00260": [n % 32 for n in range(12 * bins)]}
    return values | more


def test_compressed_pixels_are_put_where_the_stream_says(make: Maker) -> None:
    """Stream: time, energy, detector, pixel; table: time, detector, pixel, energy."""
    product = make((21, 6, 21), pixel_values())
    counts = product.data["counts"].values
    expected = np.arange(24).reshape(2, 2, 2, 3).transpose(0, 2, 3, 1)
    assert counts.tolist() == expected.tolist()
    assert product.time.tolist() == [(START + 1) << 16, (START + 3) << 16]
    assert product.control["energy_bin_edge_mask"].values[0].nonzero()[0].tolist() == [4, 6, 10]
    assert product.energies is not None
    assert product.energies["e_low"].values.tolist() == [16, 24]
    assert product.data["pixel_masks"].values[0].nonzero()[0].tolist() == [0, 1, 4]


def test_time_bins_that_lack_an_energy_are_an_error(make: Maker) -> None:
    """The request is not whole."""
    values = pixel_values(NIX00258=[2, 1], NIXD0016=[4, 6, 4], NIXD0017=[5, 9, 5], NIX00259=[6] * 3)
    values["NIX00260"] = list(range(18))
    problem = "2 time bins and 2 energies need 4 groups of counts; there are 3"
    assert make((21, 6, 21), values, problem=problem) is None


def test_scaled_triggers_need_the_table_of_requests(make: Maker) -> None:
    """Divided by 27 · tenths · groups; inactive groups have no triggers; an unknown request is a problem by name."""
    values = pixel_values(NIXD0011=0, NIXD0012=7)
    table = RequestTable({1234567: [{"scaling_factor": "27"}]})
    product = make((21, 6, 21), values, table=table)
    triggers = product.data["triggers"].values[0]
    # Detector 1 is in group 1, detector 4 in group 8 (numbered from 1): accumulators 0 and 7.
    assert triggers.nonzero()[0].tolist() == [0, 7]
    assert triggers[7] == 7 * 27 * 20 + 0.5 * 27 * 20
    assert product.data["triggers_comp_err"].values[0, 0] == 270
    assert "trigger descaled with 27" in product.history
    assert ("TRIG_SCA", 27, "used trigger descale factor") in product.cards
    problem = "triggers of request 1234567 are scaled and the table of requests lacks it"
    assert make((21, 6, 21), values, problem=problem) is None


def test_shifted_time_bins(make: Maker, open_inputs: Inputs) -> None:
    """Before 2.26.36 lengths of one second are moved by one bin; other lengths are not."""
    assert open_inputs.kernels is not None
    old = (VersionRange("2.26.34", 0, 1),)
    values = pixel_values(4, step=10, NIX00405=[10, 20, 30, 40])
    product = replace(make((21, 6, 21), values), versions=old)
    repaired = level1_of_request(product.kind, product, open_inputs.kernels)
    assert SHIFTED in repaired.history
    assert (repaired.timedel / clock.TICKS_PER_SECOND).tolist() == [1.0, 2.0]
    assert repaired.data["counts"].values.tolist() == product.data["counts"].values[1:3].tolist()
    product = replace(make((21, 6, 21), pixel_values(4)), versions=old)
    assert NOT_SHIFTED in level1_of_request(product.kind, product, open_inputs.kernels).comments
    made = make((21, 6, 21), values)
    newer = level1_of_request(made.kind, made, open_inputs.kernels)
    assert len(newer.time) == 4
    assert newer.comments == ()


def test_raw_pixels(make: Maker) -> None:
    """Times keep their tenths; every detector of the mask has a plane; channels have their numbers."""
    values = {**HEAD, "NIX00403": 2, "NIX00404": [6, 6], "NIX00401": [0, 0], "NIX00405": [7, 7]}
    values |= {"NIXD0407": [0xFFF] * 2, "NIX00407": [0b111] * 2, "NIX00406": [2, 1]}
    values |= {f"NIX00{number}": [1, 1] for number in range(408, 424)}
    values |= {"NIXD0158": [3, 4, 5], "NIXD0153": [0, 2, 2], "NIXD0154": [9, 30, 9], "NIXD0159": [0, 1, 2]}
    values |= {"NIX00065": [200, 1, 2]}
    product = make((21, 6, 20), values)
    counts = product.data["counts"].values
    assert counts.shape == (1, 3, 12, 2)
    assert [int(counts[0, 0, 3, 0]), int(counts[0, 2, 4, 1]), int(counts[0, 2, 5, 0])] == [1, 200, 258]
    assert clock.seconds(product.timedel).round(3).tolist() == [0.7]
    assert product.energies is not None
    assert product.energies["channel"].values.tolist() == [9, 30]


def test_visibilities(make: Maker) -> None:
    """Arrays are time, energy, detector; triggers time, accumulator."""
    bins, energies, detectors = 2, 2, 3
    values = {**HEAD, "NIXD0008": 4, "NIXD0009": 3, "NIXD0007": 1, "NIXD0011": 4, "NIXD0012": 4, "NIX00403": bins}
    values |= {"NIX00441": [0, 40], "NIX00401": [0, 0], "NIX00405": [40, 40], "NIX00407": [7, 7]}
    values |= {name: [1, 1] for name in ("NIXD0407", "NIXD0444", "NIXD0445", "NIXD0446", "NIXD0447")}
    values |= {f"NIX00{number}": [number - 242, number - 226] for number in range(242, 258)}
    values |= {"NIX00258": [energies] * bins, "NIXD0016": [4, 6] * bins, "NIXD0017": [5, 9] * bins}
    size = bins * energies * detectors
    values |= {"NIX00261": [1, 2, 3, 4], "NIX00262": [detectors] * 4, "NIX00100": [0, 1, 2] * 4}
    values |= {"NIX00263": list(range(size)), "NIX00264": [128 + n for n in range(size)]}
    product = make((21, 6, 23), values)
    assert product.data["real"].values.tolist() == np.arange(size).reshape(2, 2, 3).tolist()
    assert product.data["imaginary"].values.tolist() == (-np.arange(size)).reshape(2, 2, 3).tolist()
    assert product.data["flux"].values.tolist() == [[1, 2], [3, 4]]
    assert product.data["triggers"].values[0, :3].tolist() == [0, 1, 2]
    assert product.data["triggers"].values[1, 0] == 16


def test_scaled_quick_look_triggers(make: Maker) -> None:
    """The example of the contract, chapter 2.3."""
    values = {"NIX00445": START, "NIX00405": 39, "NIX00407": 0xFFFFFFFF, "NIXD0102": 5, "NIXD0103": 3}
    values |= {"NIXD0105": 0, "NIXD0106": 7, "NIX00266": 0b1010, "NIX00270": 1, "NIX00271": [5]}
    values |= {"NIX00272": [1] * 5, "NIX00273": 5, "NIX00274": [0, 3, 6, 9, 12], "NIX00275": 5, "NIX00276": [0] * 5}
    product = make((21, 6, 30), values)
    assert product.data["triggers"].values.tolist() == [9600, 67200, 124800, 182400, 240000]
    assert product.data["triggers_comp_err"].values.tolist() == [9600] * 5


def test_flare_list(make: Maker) -> None:
    """A row per flare, the counters repeated."""
    values = {"NIX00285": 5, "NIX00286": 6, "NIX00294": 2, "NIX00287": [10, 20], "NIX00288": [11, 21]}
    values |= {"NIX00289": [1, 2], "NIX00290": [2**32 - 1, 1], "NIX00291": [-3, 3], "NIX00292": [-4, 4]}
    values |= {"NIX00293": [1, 0]}
    product = make((21, 6, 43), values)
    assert product.data["ubsd"].values.tolist() == [5, 5]
    assert product.data["tm_byte_volume"].values.tolist() == [2**32 - 1, 1]
    assert product.data["average_z_loc"].values.tolist() == [-3, 3]


def test_request_table(tmp_path: Path) -> None:
    """Empty cells mean 30; several factors and unknown requests are errors; the reason joins what there is."""
    path = tmp_path / "rid.csv"
    path.write_text(
        "_id,unique_id,subject,purpose,scaling_factor,comment\n"
        "1,7,a,,,b\n2,8,,,25.0,\n3,8,,,26,\n4,9,,,x,\n5,no number,,,,\n"
    )
    table = RequestTable.read(path)
    assert table.scaling_factor(7) == 30
    assert table.reason(7) == "a, b"
    for request, message in ((8, "several scaling factors"), (9, "has the scaling factor"), (10, "not in the table")):
        with pytest.raises(ValueError, match=message):
            table.scaling_factor(request)
