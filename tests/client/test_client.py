"""The client against a real server: tables for pandas and astropy, errors that say what to do, downloads that go on."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any

import pytest
from interface_server import DEC, OBJECTS, POINTS, RA, InterfaceServer, small_server

from broker_assets.client import BrokerProblem, BrokerUnreachable, Client
from broker_assets.database.engine import connect

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InterfaceServer]:
    with small_server(module_database_url, tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def broker(server: InterfaceServer) -> Iterator[Client]:
    with Client(server.url, server.token) as client:
        yield client


def test_objects_and_light_curves(broker: Client) -> None:
    near = broker.cone(RA, DEC, 25)
    assert [row["diaObjectId"] for row in near] == [1, 2, 3]
    assert near[1]["separationArcsec"] == pytest.approx(10, abs=1e-3)
    with pytest.warns(UserWarning, match="left out: 99"):
        assert broker.objects([3, 1, 99])[-1]["diaObjectId"] == 1
    with pytest.warns(UserWarning, match="left out: .*and 5 more"):
        assert len(broker.lightcurves([1, *(f"nobody {one}" for one in range(25))])) == POINTS
    with pytest.raises(BrokerProblem, match="not with csv"):
        broker.raw("/objects/1", "csv")
    assert len(broker.all_objects()) == OBJECTS
    with pytest.warns(UserWarning, match="there may be more"):
        assert len(broker.all_objects(limit=3)) == 3
    with pytest.warns(UserWarning, match="there may be more"):
        assert len(broker.cone(RA, DEC, 25, limit=2)) == 2
    frame = broker.lightcurve(1).to_pandas()
    assert frame["psfFlux"].tolist() == [100.25 + point for point in range(POINTS)]
    assert str(frame["id"].dtype) == "int64"
    table = broker.lightcurves([1, 2], until=60003.0).to_astropy()
    assert len(table) == 6
    assert str(table["psfFlux"].unit) == "nJy"
    assert table["diaNoise"].mask.all()
    assert broker.object(1)["diaObject"]["nDiaSources"] == POINTS
    assert len(broker.features(1)) == 0
    assert broker.context(1)["sherlock"] is None
    assert broker.annotations(1) == []


def test_lists_and_filters(broker: Client) -> None:
    made = broker.make_watchlist("c", f"{RA}, {DEC}, one\n", radius=3)
    assert [one["id"] for one in broker.watchlists() if one["name"] == "c"] == [made["id"]]
    assert len(broker.watchlist_hits(made["id"])) == 0
    assert broker.areas() == []
    assert broker.filters() == []
    text = "SELECT objects.diaObjectId, objects.nDiaSources FROM objects WHERE objects.decl < 2.203"
    assert broker.check(text)["tables"] == ["objects"]
    assert {row["diaObjectId"] for row in broker.query(text)} == {1, 2}
    with pytest.warns(UserWarning, match="there may be more"):
        assert len(broker.query(text, limit=1)) == 1
    nothing = broker.query(text.replace("2.203", "-80"))
    assert (len(nothing), nothing.columns) == (0, ["diaObjectId", "nDiaSources"]), "columns of an answer without rows"
    assert broker.query("SELECT ra, tns_name FROM objects ORDER BY ra").columns == ["diaObjectId", "ra", "tns_name"]
    assert list(broker.pages("/objects", "objects", limit=5))[-1]["diaObjectId"] == OBJECTS


def test_problems(broker: Client, server: InterfaceServer) -> None:
    with pytest.raises(BrokerProblem) as unknown:
        broker.object(99)
    assert (unknown.value.status, unknown.value.kind) == (404, "not-found")
    assert "cone" in str(unknown.value)
    with pytest.raises(BrokerProblem) as wrong:
        broker.check("SELECT objects.nothing FROM objects")
    assert wrong.value.errors[0]["column"] == 8
    with pytest.raises(BrokerProblem, match="credentials"):
        Client(server.url).query("SELECT objects.ra FROM objects")
    with pytest.raises(BrokerUnreachable):
        Client("http://127.0.0.1:9").status()


@pytest.mark.parametrize("name", ["1?format=csv", "1#x", "../filters", "SN 2025a&b", "%31"])
def test_any_name_is_one_part_of_an_address(broker: Client, name: str) -> None:
    with pytest.raises(BrokerProblem) as caught:
        broker.object(name)
    assert caught.value.status == 404


def test_a_download_goes_on(broker: Client, server: InterfaceServer, module_database_url: str, tmp_path: Any) -> None:
    content = bytes(range(256)) * 400
    folder = server.settings.telemetry_folder / "products"
    folder.mkdir(parents=True)
    (folder / "a.fits").write_bytes(content)
    with connect(module_database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO product_file (path, name, level, family, kind, version, day, rows, starts, ends, digest,"
            " size, incomplete, code_version) VALUES ('a.fits', 'a.fits', 'L1', 'quicklook', 'ql', 1, '2026-01-01', 1,"
            " '', '', %s, %s, false, '1')",
            ("d" * 64, len(content)),
        )
    number = broker.products(level="L1")[0]["productFileId"]
    assert broker.download(number, tmp_path / "a.fits").read_bytes() == content
    (tmp_path / f".b.fits.{'d' * 16}.part").write_bytes(content[:1000])
    assert broker.download(number, tmp_path / "b.fits").read_bytes() == content
    (tmp_path / f".c.fits.{'d' * 16}.part").write_bytes(content)
    assert broker.download(number, tmp_path / "c.fits").read_bytes() == content
    (tmp_path / f".c.fits.{'d' * 16}.part").write_bytes(content + b"x")
    assert broker.download(number, tmp_path / "c.fits").read_bytes() == content, "too long: it is begun again"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fits", "b.fits", "c.fits"]


def test_frozen(broker: Client) -> None:
    made = broker.freeze(ids=[1, 2], as_of=60002.0)
    assert hashlib.sha256(broker.snapshot(made["snapshotId"])).hexdigest() == made["sha256"]
    assert broker.why("objects", diaobjectid=1)[0]["table"] == "objects"
    assert "totals" in broker.status()


def test_adql_and_coverage(broker: Client) -> None:
    with pytest.warns(UserWarning, match="has 3 rows"):
        found = broker.adql("SELECT diaobjectid FROM objects ORDER BY diaobjectid", limit=3)
    assert [row["diaobjectid"] for row in found] == [1, 2, 3]
    with pytest.raises(BrokerProblem, match="no table"):
        broker.adql("SELECT * FROM secrets")
    assert broker.coverage(3)["order"] == 3


def test_events(broker: Client, server: InterfaceServer) -> None:
    url = str(server.settings.database.url.get_secret_value())  # type: ignore[union-attr]
    with connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO access.tap_jobs (jobid, userid, phase, parameters, most_rows, duration, destruction)"
            " SELECT 'a1', userid, 'PENDING', '{}', 1, 1, now() + interval '1 day' FROM access.users"
            " WHERE username = 'ann'"
        )
    events = broker.events(follow=["progress"])
    first = next(events)
    assert (first.name, first.data["jobId"], first.identifier) == ("query", "a1", "")
    events.close()
    with pytest.raises(BrokerProblem, match="no filter 99"):
        next(broker.events([99]))


Answer = bytes | Callable[[socket.socket], None]


@contextmanager
def answers(*given: Answer) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives each connection the next answer, the last one from then on; its address and the requests."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(65536))
                    answer = given[min(len(asked), len(given)) - 1]
                    answer(connection) if callable(answer) else connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def says(status: str, body: bytes = b"{}", *fields: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = [f"HTTP/1.1 {status}", *fields, f"content-length: {size}", "connection: close", "", ""]
    return "\r\n".join(head).encode() + body


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


LISTED = says("200 OK", b'{"filters": [], "selected": 1}')
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "first",
    [
        lambda connection: None,
        reset,
        says("200 OK", b'{"fil', length=30),
        says("502 Bad Gateway", b"<html>"),
        says("503 Busy", b"{}", "retry-after: 0"),
        says("503 Busy", b"{}", "retry-after: -3"),
        says("429 Slow", b"{}", "retry-after: nan"),
        says("429 Slow", b"{}", "retry-after: soon"),
        says("429 Slow", b"{}", f"retry-after: {formatdate(time.time() - 5, usegmt=True)}"),
    ],
)
def test_what_only_reads_is_asked_again(first: Answer) -> None:
    for ask in (Client.filters, lambda client: client.check("SELECT 1")):
        with answers(first, LISTED) as (url, asked), Client(url, timeout=5) as client:
            assert ask(client) in ([], {"filters": [], "selected": 1})
        assert len(asked) == 2
    failed = pytest.raises((BrokerProblem, BrokerUnreachable))
    with answers(first, LISTED) as (url, asked), Client(url, timeout=5) as client, failed:
        client.freeze(ids=[1])
    assert len(asked) == 1, "what changes something is not sent twice"
    failed = pytest.raises((BrokerProblem, BrokerUnreachable))
    with answers(first, LISTED) as (url, asked), Client(url, timeout=5, retries=0) as client, failed:
        client.filters()


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"[]", b""])
def test_what_is_no_broker_is_named(body: bytes) -> None:
    with answers(says("200 OK", body, "content-type: text/html")) as (url, _), Client(url) as client:
        for ask in (client.filters, client.status, lambda: client.watchlist_hits(1), lambda: client.adql("SELECT")):
            with pytest.raises(BrokerUnreachable, match="is the address right"):
                ask()
    for address in ("127.0.0.1:8000", "ftp://127.0.0.1/", "http:/127.0.0.1"):
        with pytest.raises(ValueError, match="begins with http"):
            Client(address)
    assert Client("http://127.0.0.1:8000/api/v1/").url == "http://127.0.0.1:8000/api/v1"


def test_events_go_on_after_every_interruption() -> None:
    """A server that restarts breaks the stream, refuses connections, and is busy; nothing is asked for twice."""
    place = STREAM + b"id: 5-0-0-0\n\n"
    match = STREAM + b'id: 6-1-2-3\nevent: match\ndata: {"a": 1}\n\n'
    with answers(place, reset, says("503 Busy"), says("502 Bad Gateway"), STREAM, match, match) as (url, asked):
        events = Client(url, timeout=5).events([3])
        assert [next(events).data, next(events).data] == [{"a": 1}, {"a": 1}]
        events.close()
    assert b"last-event-id" not in asked[0].lower()
    assert all(b"Last-Event-ID: 5-0-0-0" in one for one in asked[1:6]), "also before the first event"
    assert b"Last-Event-ID: 6-1-2-3" in asked[6]
    with answers(place, says("401 No")) as (url, _), pytest.raises(BrokerProblem):
        next(Client(url).events([3]))
    with pytest.raises(BrokerUnreachable):
        next(Client("http://127.0.0.1:9", retries=0).events([3]))
