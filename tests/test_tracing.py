"""Identifiers that every process can derive, spans that arrive at a collector, and almost no cost when off."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from trace_collector import collector

from broker_assets import tracing
from broker_assets.settings.traces import TraceSettings
from broker_assets.tracing import Subject, product, record

ALERT = Subject("alert", "alert/12/34")


def test_parts_find_their_whole_from_any_process() -> None:
    """No identifier is passed on: another process derives the same ones from the name."""
    code = (
        "from broker_assets.tracing import Subject; one = Subject('alert', 'alert/12/34');"
        "print(one.trace_id, one.span_id)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(ALERT.trace_id), str(ALERT.span_id)]
    with collector() as found:
        record(ALERT, "commit", 11.0, 12.0, attributes={"a": 1}, links=[Subject("batch", "5")])
        record(ALERT, "alert", 10.0, 12.0, whole=True)
        record(ALERT, "message", 12.0, 13.0, failure="refused")
        whole, commit, message = found.of(ALERT)
    assert (whole.name, whole.identifier, whole.parent) == ("alert", f"{ALERT.span_id:016x}", "")
    assert (commit.name, commit.parent, commit.attributes) == ("commit", whole.identifier, {"a": 1})
    assert (commit.begins, commit.ends) == (11.0, 12.0)
    assert commit.links == [f"{Subject('batch', '5').trace_id:032x}"]
    assert (message.parent, message.failure) == (whole.identifier, "refused")
    assert len({one.identifier for one in (whole, commit, message)}) == 3
    assert found.headers[0]["authorization"] == "Bearer of-the-test"
    assert ALERT.parent_header() == f"00-{whole.trace}-{whole.identifier}-01"


def test_a_product_is_made_again_under_its_name() -> None:
    name = "solo_L1_stix-ql-lightcurve_20210116_V02U.fits"
    with collector() as found:
        for begins in (1.0, 2.0):
            record(product(name), "product", begins, begins, whole=True)
        first, second = found.of(product(name.replace("V02U", "V02")))
    assert first.identifier != second.identifier
    assert (first.parent, second.parent) == ("", "")


def test_a_share_of_the_alerts_is_traced_and_the_same_everywhere() -> None:
    subjects = [Subject("alert", f"alert/{n}/{n}") for n in range(20_000)]
    with collector(share=0.05):
        chosen = [one for one in subjects if tracing.traced(one)]
        assert tracing.traced(Subject("file", "x"))
    assert 850 < len(chosen) < 1150
    with collector(share=0.2):
        more = {one for one in subjects if tracing.traced(one)}
    assert set(chosen) < more


def test_threads_do_not_mix_their_identifiers() -> None:
    subjects = [Subject("batch", str(n)) for n in range(200)]

    def work(mine: list[Subject]) -> None:
        for one in mine:
            record(one, "batch", 1.0, 2.0, whole=True)

    with collector() as found:
        threads = [threading.Thread(target=work, args=(subjects[n::4],)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tracing.start(TraceSettings())
    assert {(one.trace, one.identifier) for one in found.spans} == {
        (f"{one.trace_id:032x}", f"{one.span_id:016x}") for one in subjects
    }


def test_off_nothing_is_imported_and_a_step_costs_next_to_nothing() -> None:
    code = """
import sys, time
from broker_assets import tracing
from broker_assets.settings.traces import TraceSettings
tracing.start(TraceSettings())
began = time.process_time()
for _ in range(100_000):
    tracing.active()
print((time.process_time() - began) / 100_000, any(name.startswith("opentelemetry") for name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, imported = done.stdout.split()
    assert float(seconds) < 5e-6  # once per batch of thousands of alerts
    assert imported == "False"


def test_without_the_packages_it_says_so_and_nothing_is_traced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    tracing.start(TraceSettings(endpoint="http://127.0.0.1:9/v1/traces"))
    assert not tracing.active()
    assert "broker_assets[traces]" in caplog.text
    record(ALERT, "alert", 1.0, 2.0)


def test_a_collector_that_is_away_delays_nothing() -> None:
    tracing.start(TraceSettings(endpoint="http://127.0.0.1:9/v1/traces", share=1.0))
    began = time.monotonic()
    for n in range(1000):
        record(Subject("alert", f"alert/1/{n}"), "alert", 1.0, 2.0, whole=True)
    assert time.monotonic() - began < 3
    tracing.start(TraceSettings())
    assert time.monotonic() - began < 20
    assert not tracing.active()
