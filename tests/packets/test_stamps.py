"""Stamps of a batch as arrays: equal to those that astropy reads, cropped and padded about the middle."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from broker_assets.packets.cutouts import image
from broker_assets.packets.framing import Framer
from broker_assets.packets.registry import NoSchemas, SchemaFolder
from broker_assets.packets.stamps import Stamps, _simple
from broker_assets.simulation import Survey


def framed(alerts: Any, survey: str, folder: Any) -> Any:
    if survey == "ztf":
        return Framer("container", NoSchemas()).split([alert.payload for alert in alerts])
    return Framer("confluent", SchemaFolder(folder)).split([alert.payload for alert in alerts])


@pytest.fixture(params=["rubin", "ztf"])
def stamps(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    survey = Survey(objects=60, nights=2, survey=request.param, cutouts="small")
    survey.copy_schemas(tmp_path)
    alerts = [alert for _, alert in zip(range(30), survey.alerts(), strict=False)]
    return framed(alerts, request.param, tmp_path), alerts


def test_pixels_are_those_of_the_packets(stamps: Any) -> None:
    from broker_assets.packets.cutouts import from_datum

    packets, alerts = stamps
    read = Stamps(packets)
    chosen = np.array([4, 0, len(alerts) - 1])
    found = read(chosen, ["difference", "science"], 30)
    assert found.shape == (3, 2, 30, 30)
    for place, packet in enumerate(chosen):
        datum = packets.buffers[packet][packets.starts[packet] : packets.ends[packet]]
        schema = packets.schemas[packets.schema[packet]].schema
        for which, kind in enumerate(("difference", "science")):
            expected = image(from_datum(datum, schema, kind)).astype(np.float32)
            np.testing.assert_array_equal(found[place, which], expected)
    small, large = read(chosen, ["difference"], 7), read(chosen, ["difference"], 33)
    np.testing.assert_array_equal(small[:, 0], found[:, 0, 12:19, 12:19])
    np.testing.assert_array_equal(large[:, 0, 1:31, 1:31], found[:, 0])
    assert np.isnan(large[:, 0, 31:]).all()
    read.release()
    assert np.isnan(read(chosen, ["difference"], 30)).all()


def test_packets_without_stamps(tmp_path: Any) -> None:
    survey = Survey(objects=20, nights=1, cutouts="none")
    survey.copy_schemas(tmp_path)
    packets = framed(list(survey.alerts()), "rubin", tmp_path)
    assert np.isnan(Stamps(packets)(np.arange(2), ["science"], 5)).all()
    assert Stamps(packets)(np.arange(0), ["science"], 5).shape == (0, 1, 5, 5)


def written(*units: Any) -> bytes:
    file = io.BytesIO()
    fits.HDUList(list(units)).writeto(file)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_simple_images_are_read_as_astropy_reads_them(kind: str) -> None:
    values = np.random.default_rng(1).normal(size=(5, 8)).astype(kind)
    content = written(fits.PrimaryHDU(values))
    found = _simple(content)
    assert found is not None
    np.testing.assert_array_equal(found, values)


def test_other_images_are_left_to_astropy() -> None:
    numbers = np.arange(12).reshape(3, 4)
    for content in (
        written(fits.PrimaryHDU(numbers.astype(np.int16))), written(fits.PrimaryHDU(), fits.ImageHDU(numbers * 1.0)),
        b"SIMPLE  =" + b" " * 40_000, written(fits.PrimaryHDU(numbers * 1.0))[:2900],
    ):  # fmt: skip
        assert _simple(content) is None
