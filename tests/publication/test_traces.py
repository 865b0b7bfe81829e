"""A delivery is part of the trace of its product."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tenacity import wait_fixed
from trace_collector import collector

from broker_assets.publication.run import publish
from broker_assets.publication.selection import Rules, files_below
from broker_assets.publication.targets import Target
from broker_assets.publication.traces import DeliveryTraces
from broker_assets.tracing import product

pytestmark = pytest.mark.database


def test_what_is_published_is_in_the_trace_of_its_product(
    connection: Any, archive: Path, products: ModuleType, tmp_path: Path
) -> None:
    name = "solo_L1_stix-ql-lightcurve_20210116_V02U.fits"
    products.put(archive, name)
    (tmp_path / "far").mkdir()
    target = Target("soar", str(tmp_path / "far"), wait=wait_fixed(0.01))
    with collector() as found:
        report = publish(connection, files_below(archive), target, Rules(), notify=DeliveryTraces("soar"))
        (span,) = found.of(product(name))
    (outcome,) = report.outcomes
    assert span.name == "publication"
    assert span.attributes == {
        "broker.target": "soar", "broker.status": "published", "broker.delivered": outcome.delivered_name,
    }  # fmt: skip
    assert span.failure == ""


def test_what_is_held_says_why() -> None:
    from broker_assets.publication.report import Outcome

    with collector() as found:
        notify = DeliveryTraces("soar")
        notify(Outcome(name="a.fits", path="a.fits", status="held", reason="rows were lost"))
        (span,) = found.of(product("a.fits"))
    assert span.failure == "rows were lost"
