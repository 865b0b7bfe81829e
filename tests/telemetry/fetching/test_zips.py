"""Zip files of kernels: unpacked below the folder, or refused before anything is there."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from input_sources import zipped

from broker_assets.settings.sources import InputSource
from broker_assets.telemetry.fetching.zips import KERNEL_FOLDERS, FetchError, kernel_path, unpack_kernels

SOURCE = InputSource(input="spice_kernels", url="/x", file_bytes=10_000_000, total_bytes=20_000_000, files=20)


def unpack(path: Path, source: InputSource = SOURCE) -> list[str]:
    target = path.parent / "target"
    names = unpack_kernels(path, target, source, deadline=time.monotonic() + 60)
    assert {one.relative_to(target).as_posix() for one in target.rglob("*") if one.is_file()} == set(names)
    return sorted(names)


def test_kernels_are_unpacked_without_what_is_above_them(tmp_path: Path) -> None:
    entries = {
        "solo/kernels/mk/a.tm": b"meta",
        "solo/kernels/spk/deep/b.bsp": b"orbit",
        "lsk/c.tls": b"leap",
        "readme.txt": b"no kernel",
        "solo/kernels/ck/.hidden": b"",
    }
    path = zipped(tmp_path / "k.zip", entries)
    assert unpack(path) == ["lsk/c.tls", "mk/a.tm", "spk/deep/b.bsp"]
    assert (tmp_path / "target" / "spk/deep/b.bsp").read_bytes() == b"orbit"


@pytest.mark.parametrize(
    "name", ["../mk/a.tm", "mk/../../a.tm", "/mk/a.tm", "mk\\..\\a.tm", "c:/mk/a.tm", "mk/a.tm\0.txt"]
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "k.zip"
    zipped(path, {"mk/ok.tm": b"x", "mk/" + "y" * (len(name) - 3): b"evil"})
    # zipfile would change some of these names when it writes them.
    path.write_bytes(path.read_bytes().replace(("mk/" + "y" * (len(name) - 3)).encode(), name.encode()))
    with pytest.raises(FetchError, match="could lead out"):
        unpack(path)
    assert not (tmp_path / "target").exists()


def test_links_bombs_and_crowds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"outer\.zip: spk/inner\.ZIP is itself a zip file"):
        unpack(zipped(tmp_path / "outer.zip", {"mk/a": b"x", "k/spk/inner.ZIP": b"PK"}))
    with pytest.raises(FetchError, match="not a regular file"):
        unpack(zipped(tmp_path / "link.zip", {"mk/a": b"x"}, link="mk/passwd"))
    bomb = zipped(tmp_path / "bomb.zip", {"mk/a": b"\0" * 100_000_000})
    with pytest.raises(FetchError, match=r"would expand from [\d,]+ to 100,000,000"):
        unpack(bomb)
    generous = SOURCE.model_copy(update={"expansion": 10_000})
    with pytest.raises(FetchError, match="100,000,000 bytes; the limit is 10,000,000"):
        unpack(bomb, generous)
    with pytest.raises(FetchError, match="27,000,000 bytes, unpacked"):
        unpack(zipped(tmp_path / "many.zip", {f"mk/{n}": b"\0" * 9_000_000 for n in range(3)}))
    with pytest.raises(FetchError, match="21 entries"):
        unpack(zipped(tmp_path / "crowd.zip", {f"mk/{n}": b"x" for n in range(21)}))
    with pytest.raises(FetchError, match="has no kernels"):
        unpack(zipped(tmp_path / "none.zip", {"readme": b"x"}))
    with pytest.raises(FetchError, match="twice"):
        unpack(zipped(tmp_path / "twice.zip", {"a/mk/x": b"1", "b/mk/x": b"2"}))
    assert not (tmp_path / "target").exists()


def test_an_entry_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    """The directory says 10 bytes, the data have 5 MB."""
    path = zipped(tmp_path / "k.zip", {"mk/a": b"\0" * 5_000_000})
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 5_000_000), struct.pack("<I", 10)))
    with pytest.raises(FetchError, match="damaged"):
        unpack(path)


@pytest.mark.parametrize("cut", [10, 100, -5])
def test_damaged_files_are_refused(tmp_path: Path, cut: int) -> None:
    path = zipped(tmp_path / "k.zip", {"mk/a": bytes(range(256)) * 100})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(FetchError):
        unpack(path)


@given(st.text(max_size=30), st.sampled_from(KERNEL_FOLDERS))
def test_no_name_leads_out_of_the_folder(name: str, kind: str) -> None:
    for tried in (name, f"{kind}/{name}", f"a/{kind}/../{name}"):
        try:
            found = kernel_path(tried)
        except FetchError:
            continue
        if found is not None:
            assert Path("/base", found).resolve().is_relative_to("/base")
            assert found.split("/")[0] in KERNEL_FOLDERS
