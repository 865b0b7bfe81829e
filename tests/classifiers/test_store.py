"""The store: versions do not change, one is active, and a killed process leaves nothing that counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_classifiers import tiny

from broker_assets.classifiers.description import ClassifierError
from broker_assets.classifiers.store import ClassifierStore, set_version


@pytest.fixture
def store(tmp_path: Path) -> ClassifierStore:
    return ClassifierStore(tmp_path / "classifiers")


def versions(store: ClassifierStore) -> list[tuple[str, bool]]:
    return [(item.version, item.active) for item in store.versions()]


def test_a_classifier_from_its_files_to_its_end(store: ClassifierStore, tmp_path: Path) -> None:
    assert store.versions() == store.active() == []
    assert set_version(store.active()) == "none"
    first = store.add(tiny(tmp_path / "a"))
    assert first.active
    assert store.add(tiny(tmp_path / "a")) == first
    second = store.add(tiny(tmp_path / "b", seed=2, version="2"), activate=False)
    assert versions(store) == [("1", True), ("2", False)]
    assert set_version(store.active()) == f"tiny 1 ({first.sha256[:8]})"
    store.activate("tiny", "2")
    assert versions(store) == [("1", False), ("2", True)]
    assert store.get("tiny") == store.get("tiny", "2") == store.active()[0]
    assert store.get("tiny").sha256 == second.sha256
    store.activate("tiny", None)
    assert store.active() == []
    assert store.remove("tiny", "1") == ["1"]
    assert store.get("tiny").version == "2"
    assert store.remove("tiny") == ["2"]
    assert store.versions() == []


def test_a_version_never_changes(store: ClassifierStore, tmp_path: Path) -> None:
    first = store.add(tiny(tmp_path / "a"))
    with pytest.raises(ClassifierError, match="tiny 1 exists with another content"):
        store.add(tiny(tmp_path / "b", seed=2))
    assert store.get("tiny") == first


def test_what_there_is_not(store: ClassifierStore, tmp_path: Path) -> None:
    for call in (store.get, store.remove):
        with pytest.raises(ClassifierError, match="there is no classifier 'other'; there are: none"):
            call("other")
    store.add(tiny(tmp_path / "a"))
    with pytest.raises(ClassifierError, match="tiny has no version '9'; it has: 1"):
        store.activate("tiny", "9")
    with pytest.raises(ClassifierError, match="tiny 1 is active"):
        store.remove("tiny", "1")
    store.add(tiny(tmp_path / "b", version="2"))
    store.activate("tiny", None)
    with pytest.raises(ClassifierError, match="tiny has no active version; it has: 1, 2"):
        store.get("tiny")


def test_damaged_files_are_named(store: ClassifierStore, tmp_path: Path) -> None:
    stored = store.add(tiny(tmp_path / "a"))
    (stored.folder / "model.onnx").write_bytes(b"x")
    with pytest.raises(ClassifierError, match="tiny 1 is damaged"):
        stored.load()
    (stored.folder / "model.onnx").unlink()
    with pytest.raises(ClassifierError, match="tiny 1 cannot be read"):
        stored.load()
    (stored.folder / "about.json").write_text("{")
    with pytest.raises(ClassifierError, match=r"about\.json is damaged"):
        store.versions()
    (store.folder / "tiny" / "active.json").write_text("[]")
    with pytest.raises(ClassifierError, match=r"active\.json is damaged"):
        store.active()


def test_what_a_killed_process_leaves_is_not_a_version(store: ClassifierStore, tmp_path: Path) -> None:
    stored = store.add(tiny(tmp_path / "a"))
    stored.folder.rename(stored.folder.with_name(".1.abc.part"))
    assert store.versions() == store.active() == []
