"""Files below a folder: what was written, what stayed, what is made no more."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from broker_assets.telemetry.archive.product_tree import ProductTree
from broker_assets.telemetry.products.files.tables import Column
from broker_assets.telemetry.products.kinds import KINDS
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.products.product import Product, VersionRange

DAY = date(2021, 1, 17)


@pytest.fixture
def product() -> Product:
    """Three bins of 4 s."""
    start = (664156800 + 4 * np.arange(3)) << 16
    data = {
        "time": Column(start + (2 << 16)),
        "timedel": Column(np.full(3, 4 << 16)),
        "control_index": Column(np.zeros(3, dtype=np.int64)),
        "counts": Column(np.arange(3)),
    }
    versions = (VersionRange("2.26.34", int(start[0]), int(start[-1])),)
    return Product(KINDS[21, 6, 30], "L0", {"index": Column(np.zeros(1))}, data, None, versions, ("raw",), ("lb",))


def test_equal_content_is_not_written_again(tmp_path: Path, open_inputs: Inputs, product: Product) -> None:
    reported: list[Path] = []
    written = []
    counts = product.data | {"counts": Column(np.arange(3) + 1)}
    for given in (product, product, replace(product, data=counts)):
        tree = ProductTree(tmp_path, open_inputs, reported.append)
        with tree.alone():
            path = tree.write_level0(given, DAY)
        written.append((len(tree.outcome.written), len(tree.outcome.unchanged)))
        [file] = tree.outcome.files
        assert tmp_path / file.path == path
        assert (file.level, file.rows, file.day, file.parents) == ("L0", 3, DAY, ("lb",))
        assert file.size == path.stat().st_size
    assert written == [(1, 0), (0, 1), (1, 0)]
    assert len(set(reported)) == 1
    assert len(reported) == 3


def test_files_that_are_made_no_more_are_removed(tmp_path: Path, open_inputs: Inputs, product: Product) -> None:
    tree = ProductTree(tmp_path, open_inputs, lambda _: None)
    path = tree.write_level0(product, DAY)
    relative = tree.outcome.files[0].path
    tree.remove(relative)
    tree.remove(relative)
    assert tree.outcome.removed == [path]
    again = tree.write_level0(product, DAY)
    tree.remove_matching("L0/**/*ql-lightcurve*")
    assert not again.exists()


def test_one_rebuild_at_a_time(tmp_path: Path, open_inputs: Inputs) -> None:
    first, second = (ProductTree(tmp_path, open_inputs, lambda _: None) for _ in range(2))
    entered = threading.Event()

    def other() -> None:
        with second.alone():
            entered.set()

    waiting = threading.Thread(target=other)
    with first.alone():
        waiting.start()
        assert not entered.wait(0.3)
    assert entered.wait(10)
    waiting.join()
