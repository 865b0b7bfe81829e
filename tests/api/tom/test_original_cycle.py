"""The cycle of spectra as the tests of DESC's TOM go through it: over HTTP, and in the tables (contract, 11.1)."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tom_connection
from elasticc2.models import DiaObject, PlannedSpectra, SpectrumInfo, WantedSpectra

pytestmark = [pytest.mark.database, pytest.mark.shared]

EVERYTHING = {"detected_since_mjd": 0}
FACILITY = "Test Spectrumifier"


@pytest.fixture
def root(
    own_snapshot_site: str, tom_snapshot_url: str, log_in: Callable[[str, str], Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    monkeypatch.setenv("BROKER_DATABASE__URL", tom_snapshot_url)
    yield log_in(own_snapshot_site, "root")
    tom_connection.disconnect()


def ask(client: Any, page: str, **body: Any) -> Any:
    answer = client.post(f"elasticc2/{page}", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "ok"
    return answer.json()


def wanted(client: Any, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(client, "spectrawanted", **(EVERYTHING | options))["wantedspectra"]
    return found


def test_the_cycle_of_spectra(root: Any) -> None:
    hot = root.post("elasticc2/gethottransients", json={"detected_since_mjd": 60660}).json()["diaobject"]
    assert {one["objectid"] for one in hot} == {
        15232, 416626, 1045654, 1263066, 1286131, 1684659, 1913410, 2110476,
    }  # fmt: skip
    everything = list(DiaObject.objects.all().order_by("diaobject_id"))
    assert len(everything) == 131
    objects = [one.diaobject_id for one in everything[:25]]
    random.seed(42)
    priorities = [random.randint(1, 5) for _ in objects]
    assert ask(root, "askforspectrum", requester="tests", objectids=objects, priorities=priorities)["num"] == 25
    rows = list(WantedSpectra.objects.all().order_by("diaobject_id"))
    assert [(row.wantspec_id, row.diaobject_id, row.requester, row.priority) for row in rows] == [
        (f"{number} ; tests", number, "tests", priority) for number, priority in zip(objects, priorities, strict=True)
    ]
    listed = wanted(root)
    assert len(listed) == 25
    first = listed[0]
    assert (first["oid"], first["prio"]) == (114982, 5)
    assert (first["ra"], first["dec"]) == (pytest.approx(93.721805, abs=1e-6), pytest.approx(-65.509372, abs=1e-6))
    # The newest point, which the original does not show (6.5): at its zero point of 27 it has 19.200 mag.
    assert first["latest"]["i"] == {"mjd": pytest.approx(60295.258, abs=1e-3), "mag": pytest.approx(23.6, abs=1e-3)}
    assert {one["oid"] for one in wanted(root, detected_since_mjd=60660)} == {416626, 15232}

    # Asked again, a priority is replaced; and what was asked for since a time is listed alone.
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)
    tom_connection.connection().execute("UPDATE elasticc2_wantedspectra SET wanttime = wanttime - interval '1 hour'")
    more = [one.diaobject_id for one in everything if one.diaobject_id not in objects][:3]
    ask(root, "askforspectrum", requester="tests", objectids=more, priorities=[1, 2, 3])
    since = f"{now - datetime.timedelta(minutes=2):%Y-%m-%dT%H:%M:%S}"
    assert {one["oid"] for one in wanted(root, requested_since=since)} == set(more)
    WantedSpectra.objects.filter(diaobject_id__in=more).delete()
    assert WantedSpectra.objects.count() == 25

    # A plan hides the object from others, and is replaced by another one of the same facility.
    plan = ask(root, "planspectrum", objectid=114982, facility=FACILITY, plantime="2024-01-02T03:04:05")
    assert (plan["plantime"], plan["comment"]) == ("2024-01-02T03:04:05", "")
    assert len(wanted(root, not_claimed_in_last_days=1)) == 24
    assert len(wanted(root, not_claimed_in_last_days=0)) == 25
    ask(root, "planspectrum", objectid=114982, facility=FACILITY, plantime="2024-01-03T03:04:05")
    (row,) = PlannedSpectra.objects.all()
    assert (row.facility, row.diaobject_id, row.comment, row.plantime.day) == (FACILITY, 114982, "", 3)
    assert row.created_at > datetime.datetime.fromisoformat(plan["created_at"])
    ask(root, "planspectrum", objectid=114982, facility=f"{FACILITY} 2")
    assert PlannedSpectra.objects.count() == 2
    assert ask(root, "removespectrumplan", objectid=114982, facility=FACILITY)["n_deleted"] == 1

    # A report ends plan and wants.
    report = {"objectid": 114982, "facility": f"{FACILITY} 2", "mjd": 65536.0, "z": 0.25, "classid": 2222}
    ask(root, "reportspectruminfo", **report)
    (found,) = SpectrumInfo.objects.all()
    assert {name: getattr(found, "diaobject_id" if name == "objectid" else name) for name in report} == report
    assert (PlannedSpectra.objects.count(), WantedSpectra.objects.count()) == (0, 24)
    assert not WantedSpectra.objects.filter(diaobject_id=114982)
    (known,) = ask(root, "getknownspectruminfo")["spectra"]
    assert {name: known[name] for name in report} == report
