"""Sensors that fail and sensors that are switched off, of a real daemon."""

from __future__ import annotations

import time

import pytest
from dagster_private import TickStatus
from faulty_platform import Running
from operator_mailbox import Operator, wait_for

from broker_assets.sensors.alerting import Watched
from broker_assets.sensors.watch.instigators import FAILING_SECONDS

pytestmark = [pytest.mark.platform, pytest.mark.database, pytest.mark.slow]


def causes(operator: Operator, *, later: float = FAILING_SECONDS) -> list[str]:
    operator.look(now=time.time() + later)
    return operator.lasting()


def failing_ticks(running: Running) -> int:
    (state,) = [one for one in running.instance.all_instigator_state() if one.instigator_name == "watching"]
    ticks = running.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=10)
    return sum(tick.status == TickStatus.FAILURE for tick in ticks)


def test_sensor_that_fails_is_told_until_it_works(running: Running, on_duty: Operator) -> None:
    fault = running.faults / "sensor"
    fault.touch()
    wait_for(lambda: failing_ticks(running) >= 3, "failures")
    assert causes(on_duty, later=0.0) == [], "so does every sensor while the code server is restarted"
    wait_for(lambda: causes(on_duty) == ["sensor watching"], "the alert")
    assert causes(on_duty, later=0.0) == ["sensor watching"]
    fault.unlink()
    ((subject, body),) = on_duty.mailbox.messages
    assert subject == "error: watching: the sensor fails: OSError: folder cannot be listed"
    assert "/locations/__repository__@broker_assets/sensors/watching" in body
    on_duty.mailbox.told()
    wait_for(lambda: causes(on_duty) == [], "the end")
    assert on_duty.mailbox.told() == ["resolved: watching: the sensor fails: OSError: folder cannot be listed"]


def test_trouble_outside_is_told_although_no_tick_fails(running: Running, on_duty: Operator) -> None:
    trouble = running.faults / "trouble"
    trouble.touch()
    wait_for(lambda: causes(on_duty) == ["sensor watching"], "the alert")
    trouble.unlink()
    assert on_duty.mailbox.told() == ["error: watching: the sensor fails: the server of the folder does not answer"]
    wait_for(lambda: causes(on_duty) == [], "the end")


def test_sensor_that_is_switched_off_is_a_warning(running: Running, on_duty: Operator) -> None:
    running.pages.stop_sensor("watching")
    wait_for(lambda: causes(on_duty) == ["sensor watching"], "the alert")
    assert on_duty.mailbox.told() == ["warning: watching: the sensor is stopped: nothing that it starts will run"]
    running.pages.start_sensor("watching")
    wait_for(lambda: causes(on_duty) == [], "the end")


def test_sensor_that_is_no_longer_defined_ends(running: Running, on_duty: Operator) -> None:
    running.pages.stop_sensor("watching")
    wait_for(lambda: causes(on_duty) == ["sensor watching"], "the alert")
    on_duty.watched = Watched(running=frozenset({"another"}))
    assert causes(on_duty) == []
    running.pages.start_sensor("watching")
