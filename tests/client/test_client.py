"""The client against a real server: tables for pandas and astropy, errors that say what to do, downloads that go on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
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
    assert broker.objects([3, 1, 99])[-1]["diaObjectId"] == 1
    assert len(broker.all_objects()) == OBJECTS
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
