"""Indices on disk: atomic, whole, and the old one in force after a crash."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from mocpy import MOC

from broker_assets.sky.areas import build_area_index, match_areas
from broker_assets.sky.cones import ConeIndex, build_cone_index, match_cones
from broker_assets.sky.store import (
    DamagedIndex,
    current_version,
    read_area_index,
    read_cone_index,
    remove_old_versions,
    write_area_index,
    write_cone_index,
)


def cones(count: int, seed: int = 0) -> ConeIndex:
    random = np.random.default_rng(seed)
    names = pa.array([f"{seed}-{number}" for number in range(count)])
    return build_cone_index(
        random.uniform(0, 360, count), random.uniform(-90, 90, count), np.full(count, 9.0), name=names
    )


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    index = cones(1000)
    version = write_cone_index(tmp_path, index)
    back = read_cone_index(tmp_path)
    assert back.version == version == index.version == current_version(tmp_path)
    assert np.array_equal(match_cones(back, index.ra, index.dec).cone, match_cones(index, index.ra, index.dec).cone)
    assert back.name.to_pylist() == index.name.to_pylist()
    assert build_cone_index(back.ra, back.dec, back.radius, name=back.name).version == version


def test_areas(tmp_path: Path) -> None:
    index = build_area_index({5: MOC.from_str("1/3"), 9: MOC.from_str("0/0")})
    write_area_index(tmp_path, index)
    back = read_area_index(tmp_path)
    assert back.version == index.version
    assert match_areas(back, [45.0], [80.0]).area.tolist() == match_areas(index, [45.0], [80.0]).area.tolist()


def test_before_the_first(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no index has been built"):
        read_cone_index(tmp_path)


def test_damage_is_named(tmp_path: Path) -> None:
    version = write_cone_index(tmp_path, cones(10))
    (tmp_path / version / "ra.npy").write_bytes(b"rubbish")
    with pytest.raises(DamagedIndex, match="build the index again"):
        read_cone_index(tmp_path)
    (tmp_path / version / "manifest.json").unlink()
    with pytest.raises(DamagedIndex, match="incomplete"):
        read_cone_index(tmp_path)


def test_old_versions_go_and_readers_keep_theirs(tmp_path: Path) -> None:
    write_cone_index(tmp_path, cones(100, 1))
    mapped = read_cone_index(tmp_path)
    for seed in range(2, 7):
        write_cone_index(tmp_path, cones(100, seed))
    assert len(remove_old_versions(tmp_path, keep=1)) == 4
    assert len(match_cones(mapped, mapped.ra, mapped.dec)) >= 100
    assert read_cone_index(tmp_path).version == cones(100, 6).version


def _write_for_ever(folder: Path) -> None:
    seed = 0
    while True:
        seed += 1
        write_cone_index(folder, cones(20_000, seed))


@pytest.mark.slow
def test_killed_in_the_middle_of_a_build_and_read_meanwhile(tmp_path: Path) -> None:
    write_cone_index(tmp_path, cones(20_000))
    random = np.random.default_rng(0)
    context = multiprocessing.get_context("fork")
    for _ in range(8):
        writer = context.Process(target=_write_for_ever, args=(tmp_path,))
        writer.start()
        until = time.monotonic() + random.uniform(0.05, 0.6)
        while time.monotonic() < until:
            seen = read_cone_index(tmp_path)
            assert len(seen) == 20_000
            assert seen.name[0].as_py().endswith("-0")
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        index = read_cone_index(tmp_path)
        rebuilt = build_cone_index(index.ra, index.dec, index.radius, name=index.name)
        assert rebuilt.version == index.version
    write_cone_index(tmp_path, cones(20_000, 99))
    remove_old_versions(tmp_path)
