"""The newest tag of a repository, in one step, also for others to read."""

from __future__ import annotations

import os
import threading
from itertools import permutations
from pathlib import Path

import pytest
from input_sources import git, repository

from broker_assets.settings.sources import InputSource
from broker_assets.telemetry.fetching.repositories import fetch_tag, newest_tag, order, shown
from broker_assets.telemetry.fetching.zips import FetchError


def source(url: str, **options: object) -> InputSource:
    given = {"input": "instrument_configuration", "url": f"git+{url}", **options}
    return InputSource.model_validate(given)


def test_the_newest_tag_is_checked_out(tmp_path: Path) -> None:
    there = repository(tmp_path / "there", {"detector/a.csv": "1", "VERSION.TXT": "none"}, "v0.9.0")
    repository(there, {"detector/a.csv": "2"}, "v0.10.0", annotated=True)
    repository(there, {"detector/a.csv": "3"}, "nightly-99")
    chosen = source(there.as_uri(), tags="v*", public_folder=str(tmp_path / "public"))
    here, record = tmp_path / "here", tmp_path / "record.json"
    assert newest_tag(chosen)[0] == "v0.10.0"
    done = fetch_tag(chosen, here, record)
    assert sorted(done.new) == [str(here), str(tmp_path / "public")]
    for folder in (here, tmp_path / "public"):
        assert (folder / "VERSION.TXT").read_text() == "v0.10.0\n"
        assert (folder / "detector/a.csv").read_text() == "2"
        assert not (folder / ".git").exists()
    assert fetch_tag(chosen, here, record).new == []

    # A reader sees the old version or the new one, never a mixture.
    repository(there, {f"detector/{n}.csv": "11" for n in range(50)}, "v0.11.0")
    seen: set[tuple[str, int]] = set()
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            opened = os.open(here, os.O_RDONLY | os.O_DIRECTORY)
            try:
                folder = Path(f"/proc/self/fd/{opened}")
                seen.add(((folder / "VERSION.TXT").read_text(), len(os.listdir(folder / "detector"))))
            except FileNotFoundError:
                pass  # it opened the old one, which is being removed
            finally:
                os.close(opened)

    reader = threading.Thread(target=read)
    reader.start()
    fetch_tag(chosen, here, record)
    ended.set()
    reader.join()
    # The old one may lose its files while it is removed; it never has those of the new one.
    assert seen <= {("v0.10.0\n", 0), ("v0.10.0\n", 1), ("v0.11.0\n", 51)}
    assert (here / "VERSION.TXT").read_text() == "v0.11.0\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "public", "record.json", "there"]

    # The public folder was damaged: only it is made again.
    (tmp_path / "public" / "VERSION.TXT").unlink()
    assert fetch_tag(chosen, here, record).new == [str(tmp_path / "public")]


@pytest.mark.parametrize(
    ("tags", "newest"),
    [
        (["v2.0.0", "v2.0.0-rc1", "v1.9"], "v2.0.0"),
        (["v2.0.0-rc1", "v1.9.12"], "v2.0.0-rc1"),
        (["2.0rc2", "2.0rc10", "2.0b30", "2.0.dev40"], "2.0rc10"),
        (["1.0", "1.0.1-beta.2", "1.0.1-alpha.9"], "1.0.1-beta.2"),
        (["v1.3.0", "v1.2.1"], "v1.3.0"),
        (["v3.0.0-RC1", "v3.0"], "v3.0"),
        (["1.0", "1.0.post1", "1.0.post2"], "1.0.post2"),
        (["v1.2", "v1.2a", "v1.2b"], "v1.2b"),
        (["2024-02-01", "2024-10-01", "2024-9-30"], "2024-10-01"),
    ],
)
def test_pre_releases_are_before_their_release(tags: list[str], newest: str) -> None:
    for some in permutations(tags):
        assert max(some, key=order) == newest


def test_a_failure_keeps_the_old_version(tmp_path: Path) -> None:
    there = repository(tmp_path / "there", {"a": "1"}, "v1")
    here, record = tmp_path / "here", tmp_path / "record.json"
    fetch_tag(source(there.as_uri()), here, record)
    (there / "link").symlink_to("/etc/passwd")
    repository(there, {"big": "x" * 100_000}, "v2")
    with pytest.raises(FetchError, match="bytes, the limits"):
        fetch_tag(source(there.as_uri(), total_bytes=1000), here, record)
    assert (here / "VERSION.TXT").read_text() == "v1\n"
    fetch_tag(source(there.as_uri()), here, record)
    assert not (here / "link").is_symlink(), "links are files with the name of what they lead to"
    with pytest.raises(FetchError, match="no tag x"):
        fetch_tag(source(there.as_uri(), tags="x*"), here, record)
    git(there, "tag", "-d", "v1", "v2")
    with pytest.raises(FetchError, match="no tag"):
        fetch_tag(source(there.as_uri()), here, record)
    with pytest.raises(FetchError, match="git ls-remote failed"):
        fetch_tag(source((tmp_path / "absent").as_uri()), here, record)
    assert (here / "VERSION.TXT").read_text() == "v2\n"


@pytest.mark.parametrize("url", ["ext::sh -c 'touch /tmp/broker-evil'", "--upload-pack=touch /tmp/broker-evil"])
def test_addresses_run_nothing(tmp_path: Path, url: str) -> None:
    with pytest.raises(FetchError):
        newest_tag(source(url))
    assert not Path("/tmp/broker-evil").exists()


def test_passwords_are_not_shown() -> None:
    assert shown(source("https://me:secret@git.example/conf.git")) == "https://git.example/conf.git"
