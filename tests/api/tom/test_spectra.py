"""The cycle of spectra over HTTP, also by two users at once."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from astropy.time import Time

from broker_assets.database import engine

pytestmark = pytest.mark.database


def fill(url: str) -> None:
    """Objects 1 to 3 with one bright measurement each, and one new detection."""
    with engine.connect(url, autocommit=True) as connection:
        for number in (1, 2, 3):
            connection.execute(
                "INSERT INTO elasticc2_diaobject (diaobject_id, ra, decl, isddf) VALUES (%s, 10.5, -5, false)",
                (number,),
            )
            connection.execute(
                "INSERT INTO elasticc2_diasource VALUES (%s, 60300.5, 'i', 10.5, -5, 1000, 100, 10, %s)",
                (number, number),
            )
            connection.execute(
                "INSERT INTO elasticc2_diaforcedsource VALUES (%s, 60300.5, 'i', 1000, 100, %s)", (number, number)
            )


@pytest.fixture
def site(database_url: str, own_site: str) -> str:
    """Address of a server with these objects."""
    fill(database_url)
    return own_site


@pytest.fixture
def root(site: str, log_in: Callable[[str, str], Any]) -> Any:
    return log_in(site, "root")


def asked(client: Any, page: str, body: Any) -> Any:
    answer = client.post(f"elasticc2/{page}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def close_to_now(text: str) -> bool:
    then = datetime.datetime.fromisoformat(text)
    return text.endswith("Z") and abs(datetime.datetime.now(datetime.UTC) - then) < datetime.timedelta(minutes=5)


def test_the_whole_cycle(root: Any) -> None:
    assert asked(root, "askforspectrum", {"requester": "me", "objectids": [1, 2], "priorities": [3, 9]}) == {
        "status": "ok", "message": "wanted spectra created", "num": 2,
    }  # fmt: skip
    everything = {"detected_since_mjd": 0}
    wanted = asked(root, "spectrawanted", everything)
    entry = {"ra": 10.5, "dec": -5.0, "req": "me", "latest": {"i": {"mjd": 60300.5, "mag": 23.9}}}
    assert wanted == {
        "status": "ok",
        "wantedspectra": [{"oid": 2, **entry, "prio": 5}, {"oid": 1, **entry, "prio": 3}],
    }
    assert asked(root, "getwantedspec", everything) == wanted
    assert asked(root, "spectrawanted", {}) == {"status": "ok", "wantedspectra": []}
    plan = asked(root, "planspectrum", {"objectid": 2, "facility": "F", "plantime": "2024-01-02"})
    assert close_to_now(plan.pop("created_at"))
    assert plan == {
        "status": "ok", "objectid": 2, "facility": "F", "plantime": "2024-01-02T00:00:00", "comment": "",
    }  # fmt: skip
    assert [one["oid"] for one in asked(root, "spectrawanted", everything)["wantedspectra"]] == [1]
    for days in (0, None):
        again = asked(root, "spectrawanted", {**everything, "not_claimed_in_last_days": days})
        assert [one["oid"] for one in again["wantedspectra"]] == [2, 1]
    removal = {"objectid": 2, "facility": "F"}
    for deleted in (1, 0):
        assert asked(root, "removespectrumplan", removal) == {"status": "ok", **removal, "n_deleted": deleted}
    report = {"objectid": 2, "facility": "F", "mjd": 65536.1, "z": 0.25, "classid": 2222}
    reported = asked(root, "reportspectruminfo", report)
    assert close_to_now(reported.pop("inserted_at"))
    assert reported == {"status": "ok", **report}
    asked(root, "reportspectruminfo", {**report, "objectid": 3, "mjd": 60000, "z": "", "classid": ""})
    assert [one["oid"] for one in asked(root, "spectrawanted", everything)["wantedspectra"]] == [1]
    known = asked(root, "getknownspectruminfo", {})["spectra"]
    assert [one.pop("report_time")[-1] for one in known] == ["Z", "Z"]
    assert known == [{**report, "objectid": 3, "mjd": 60000.0, "z": None, "classid": None}, report]
    for selection, objects in (({"mjd_min": 60001}, [2]), ({"objectid": 3}, [3]), ({"since": "2999-01-01"}, [])):
        found = asked(root, "getknownspectruminfo", selection)["spectra"]
        assert [one["objectid"] for one in found] == objects


@pytest.mark.parametrize(
    ("page", "body", "status", "text"),
    [
        ("askforspectrum", {"requester": "x", "objectids": [1], "priorities": []}, 500, "Mal-formed data"),
        ("askforspectrum", {"requester": "x", "objectids": [77], "priorities": [1]}, 422, "Unknown objectid 77"),
        ("askforspectrum", {"requester": "x", "objectids": [1, 1], "priorities": [1, 1]}, 422, "given twice"),
        ("askforspectrum", {"requester": "x", "objectids": [1], "priorities": ["high"]}, 422, "invalid literal"),
        ("askforspectrum", {"requester": "a\0b", "objectids": [1], "priorities": [1]}, 422, "requester"),
        ("spectrawanted", {"requested_since": "lately"}, 422, "requested_since must be YYYY-MM-DD"),
        ("spectrawanted", {"lim_mag": "bright"}, 422, "lim_mag must be a number"),
        ("spectrawanted", [], 422, "must be a JSON object"),
        ("planspectrum", {"objectid": 1}, 500, "Post data must be json with keys objectid and facility"),
        ("planspectrum", {"objectid": 77, "facility": "F"}, 500, "Unknown objectid 77"),
        ("reportspectruminfo", {"objectid": 1, "facility": "", "mjd": 1, "z": 1, "classid": 1}, 500, "empty string"),
        ("reportspectruminfo", {"objectid": 1, "facility": "F", "mjd": "x", "z": 1, "classid": 1}, 422, "mjd must be"),
        ("reportspectruminfo", {"objectid": 1, "facility": "F", "mjd": 1, "z": 1, "classid": 2**40}, 422, "classid"),
        (
            "reportspectruminfo",
            {"objectid": 1, "facility": "F", "mjd": 2461376.5, "z": 1, "classid": 1},
            422,
            "JD - ",
        ),
        ("reportspectruminfo", {"objectid": 1, "facility": "F", "mjd": "6_0", "z": 1, "classid": 1}, 422, "a number"),
        ("askforspectrum", {"requester": "x", "objectids": ["１２"], "priorities": [1]}, 422, "invalid literal"),
        ("spectrawanted", {"lim_mag": 20, "lim_mag_band": "V"}, 422, "lim_mag_band must be one of u, g, r, i, z, y"),
        ("planspectrum", {"objectid": 1, "facility": "F", "plantime": "2026-12-02 03:00 HST"}, 500, "Failed to parse"),
        ("getknownspectruminfo", {"since": "lately"}, 422, "Failed to parse 'lately'"),
    ],
)
def test_mistakes(snapshot_site: str, root_of_snapshot: Any, page: str, body: Any, status: int, text: str) -> None:
    answer = root_of_snapshot.post(f"elasticc2/{page}", json=body)
    assert answer.status_code == status
    assert text in answer.text
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_times_of_points_and_reports_are_tai(root: Any, database_url: str) -> None:
    def listed(**choice: Any) -> list[int]:
        return [one["oid"] for one in asked(root, "spectrawanted", choice)["wantedspectra"]]

    now = float(Time.now().tai.mjd)
    ask = {"requester": "me", "objectids": [1], "priorities": [3]}
    # 20 s outside the limits, which is within them if the present is taken as UTC.
    asked(
        root,
        "reportspectruminfo",
        {"objectid": 1, "facility": "F", "mjd": now - 7 - 20 / 86400, "z": None, "classid": None},
    )
    asked(root, "askforspectrum", ask)
    assert listed(detected_since_mjd=0) == [1]
    assert listed(detected_since_mjd=0, no_spectra_in_last_days=7.0003) == []
    with engine.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE elasticc2_diasource SET midpointtai = %s WHERE diaobject_id = 1", (now - 2 - 20 / 86400,)
        )
    assert listed(detected_in_last_days=2) == []
    assert listed(detected_in_last_days=2.0003) == [1]


@pytest.fixture
def root_of_snapshot(snapshot_site: str, log_in: Callable[[str, str], Any]) -> Any:
    return log_in(snapshot_site, "root")


def test_nobody_comes_in_without_an_account(snapshot_site: str) -> None:
    for page in ("askforspectrum", "spectrawanted", "planspectrum", "removespectrumplan", "reportspectruminfo"):
        assert requests.post(f"{snapshot_site}/elasticc2/{page}", json={}, timeout=30).status_code == 403


def test_a_plan_is_its_facilitys(site: str, log_in: Callable[[str, str], Any], root: Any) -> None:
    anna, broker = log_in(site, "anna"), log_in(site, "apibroker")
    plan = {"objectid": 1, "facility": "<b>Keck"}
    asked(anna, "planspectrum", plan)
    for page in ("planspectrum", "removespectrumplan"):
        answer = broker.post(f"elasticc2/{page}", json=plan)
        assert answer.status_code == 403
        assert answer.text.startswith("apibroker is not a member of the facility '<b>Keck'")
        assert answer.headers["content-type"].startswith("text/plain")
    assert asked(root, "removespectrumplan", plan)["n_deleted"] == 1


def test_two_users_at_once_on_every_writing_endpoint(
    site: str, log_in: Callable[[str, str], Any], database_url: str, root: Any
) -> None:
    clients = [root, log_in(site, "root")]

    def work(client: Any) -> int:
        deleted = 0
        for turn in range(6):
            for page, body in (
                ("askforspectrum", {"requester": "both", "objectids": [1, 2, 3], "priorities": [1, 2, 3]}),
                ("planspectrum", {"objectid": 1, "facility": "F"}),
                (
                    "reportspectruminfo",
                    {"objectid": 2, "facility": "F", "mjd": 60000 + turn, "z": None, "classid": None},
                ),
                ("removespectrumplan", {"objectid": 1, "facility": "F"}),
            ):
                deleted += asked(client, page, body).get("n_deleted", 0)
        return deleted

    with ThreadPoolExecutor(2) as pool:
        assert 6 <= sum(pool.map(work, clients)) <= 12
    with engine.connect(database_url) as connection:
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM elasticc2_spectruminfo), (SELECT count(*) FROM elasticc2_plannedspectra),"
            " (SELECT count(*) FROM elasticc2_wantedspectra WHERE diaobject_id IN (1, 3))"
        ).fetchone()
    assert counts == (12, 0, 2)
