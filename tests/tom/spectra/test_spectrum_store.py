"""Spectra are kept by version, and seen by those who see their target."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from broker_assets.access.refusals import NotTheOwner
from broker_assets.access.sharing import share
from broker_assets.database import engine
from broker_assets.tom.spectra import spectrum_store as store
from broker_assets.tom.spectra.spectrum_files import BadSpectrum
from broker_assets.tom.targets import store as targets
from broker_assets.tom.targets.fields import checked
from broker_assets.tom.targets.readers import Reader

pytestmark = pytest.mark.database
FIRST, SECOND = b"# MJD = 61000.5\n4000 1\n4001 2\n", b"4000 1\n4001 nan\n"


def test_versions_and_readers(desk: Any) -> None:
    connection, mia, max_, otto = desk.connection, *(desk.users[name] for name in ("mia", "max", "otto"))
    target = targets.make(connection, "mia", checked({"name": "x", "ra": 10, "dec": -5, "diaobjectid": 7}))
    added = store.add(connection, mia, FIRST, "a.txt", targetid=target, about={"z": "0.03"})
    assert any("no unit" in note for note in added.notes)
    number = added.spectrumid
    found = store.get(connection, Reader.of(mia), number)
    assert (found.title, found.diaobjectid, found.mjd, found.z, found.versions) == ("a.txt", 7, 61000.5, 0.03, 1)
    again = store.add_version(connection, mia, number, SECOND, "b.txt", "recalibrated")
    assert (again.version, store.add_version(connection, mia, number, FIRST, "a.txt").version) == (2, 1)
    newest, oldest = store.version_of(connection, number), store.version_of(connection, number, 1)
    assert (newest.version, newest.remark, oldest.flux.tolist()) == (2, "recalibrated", [1, 2])
    assert newest.flux[1] != newest.flux[1]
    assert store.file_of(connection, number, 1) == ("a.txt", FIRST)
    assert [one["version"] for one in store.history(connection, number)] == [2, 1]
    for other in (max_, otto):
        with pytest.raises(store.UnknownSpectrum):
            store.get(connection, Reader.of(other), number)
    with pytest.raises(targets.UnknownTarget):
        store.add(connection, max_, FIRST, "x", targetid=target)
    share(connection, mia, "target", str(target), ["Gemini"])
    assert [one.spectrumid for one in store.search(connection, Reader.of(max_), diaobjectid=7)] == [number]
    with pytest.raises(NotTheOwner):
        store.add_version(connection, max_, number, FIRST, "x")
    public = store.add(connection, max_, SECOND, "c.txt", diaobjectid=7, about={"public": True, "title": "mine"})
    assert [one.title for one in store.search(connection, Reader.of(otto))] == ["mine"]
    for content, about, why in ((b"x", {}, "neither"), (FIRST, {"z": "99"}, "z: 99"), (FIRST, {"mjd": "x"}, "mjd")):
        with pytest.raises(BadSpectrum, match=why):
            store.add(connection, mia, content, "x", targetid=target, about=about)
    with pytest.raises(BadSpectrum, match="say which target"):
        store.add(connection, mia, FIRST, "x")
    with pytest.raises(store.UnknownSpectrum):
        store.version_of(connection, number, 9)
    assert store.remove(connection, max_, public.spectrumid).title == "mine"
    targets.remove(connection, Reader.of(mia), target)
    assert store.get(connection, Reader.of(mia), number).targetid is None


def test_two_files_at_once_are_two_versions(desk: Any) -> None:
    number = store.add(desk.connection, desk.users["mia"], FIRST, "a.txt", diaobjectid=1).spectrumid

    def send(place: int) -> int:
        with engine.connect(desk.url, autocommit=True) as connection:
            content = f"4000 1\n4001 {place % 4}.5\n".encode()
            return store.add_version(connection, desk.users["mia"], number, content, "x").version

    with ThreadPoolExecutor(4) as pool:
        assert sorted(set(pool.map(send, range(8)))) == [2, 3, 4, 5]
