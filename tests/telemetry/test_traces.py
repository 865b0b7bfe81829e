"""A telemetry file's trace, and that of a product, which is linked with the files that it was made from."""

from __future__ import annotations

import datetime
import time
from pathlib import Path, PurePosixPath
from typing import Any

import psycopg
import pytest
from received_files import connection, ingest, site
from telemetry_arrivals import DAY as ARRIVED
from telemetry_arrivals import NAME, Site
from tenacity import wait_fixed
from trace_collector import collector

from broker_assets.publication.run import publish
from broker_assets.publication.selection import Rules, files_below
from broker_assets.publication.targets import Target
from broker_assets.publication.traces import DeliveryTraces
from broker_assets.telemetry.archive.day_products import make_day
from broker_assets.telemetry.archive.product_archive import Archive
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


@pytest.mark.database
def test_the_way_from_a_file_to_its_publication(
    site: Site, connection: psycopg.Connection[Any], ingest: Any, tmp_path: Path
) -> None:
    """A file is received, a product is made of its packets, and delivered: nothing but names joins the three."""
    site.arrive(1, range(3))
    (tmp_path / "soar").mkdir()
    target = Target("soar", str(tmp_path / "soar"), wait=wait_fixed(0.01))
    rules = Rules(waiting=datetime.timedelta(0))
    with collector() as found:
        ingest(progress=file_received)
        with site.telemetry.store() as store:
            archive = Archive(tmp_path / "archive", store, site.telemetry.inputs())
            made = make_day(connection, archive, "l0_housekeeping", ARRIVED, run_id="r")
        (path,) = made.outcome.written
        publish(connection, files_below(archive.folder), target, rules, notify=DeliveryTraces("soar"))
        received = found.of(telemetry_file(NAME.format(number=1)))
        spans = {span.name: span for span in found.of(product(path.name))}
    assert set(spans) == {"product", "publication"}
    assert spans["product"].attributes["broker.rows"] == 3
    assert received[0].trace in spans["product"].links
    assert spans["publication"].attributes["broker.status"] == "published"
    assert received[0].begins <= spans["product"].begins <= spans["publication"].begins


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
