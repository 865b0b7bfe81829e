"""Files of a folder elsewhere: only what is new, all of it or nothing."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import fsspec
import pytest
from input_sources import zipped
from watched_folder import watched

from broker_assets.settings.sources import InputSource
from broker_assets.telemetry.fetching.files import Record, fetch_files, listed, listing_version
from broker_assets.telemetry.fetching.zips import FetchError


class Site:
    """A source and where it goes."""

    def __init__(self, root: Path, kind: str = "spice_kernels", **options: object) -> None:
        self.there, self.here, self.record = root / "there", root / "here", root / "state" / "record.json"
        self.there.mkdir()
        given = {"input": kind, "url": str(self.there), **options}
        self.source = InputSource.model_validate(given)

    def put(self, name: str, content: bytes = b"x") -> None:
        (self.there / name).parent.mkdir(parents=True, exist_ok=True)
        (self.there / name).write_bytes(content)

    def fetch(self) -> list[str]:
        return fetch_files(self.source, self.here, self.record).new

    def written(self, *names: str) -> list[tuple[int, int]]:
        """Which files these are, and when each was put there: a file that is written again is another one."""
        return [(found.st_ino, found.st_ctime_ns) for found in ((self.here / name).stat() for name in names)]

    def present(self) -> dict[str, bytes]:
        return {p.relative_to(self.here).as_posix(): p.read_bytes() for p in self.here.rglob("*") if p.is_file()}


def test_new_files_arrive_and_zips_are_unpacked_once(tmp_path: Path) -> None:
    site = Site(tmp_path, remove=True)
    site.put("lsk/leap.tls", b"leap")
    zipped(site.there / "solo_ANC_2020.zip", {"kernels/mk/a.tm": b"one", "kernels/spk/a.bsp": b"orbit"})
    assert site.fetch() == ["lsk/leap.tls", "mk/a.tm", "spk/a.bsp"]
    assert site.present() == {"lsk/leap.tls": b"leap", "mk/a.tm": b"one", "spk/a.bsp": b"orbit"}
    assert site.fetch() == []
    before = site.written("mk/a.tm", "spk/a.bsp")
    site.put("lsk/leap.tls", b"leap second")
    assert site.fetch() == ["lsk/leap.tls"]
    assert site.written("mk/a.tm", "spk/a.bsp") == before, "unpacked again"
    # What others have put there stays; what was fetched and is gone there goes.
    (site.here / "spk" / "own.bsp").write_bytes(b"own")
    (site.there / "solo_ANC_2020.zip").unlink()
    assert fetch_files(site.source, site.here, site.record).removed == ["mk/a.tm", "spk/a.bsp"]
    assert site.present() == {"lsk/leap.tls": b"leap second", "spk/own.bsp": b"own"}
    # A file that was deleted here comes back.
    (site.here / "lsk/leap.tls").unlink()
    assert site.fetch() == ["lsk/leap.tls"]
    site.record.write_text("{")
    assert site.fetch() == ["lsk/leap.tls"]
    assert Record.read(site.record).version == listing_version(listed(site.source))


def test_a_failed_fetch_keeps_what_there_was(tmp_path: Path) -> None:
    site = Site(tmp_path, file_bytes=1000, total_bytes=1500)
    site.put("mk/a.tm", b"old")
    site.fetch()
    before = site.present()
    site.put("mk/a.tm", b"new")
    site.put("spk/b.bsp", b"x" * 1001)
    with pytest.raises(FetchError, match="1,001 bytes; the limit is 1,000"):
        site.fetch()
    site.put("spk/b.bsp", b"x" * 900)
    site.put("spk/c.bsp", b"x" * 900)
    with pytest.raises(FetchError, match="bytes are new"):
        site.fetch()
    (site.there / "spk/c.bsp").unlink()
    zipped(site.there / "solo_ANC.zip", {"../mk/a.tm": b"evil"})
    with pytest.raises(FetchError, match="could lead out"):
        site.fetch()
    (site.there / "solo_ANC.zip").unlink()
    late = site.source.model_copy(update={"seconds": 1e-9})
    with pytest.raises(FetchError, match="in time"):
        fetch_files(late, site.here, site.record)
    assert site.present() == before
    assert [path.name for path in site.here.iterdir()] == ["mk"], "nothing hidden is left"
    # A place that is taken is found before anything is moved.
    (site.here / "spk").write_text("no folder")
    with pytest.raises(FetchError, match=r"b\.bsp cannot be written: .* a file above it"):
        site.fetch()
    (site.here / "spk").unlink()
    (site.here / "mk" / "a.tm").unlink()
    (site.here / "mk" / "a.tm").mkdir()
    with pytest.raises(FetchError, match=r"a\.tm cannot be written: there is a folder of its name"):
        site.fetch()
    assert site.present() == {}
    (site.here / "mk" / "a.tm").rmdir()
    assert "mk/a.tm" in site.fetch()
    assert set(site.present()) == {"mk/a.tm", "spk/b.bsp"}
    # A meta-kernel comes last: what it names is there before it.
    (orbit,), (meta,) = site.written("spk/b.bsp"), site.written("mk/a.tm")
    assert orbit[1] <= meta[1]


def test_an_empty_source_removes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, remove=True)
    zipped(site.there / "solo_ANC.zip", {"lsk/leap.tls": b"leap"})
    site.fetch()
    (site.there / "solo_ANC.zip").rename(tmp_path / "elsewhere.zip")
    with pytest.raises(FetchError, match=r"there has no files \*"):
        site.fetch()
    assert site.present() == {"lsk/leap.tls": b"leap"}
    site.put("lsk/other.tls")
    assert fetch_files(site.source, site.here, site.record).removed == ["lsk/leap.tls"]


@pytest.mark.parametrize("names", [("a_v2.zip", "b_v1.zip"), ("a_v1.zip", "b_v2.zip")])
def test_the_latest_of_several_zips_prevails(tmp_path: Path, names: tuple[str, str]) -> None:
    site = Site(tmp_path)
    for name in names:
        zipped(site.there / name, {"lsk/leap.tls": name.encode()})
        os.utime(site.there / name, (1e9 + ("v2" in name), 1e9 + ("v2" in name)))
    site.fetch()
    newest = next(name for name in names if "v2" in name)
    assert site.present() == {"lsk/leap.tls": newest.encode()}


def test_another_folder_is_another_source(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for folder, content in ((site.there, b"1"), (tmp_path / "moved", b"2")):
        folder.mkdir(exist_ok=True)
        (folder / "leap.tls").write_bytes(content)
        os.utime(folder / "leap.tls", (1e9, 1e9))
    site.fetch()
    before = listing_version(listed(site.source))
    site.source = site.source.model_copy(update={"url": str(tmp_path / "moved")})
    assert listing_version(listed(site.source)) != before
    assert site.fetch() == ["leap.tls"]
    assert site.present() == {"leap.tls": b"2"}
    assert site.fetch() == []


def test_a_configuration_has_its_version_last(tmp_path: Path) -> None:
    site = Site(tmp_path, "instrument_configuration")
    site.put("detector/a.csv")
    with pytest.raises(FetchError, match=r"has no VERSION\.TXT"):
        site.fetch()
    assert site.present() == {}
    site.put("VERSION.TXT", b"v1\n")
    site.fetch()
    (table,), (version,) = site.written("detector/a.csv"), site.written("VERSION.TXT")
    assert table[1] <= version[1]


def test_a_file_that_grows_without_end_is_refused(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.put("mk/a.tm", b"x" * 100)
    with watched(site.there, before_reading=lambda path: path.write_bytes(b"x" * 5_000_000)) as url:
        site.source = site.source.model_copy(update={"url": url})
        with pytest.raises(FetchError, match="more than the 100 bytes"):
            site.fetch()
    assert site.present() == {}


def test_a_table_is_one_file_under_its_own_name(tmp_path: Path) -> None:
    site = Site(tmp_path, "request_table", patterns=["*.csv"])
    site.put("requests-2026.csv", b"a,b\n")
    site.put("readme.txt")
    target = tmp_path / "here" / "requests.csv"
    assert fetch_files(site.source, target, site.record).new == ["requests.csv"]
    assert target.read_bytes() == b"a,b\n"
    assert fetch_files(site.source, target, site.record).new == []
    site.put("other.csv")
    with pytest.raises(FetchError, match="has 2 files"):
        fetch_files(site.source, target, site.record)
    assert target.read_bytes() == b"a,b\n"


def test_other_stores_and_sources_that_are_unavailable(tmp_path: Path) -> None:
    name = uuid.uuid4().hex
    memory = fsspec.filesystem("memory")
    memory.pipe_file(f"/{name}/plans/plan.1.all.json", b"{}")
    source = InputSource(input="observation_plan", url=f"memory://{name}/plans", patterns=["*.json"])
    assert fetch_files(source, tmp_path / "plans", tmp_path / "r.json").new == ["plan.1.all.json"]
    gone = InputSource(input="observation_plan", url=str(tmp_path / "absent"))
    with pytest.raises(FetchError, match="does not exist"):
        fetch_files(gone, tmp_path / "plans", tmp_path / "r.json")
    assert (tmp_path / "plans" / "plan.1.all.json").is_file()
    few = source.model_copy(update={"files": 0})
    with pytest.raises(FetchError, match="1 files; the limit is 0"):
        listed(few)
