"""Requests as letters."""

from __future__ import annotations

import pytest

from broker_assets.settings.tom import FacilitySettings
from broker_assets.tom.observations.by_mail import ByMail
from broker_assets.tom.observations.facility import BadRequest, Order

TARGET = {"name": "1P", "ra": 150.1, "dec": -2.2, "pm_ra": 1.5, "scheme": "MPC_COMET", "elements": {"perihdist": 0.6}}


def test_a_letter_says_all(tmp_path: object) -> None:
    mail = ByMail(FacilitySettings(name="Calar Alto", address="observer@example.org"))
    asked = mail.check(TARGET, {"exposure_time": "60", "exposure_count": "2", "note": "rising"})
    letter = mail.letter(Order(7, "broker-7-abc", TARGET, asked, "ann"), "http://broker.example/7/")
    assert (letter.address, letter.subject) == ("observer@example.org", "Observation of 1P (broker-7-abc)")
    for line in (
        "ann asks for an observation of 1P.", "RA: 150.100000 degrees, ICRS", "DEC: -2.200000 degrees, ICRS",
        "pm_ra: 1.5", "  perihdist: 0.6", "Exposures: 2", "What is it for, and what matters?: rising",
        "Say there what became of it: http://broker.example/7/",
    ):  # fmt: skip
        assert line in letter.text.splitlines()
    with pytest.raises(BadRequest, match="end: it is before"):
        mail.check(TARGET, {"exposure_time": 1, "exposure_count": 1, "start": "2026-12-02", "end": "2026-12-01"})
    with pytest.raises(BadRequest, match="has no address"):
        ByMail(FacilitySettings(name="x")).check(TARGET, {"exposure_time": 1, "exposure_count": 1})
