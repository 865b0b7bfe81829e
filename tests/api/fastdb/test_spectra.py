"""The cycle of spectra of root objects, also by two users at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastdb_dialogue import FastdbClient, RefusedError

from broker_assets.access import accounts
from broker_assets.api.fastdb.login import uuid_of
from broker_assets.database import engine

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def other(fastdb_site: str) -> FastdbClient:
    return FastdbClient(fastdb_site, "berta")


@pytest.fixture
def rows(fastdb_database: str) -> Iterator[Callable[[str], list[Any]]]:
    with engine.connect(fastdb_database, autocommit=True) as connection:
        for table in ("wantedspectra", "plannedspectra", "spectruminfo", "spectrum_facilities"):
            connection.execute(f"DELETE FROM {table}")  # type: ignore[arg-type]
        yield lambda query: connection.execute(query).fetchall()  # type: ignore[arg-type]


def root_of(client: FastdbClient, number: int) -> str:
    return str(client.post(f"/getdiaobjectinfo/default/{number}")["rootid"][0])


def both(one: Callable[[], Any], two: Callable[[], Any]) -> list[Any]:
    """Two calls at once; what each gives, or why it was refused."""

    def call(function: Callable[[], Any]) -> Any:
        try:
            return function()
        except RefusedError as error:
            return str(error)

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(call, [one, two]))


def test_the_cycle(client: FastdbClient, rows: Callable[[str], list[Any]], fastdb_database: str) -> None:
    bright, faint = root_of(client, 1), root_of(client, 3)
    asked = {"requester": "me", "rootids": [bright, faint], "priorities": [9, 2], "ras": [0.1, 40], "decs": [-20, 10]}
    wanted = {"status": "ok", "message": "wanted spectra created", "num": 2}
    assert client.post("/spectrum/askforspectrum", {**asked, "is_hosts": [False, True]}) == wanted
    # The same again, as scalars.
    again = {"requester": "me", "rootids": bright, "priorities": 1, "ras": 0.1, "decs": -20, "is_hosts": False}
    assert client.post("/spectrum/askforspectrum", again)["num"] == 1
    stored = rows("SELECT priority, is_host, ra, user_id FROM wantedspectra ORDER BY priority")
    with engine.connect(fastdb_database) as connection:
        account = uuid_of(accounts.get(connection, "anna"))
    assert stored == [(1, False, 0.1, account), (2, True, 40.0, account)]
    now = {"not_claimed_in_last_days": None, "no_spectra_in_last_days": None, "detected_since_mjd": None}
    found = client.post("/spectrum/spectrawanted", now)["wantedspectra"]
    assert [(one["root_diaobject_id"], one["priority"], one["is_host"]) for one in found] == [
        (faint, 2, True), (bright, 1, False),
    ]  # fmt: skip
    assert found[1] == {
        "root_diaobject_id": bright, "diaobjectid": 2, "requester": "me", "priority": 1, "is_host": False, "ra": 0.1,
        "dec": -20.0, "latest_source_mjd": 61005.0, "latest_source_band": "r",
        "latest_source_mag": pytest.approx(23.893505), "latest_forced_mjd": 61004.0, "latest_forced_band": "Y",
        "latest_forced_mag": pytest.approx(23.894045),
    }  # fmt: skip
    assert (found[0]["latest_forced_mjd"], found[0]["latest_forced_mag"]) == (None, None)
    for limits, count in (
        ({"lim_mag": 24}, 1),
        ({"lim_mag": 23}, 0),
        ({"lim_mag": 24, "lim_mag_band": "Y"}, 1),
        ({"lim_mag": 30, "lim_mag_band": "g"}, 1),
        ({"requester": "you"}, 0),
        ({"is_host": True}, 1),
        ({"processing_version": "only_dr1"}, 1),
        ({"detected_since_mjd": 61004}, 1),
        ({"requested_since": "2099-01-01"}, 0),
    ):
        assert len(client.post("/spectrum/spectrawanted", {**now, **limits})["wantedspectra"]) == count, limits
    # Planned, then taken.
    plan = {"root_diaobject_id": bright, "facility": "C8", "plantime": "2031-12-13 02:00:00"}
    assert client.post("/spectrum/planspectrum", {**plan, "comment": "maybe"}) == {"status": "ok"}
    assert client.post("/spectrum/planspectrum", plan) == {"status": "ok"}
    assert rows("SELECT facility, comment FROM plannedspectra") == [("C8", None)]
    unclaimed = {**now, "not_claimed_in_last_days": 7}
    assert len(client.post("/spectrum/spectrawanted", unclaimed)["wantedspectra"]) == 1
    report = {"root_diaobject_id": bright, "facility": "C8", "mjd": 61005.5, "z": 0.005, "classid": 2222}
    assert client.post("/spectrum/reportspectruminfo", report) == {"status": "ok"}
    assert rows("SELECT ra, dec, is_host FROM spectruminfo") == [(359.99999, -20.0, None)]
    assert rows("SELECT FROM plannedspectra") == []
    taken = {**now, "mjd_now": 61006, "no_spectra_in_last_days": 1}
    client.post("/spectrum/reportspectruminfo", {**report, "mjd": 60000, "z": "", "classid": None, "is_host": True})
    known = client.post("/spectrum/getknownspectruminfo", {})
    assert [(one["mjd"], one["z"], one["classid"], one["is_host"]) for one in known] == [
        (60000.0, None, None, True), (61005.5, 0.005, 2222, None),
    ]  # fmt: skip
    for selection, count in (
        ({"root_diaobject_ids": bright}, 2), ({"root_diaobject_ids": [faint]}, 0), ({"facility": "C8"}, 2),
        ({"mjd_min": 61000}, 1), ({"mjd_max": 60000}, 1), ({"z_min": 0.005}, 1), ({"z_max": 0.001}, 0),
        ({"classid": 2222}, 1), ({"since": "2020-01-01"}, 2), ({"since": "2099-01-01 00:00:00"}, 0),
    ):  # fmt: skip
        assert len(client.post("/spectrum/getknownspectruminfo", selection)) == count, selection
    assert client.post("/spectrum/spectrawanted", taken)["wantedspectra"] == []
    assert client.post("/spectrum/removespectrumplan", {"root_diaobject_id": bright, "facility": "C8"}) == {
        "status": "ok", "ndel": 0,
    }  # fmt: skip


def test_a_facility_belongs_to_who_named_it_first(
    client: FastdbClient, other: FastdbClient, rows: Callable[[str], list[Any]]
) -> None:
    plan = {"root_diaobject_id": root_of(client, 1), "facility": "C8", "plantime": "2031-12-13"}
    client.post("/spectrum/planspectrum", plan)
    others = {key: plan[key] for key in ("root_diaobject_id", "facility")}
    for path, body in (("planspectrum", plan), ("removespectrumplan", others)):
        with pytest.raises(RefusedError, match="berta is not a member of the facility"):
            other.post(f"/spectrum/{path}", body)
        assert other.sent[-1][1] == 409
    assert len(rows("SELECT FROM plannedspectra")) == 1
    assert client.post("/spectrum/removespectrumplan", others)["ndel"] == 1


def test_two_users_at_once(client: FastdbClient, other: FastdbClient, rows: Callable[[str], list[Any]]) -> None:
    bright, faint = root_of(client, 1), root_of(client, 3)
    body = {"requester": "both", "priorities": [1, 2], "ras": [0, 0], "decs": [0, 0]}
    for _ in range(3):
        ends = both(
            lambda: client.post("/spectrum/askforspectrum", {**body, "rootids": [bright, faint]}),
            lambda: other.post("/spectrum/askforspectrum", {**body, "rootids": [faint, bright]}),
        )
        assert [end["num"] for end in ends] == [2, 2]
    assert len(rows("SELECT FROM wantedspectra")) == 2
    assert len(rows("SELECT DISTINCT user_id FROM wantedspectra")) == 1
    plan = {"root_diaobject_id": bright, "facility": "new", "plantime": "2031-12-13"}
    ends = both(lambda: client.post("/spectrum/planspectrum", plan), lambda: other.post("/spectrum/planspectrum", plan))
    assert sorted(end == {"status": "ok"} for end in ends) == [False, True]
    assert len(rows("SELECT FROM plannedspectra")) == 1
    owner = client if ends[0] == {"status": "ok"} else other
    again = both(lambda: owner.post("/spectrum/planspectrum", plan), lambda: owner.send("/spectrum/planspectrum", plan))
    assert again[0] == {"status": "ok"}
    assert len(rows("SELECT FROM plannedspectra")) == 1
    report = {"root_diaobject_id": bright, "mjd": 61005.5, "z": None, "classid": 1}
    removal = {"root_diaobject_id": bright, "facility": "new"}
    ends = both(
        lambda: owner.post("/spectrum/reportspectruminfo", {**report, "facility": "new"}),
        lambda: owner.send("/spectrum/removespectrumplan", removal).json(),
    )
    assert ends[0] == {"status": "ok"}
    assert ends[1]["ndel"] in (0, 1)
    assert rows("SELECT FROM plannedspectra") == []
    ends = both(
        lambda: client.post("/spectrum/reportspectruminfo", {**report, "facility": "A"}),
        lambda: other.post("/spectrum/reportspectruminfo", {**report, "facility": "B"}),
    )
    assert ends == [{"status": "ok"}] * 2
    assert len(rows("SELECT FROM spectruminfo")) == 3


ROOT = "5f0c8a8e-0000-4000-8000-000000000000"
ASKED = {"requester": "me", "rootids": [ROOT], "priorities": [1], "ras": [0], "decs": [0]}
PLAN = {"root_diaobject_id": ROOT, "facility": "C8", "plantime": "2031-12-13"}
REPORT = {"root_diaobject_id": ROOT, "facility": "C8", "mjd": 1, "z": 1, "classid": 1}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        *(
            ("askforspectrum", {key: value for key, value in ASKED.items() if key != name},
             f"Missing required fields: {{'{name}'}}")
            for name in sorted(ASKED)
        ),
        ("askforspectrum", ASKED, f"Unknown root object {ROOT}"),
        ("askforspectrum", {**ASKED, "ras": [0, 1]}, "must have the same length"),
        ("askforspectrum", {**ASKED, "rootids": [ROOT, ROOT], "priorities": [1, 1], "ras": [0, 0], "decs": [0, 0]},
         "is given twice"),
        ("askforspectrum", {**ASKED, "rootids": ["1"]}, "rootids must be a uuid"),
        ("askforspectrum", {**ASKED, "priorities": ["high"]}, "priorities must be an integer"),
        ("askforspectrum", {**ASKED, "decs": [91]}, "decs must be degrees from -90 to 90"),
        ("askforspectrum", {**ASKED, "foo": 1}, "Unknown data parameters: {'foo'}"),
        ("spectrawanted", {"requested_since": "yesterday"}, "Failed to parse YYYY-MM-DD HH:MM:SS from yesterday"),
        ("spectrawanted", {"processing_version": "none"}, "Unknown processing version none"),
        ("spectrawanted", {"lim_mag": "bright"}, "lim_mag must be a number"),
        ("spectrawanted", {"mjd_now": 1e300}, "must be an MJD from 40000 to 100000"),
        ("planspectrum", {**PLAN, "plantime": "soon"}, "Failed to parse"),
        ("planspectrum", {**PLAN, "facility": " "}, "facility can't be empty"),
        ("planspectrum", PLAN, "Unknown root object"),
        ("planspectrum", {"facility": "C8"}, "Missing required fields: {'plantime', 'root_diaobject_id'}"),
        ("removespectrumplan", {"facility": "C8"}, "Missing required fields"),
        ("reportspectruminfo", REPORT, "Unknown root object"),
        ("reportspectruminfo", {**REPORT, "root_diaobject_id": None}, "give root_diaobject_id, or ra and dec"),
        ("reportspectruminfo", {**REPORT, "classid": 2**31}, "classid must be an integer of 32 bits"),
        ("reportspectruminfo", {**REPORT, "mjd": None}, "mjd can't be empty"),
        ("getknownspectruminfo", {"foo": 1}, "Unknown data parameters"),
        ("getknownspectruminfo", {"root_diaobject_ids": ["x"]}, "must be a uuid"),
    ],
)  # fmt: skip
def test_mistakes_are_422(client: FastdbClient, path: str, body: Any, said: str) -> None:
    with pytest.raises(RefusedError) as told:
        client.send(f"/spectrum/{path}", body)
    assert said in str(told.value)
    assert client.sent[-1][1] == 422


def test_guests_ask_for_nothing(talk: Callable[..., Any]) -> None:
    guest = talk("guest")
    for path, body in (("askforspectrum", ASKED), ("planspectrum", PLAN), ("reportspectruminfo", REPORT)):
        with pytest.raises(RefusedError, match="guests may only read"):
            guest.post(f"/spectrum/{path}", body)
