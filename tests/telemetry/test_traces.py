"""A telemetry file's trace, and that of a product, which is linked with the files that it was made from."""

from __future__ import annotations

import datetime
import time
from pathlib import Path, PurePosixPath
from typing import Any

import psycopg
import pytest
from received_files import connection, ingest, site
from telemetry_arrivals import NAME, Site
from trace_collector import collector

from broker_assets.telemetry.archive.product_tree import Outcome
from broker_assets.telemetry.products.files.record import ProductFile
from broker_assets.telemetry.traces import file_received, products_made, telemetry_file
from broker_assets.tracing import product

__all__ = ["connection", "ingest", "site"]

DAY = datetime.date(2021, 1, 16)


@pytest.mark.database
def test_a_file_that_arrives_has_a_trace(site: Site, connection: psycopg.Connection[Any], ingest: Any) -> None:
    site.arrive(1, range(3))
    with collector() as found:
        done = ingest(progress=file_received)
        spans = {span.name: span for span in found.of(telemetry_file(NAME.format(number=1)))}
    (outcome,) = done.files
    assert set(spans) == {"file", "waits in its folder", "receive"}
    assert spans["receive"].attributes["broker.packets"] == outcome.packets > 0
    assert spans["receive"].parent == spans["file"].identifier
    assert spans["waits in its folder"].ends == pytest.approx(spans["receive"].begins)


def test_a_product_names_what_it_was_made_from() -> None:
    name = f"solo_L1_stix-ql-lightcurve_{DAY:%Y%m%d}_V02U.fits"
    parent = f"solo_L0_stix-ql-lightcurve_{DAY:%Y%m%d}_V02.fits"

    def file(name: str, **more: Any) -> ProductFile:
        return ProductFile(
            PurePosixPath("L1", name), "L1", "quicklook", "ql-lightcurve", 2, DAY, None, 10, "a", "b", **more
        )

    made = file(name, parents=(parent,), raw_files=("a.PktTmRaw.xml",))
    outcome = Outcome(written=[Path("/archive/L1") / name], files=[made, file("unchanged.fits")])
    products_made(outcome, time.time(), run_id=None)  # off
    with collector() as found:
        products_made(outcome, time.time(), run_id="r")
        (span,) = found.of(product(name))
        assert found.of(product("unchanged.fits")) == []
    assert span.attributes["broker.day"] == DAY.isoformat()
    assert span.links == [f"{telemetry_file('a.PktTmRaw.xml').trace_id:032x}", f"{product(parent).trace_id:032x}"]
