"""Asynchronous queries as resources: by pyvo, and by hand; what is another's is out of reach."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import pyvo
from astropy.table import Table
from interface_server import RA, InterfaceServer, small_server

from broker_assets.access import accounts, tokens
from broker_assets.database.engine import connect
from broker_assets.filters import tap_jobs

pytestmark = pytest.mark.database
QUERY = "SELECT diaobjectid, ra FROM objects ORDER BY diaobjectid"


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InterfaceServer]:
    with small_server(module_database_url, tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def jobs(server: InterfaceServer) -> Iterator[httpx.Client]:
    """A client of a visitor, below the list of jobs."""
    with httpx.Client(base_url=f"{server.url}/api/vo/tap", timeout=30) as client:
        yield client
    with connect(str(server.settings.database.url.get_secret_value()), autocommit=True) as connection:  # type: ignore[union-attr]
        connection.execute("DELETE FROM access.tap_jobs")


@pytest.fixture
def ann(server: InterfaceServer) -> Iterator[httpx.Client]:
    """The same of an account."""
    headers = {"Authorization": f"Token {server.token}"}
    with httpx.Client(base_url=f"{server.url}/api/vo/tap", headers=headers) as client:
        yield client


def made(client: httpx.Client, **values: Any) -> str:
    """The path of a new job."""
    answer = client.post("/async", data={"LANG": "ADQL", "QUERY": QUERY, **values})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).rpartition("/")[2]


def ended(client: httpx.Client, job: str) -> str:
    """The last phase of a job, which is waited for."""
    while (phase := client.get(f"/async/{job}/phase").text) in ("QUEUED", "EXECUTING"):
        client.get(f"/async/{job}", params={"WAIT": "20", "PHASE": phase})
    return phase


def test_by_pyvo(server: InterfaceServer) -> None:
    service = pyvo.dal.TAPService(f"{server.url}/api/vo/tap")
    found = service.run_async(QUERY, maxrec=3)
    assert found["diaobjectid"].tolist() == [1, 2, 3]
    job = service.submit_job(QUERY)
    assert job.phase == "PENDING"
    job.run().wait(timeout=20)
    assert job.phase == "COMPLETED"
    assert len(job.fetch_result()) == 12
    job.delete()
    with pytest.raises(pyvo.DALQueryError, match="no table"):
        service.run_async("SELECT * FROM secrets")


def test_uploads_by_pyvo(server: InterfaceServer) -> None:
    service = pyvo.dal.TAPService(f"{server.url}/api/vo/tap")
    mine = Table({"name": ["first", "none"], "ra": [RA, 10.0], "dec": [2.2, 10.0]})
    query = (
        "SELECT m.name, o.diaobjectid FROM TAP_UPLOAD.mine AS m JOIN objects AS o ON"
        " 1=CONTAINS(POINT(o.ra, o.decl), CIRCLE(m.ra, m.dec, 0.001))"
    )
    for run in (service.run_sync, service.run_async):
        found = run(query, uploads={"mine": mine})
        assert [(row["name"], row["diaobjectid"]) for row in found] == [("first", 1)]


def test_phases(jobs: httpx.Client) -> None:
    job = made(jobs)
    assert jobs.get(f"/async/{job}/phase").text == "PENDING"
    assert jobs.post(f"/async/{job}/parameters", data={"MAXREC": "2"}).status_code == 303
    assert "MAXREC" in jobs.get(f"/async/{job}/parameters").text
    assert jobs.get(f"/async/{job}/results/result").status_code == 404
    assert jobs.post(f"/async/{job}/phase", data={"PHASE": "RUN"}).status_code == 303
    text = jobs.get(f"/async/{job}", params={"WAIT": "-1"}).text
    while "COMPLETED" not in text:
        text = jobs.get(f"/async/{job}", params={"WAIT": "20"}).text
        assert "ERROR" not in text, text
    answer = jobs.get(f"/async/{job}/results/result")
    assert answer.text.count("<TR>") == 2
    assert "OVERFLOW" in answer.text
    assert "results/result" in jobs.get(f"/async/{job}/results").text
    assert jobs.post(f"/async/{job}/parameters", data={"MAXREC": "3"}).status_code == 400
    assert jobs.post(f"/async/{job}/phase", data={"PHASE": "RUN"}).status_code == 400
    assert jobs.post(f"/async/{job}/phase", data={"PHASE": "STOP"}).status_code == 400
    assert (jobs.get(f"/async/{job}/owner").text, jobs.get(f"/async/{job}/quote").text) == ("", "")
    assert jobs.post(f"/async/{job}", data={"ACTION": "DELETE"}).status_code == 303
    assert jobs.get(f"/async/{job}").status_code == 404


def test_what_cannot_run_ends_in_an_error(jobs: httpx.Client) -> None:
    for values, says in (
        ({"QUERY": "SELECT * FROM nothing"}, "no table"),
        ({"LANG": "PQL"}, "LANG must"),
        ({"FORMAT": "doc"}, "RESPONSEFORMAT"),
    ):
        job = made(jobs, PHASE="RUN", **values)
        assert ended(jobs, job) == "ERROR"
        assert says in jobs.get(f"/async/{job}/error").text
    assert jobs.get(f"/async/{made(jobs)}/error").status_code == 404


def test_a_running_query_is_aborted(jobs: httpx.Client, server: InterfaceServer) -> None:
    slow = "SELECT COUNT(*) FROM diasources a, diasources b, diasources c, diasources d, diasources e, diasources f"
    job = made(jobs, QUERY=slow, PHASE="RUN")
    while (phase := jobs.get(f"/async/{job}/phase").text) != "EXECUTING":
        assert phase == "QUEUED"
    assert jobs.post(f"/async/{job}/phase", data={"PHASE": "ABORT"}).status_code == 303
    assert jobs.get(f"/async/{job}/phase").text == "ABORTED"
    other = made(jobs, PHASE="RUN")  # the thread is free again
    assert ended(jobs, other) == "COMPLETED"


def test_times(jobs: httpx.Client) -> None:
    job = made(jobs)
    assert jobs.post(f"/async/{job}/executionduration", data={"EXECUTIONDURATION": "99999"}).status_code == 303
    assert jobs.get(f"/async/{job}/executionduration").text == "600"
    assert jobs.post(f"/async/{job}/executionduration", data={"EXECUTIONDURATION": "soon"}).status_code == 400
    assert jobs.post(f"/async/{job}/destruction", data={"DESTRUCTION": "2099-01-01T00:00:00Z"}).status_code == 303
    assert not jobs.get(f"/async/{job}/destruction").text.startswith("2099")
    assert jobs.post(f"/async/{job}/destruction", data={"DESTRUCTION": "never"}).status_code == 400
    assert jobs.post(f"/async/{job}/destruction", data={"DESTRUCTION": "2001-01-01T00:00:00"}).status_code == 303
    assert jobs.get(f"/async/{job}").status_code == 404
    assert jobs.get(f"/async/{made(jobs)}", params={"WAIT": "x"}).status_code == 400


def test_jobs_of_others_are_out_of_reach(jobs: httpx.Client, ann: httpx.Client, server: InterfaceServer) -> None:
    job = made(ann, PHASE="RUN", RUNID="mine <1>")
    url = str(server.settings.database.url.get_secret_value())  # type: ignore[union-attr]
    with connect(url, autocommit=True) as connection:
        bob = accounts.add(connection, "bob", None)
        token = tokens.create(connection, bob, "x", "write")
    other = httpx.Client(base_url=jobs.base_url, headers={"Authorization": f"Token {token}"})
    parts = ("", "/phase", "/parameters", "/results", "/results/result", "/error", "/owner", "/destruction", "/quote")
    for client in (jobs, other):
        for part in parts:
            assert client.get(f"/async/{job}{part}").status_code == 404, part
        for part in ("", "/phase", "/parameters", "/executionduration", "/destruction"):
            form = {"PHASE": "ABORT", "ACTION": "DELETE"}
            assert client.post(f"/async/{job}{part}", data=form).status_code == 404, part
        assert client.delete(f"/async/{job}").status_code == 404
        assert job not in client.get("/async").text
    assert "mine &lt;1&gt;" in ann.get("/async").text
    assert ann.get(f"/async/{job}/owner").text == "ann"
    assert job in ann.get("/async", params={"LAST": "5", "AFTER": "2001-01-01T00:00:00Z"}).text
    assert job not in ann.get("/async", params={"PHASE": "PENDING"}).text
    assert ann.get("/async", params={"LAST": "-1"}).status_code == 400
    hidden = made(jobs)
    assert hidden not in jobs.get("/async").text
    assert re.fullmatch("[0-9a-f]{32}", hidden)
    assert jobs.get("/async/" + "0" * 32).status_code == 404
    assert jobs.get("/../../etc").status_code in (404, 405)


def test_there_are_only_so_many(jobs: httpx.Client) -> None:
    for _ in range(tap_jobs.MOST_UNFINISHED):
        made(jobs)
    answer = jobs.post("/async", data={"LANG": "ADQL", "QUERY": QUERY})
    assert (answer.status_code, b"have not ended" in answer.content) == (400, True)


def test_uploads_that_are_refused(jobs: httpx.Client, server: InterfaceServer) -> None:
    bad = {
        "mine": "have no", "mine,file:///etc/passwd": "multipart", "mine,param:gone": "no part",
        "a b,param:x": "name", "mine,http://127.0.0.1:1/": "only for users with an account",
    }  # fmt: skip
    for text, says in bad.items():
        answer = jobs.post("/async", data={"QUERY": QUERY, "UPLOAD": text}, files={"x": b"<VOTABLE/>"})
        assert answer.status_code in (400, 403), text
        assert says in answer.text or says == "have no", answer.text
    headers = {"Authorization": f"Token {server.token}"}
    form = {"QUERY": QUERY, "UPLOAD": "mine,http://127.0.0.1:1/"}
    answer = jobs.post("/async", data=form, headers=headers)
    assert (answer.status_code, "not public" in answer.text) == (400, True)
    twice = {"QUERY": QUERY, "UPLOAD": "mine,param:x;MINE,param:x"}
    assert "twice" in jobs.post("/async", data=twice, files={"x": io.BytesIO(b"")}).text
