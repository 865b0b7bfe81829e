"""Which class is right for which model, at which level."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broker_assets.tom.taxonomy.hierarchy import LEVELS, TAXONOMIES, Taxonomy, TaxonomyError, read_taxonomy

FLAGS = ("exactmatch", "categorymatch", "generalmatch", "broadmatch")


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "data" / "desc_tom" / "taxonomy" / f"{name}.csv").open(newline="") as file:
        return [{key.lower(): value for key, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.shared
@pytest.mark.parametrize("name", TAXONOMIES)
def test_taxonomies_are_those_of_the_campaigns(shared_folder: Path, name: str) -> None:
    taxonomy = read_taxonomy(name)
    exact = {
        (int(row["classid"]), int(row["gentype"]) if row["gentype"] else None, row["description"])
        for row in rows(shared_folder, f"{name}_gentypeofclassid")
    }
    described = {item["classid"]: item for item in taxonomy.classes()}
    assert {(*row, described[row[0]]["description"]) for row in taxonomy.exact()} == exact
    partial = rows(shared_folder, f"{name}_classidofgentype")
    if name == "elasticc":
        # The original has the category Periodic under the number of Recurring/Other.
        for row in partial:
            row["classid"] = "21" if row["description"] == "Periodic" else row["classid"]
    assert sorted(taxonomy.partial()) == sorted((int(row["classid"]), int(row["gentype"])) for row in partial)
    for row in partial:
        mine = described[int(row["classid"])]
        assert {flag: "t" if mine[flag] else "f" for flag in FLAGS if flag in row} == {
            flag: row[flag] for flag in FLAGS if flag in row
        }
    assert {"elasticc2": (42, 54, 124), "elasticc": (35, 47, 93)}[name] == (
        len(described),
        len(taxonomy.exact()),
        len(taxonomy.partial()),
    )


def test_unknown_classes_and_models_match_nothing() -> None:
    taxonomy = read_taxonomy("elasticc2")
    assert not taxonomy.matches([999, 2222, 2221, 200], [10, 98, 10, 10]).any()
    assert taxonomy.matches(2222, [10, 20, 999]).tolist() == [True, False, False]
    assert taxonomy.matches(np.array([[2220], [2240]]), np.array([10, 42])).tolist() == [[True, False], [False, True]]
    assert taxonomy.true_class([]).tolist() == []


def test_a_match_at_a_level_is_one_at_every_level_below() -> None:
    taxonomy = read_taxonomy("elasticc2")
    pairs = np.array(taxonomy.partial())
    stricter = [taxonomy.matches(pairs[:, 0], pairs[:, 1], level) for level in LEVELS]
    assert all((more <= less).all() for less, more in itertools.pairwise(stricter))
    assert stricter[0].all()
    # Exactly one class is exactly right for each model.
    assert np.count_nonzero(stricter[-1]) == len(taxonomy.gentype)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([(1, None, ""), (1, None, "")], "listed twice"),
        ([(1, 2, "")], "class 2 is the parent"),
        ([(1, None, "5"), (2, 1, "5")], "two classes"),
        ([(1, 2, ""), (2, 1, "")], "below itself"),
        ([], "there is no class"),
        ([(32768, None, "")], "classid: 32768 is not between 0 and 32767"),
        ([(-1, None, "")], "classid: -1 is not between"),
        ([("1.5", None, "")], "classid: '1.5' is not a whole number"),
        ([(1, "top", "")], "parent of class 1: 'top' is not a whole number"),
        ([(1, " ", "5,6")], "model of class 1: '5,6' is not a whole number"),
        ([(1, "", str(2**31))], "model of class 1: 2147483648 is not between"),
    ],
)
def test_contradictions_are_refused(given: list[tuple[Any, Any, str]], said: str) -> None:
    with pytest.raises(TaxonomyError, match=said):
        Taxonomy.of(
            "mine",
            [
                {"classid": number, "parent": above, "description": "x", "gentypes": models}
                for number, above, models in given
            ],
        )


@pytest.mark.parametrize("description", [None, "", " "])
def test_a_class_has_a_description(description: str | None) -> None:
    with pytest.raises(TaxonomyError, match="class 1 has no description"):
        Taxonomy.of("mine", [{"classid": "1", "parent": "", "description": description, "gentypes": None}])


def test_a_class_that_is_added_changes_no_other() -> None:
    """Below a class that had models until then, and at the top with models of its own."""
    before = read_taxonomy("elasticc2")
    models: dict[int, list[int | None]] = {}
    for number, model in before.exact():
        models.setdefault(number, []).extend([model] if model is not None else [])
    given: dict[int, dict[str, Any]] = {
        item["classid"]: {**item, "gentypes": models[item["classid"]]} for item in before.classes()
    }
    given[2222]["gentypes"] = []
    added: list[dict[str, Any]] = [
        {"classid": 22221, "parent": 2222, "description": "Ia-norm", "gentypes": [10]},
        {"classid": 22222, "parent": 22221, "description": "Ia-norm/Other", "gentypes": []},
        {"classid": 3000, "parent": None, "description": "Technosignature", "gentypes": [98]},
    ]
    after = Taxonomy.of("mine", [*given.values(), *added])
    flags = {item["classid"]: {name: item[name] for name in FLAGS} for item in after.classes()}
    for item in before.classes():
        expected = {name: item[name] for name in FLAGS}
        if item["classid"] == 2222:
            expected["exactmatch"] = False
        assert flags[item["classid"]] == expected, item
    assert flags[22221] == flags[3000] == dict.fromkeys(FLAGS, True)
    assert after.matches([22221, 2222, 2220], 10, "exact").tolist() == [True, False, False]
    assert after.matches([22221, 2222, 2220], 10, "category").tolist() == [True, True, True]
    # The own class of one model above that of another is exactly right for its own alone.
    given[2222]["gentypes"] = [12]
    given[2225]["gentypes"] = []
    both = Taxonomy.of("mine", [*given.values(), *added])
    assert both.matches(2222, [12, 10], "exact").tolist() == [True, False]
    assert both.matches(2222, [12, 10], "category").tolist() == [True, True]


def test_unknown_names_are_refused() -> None:
    with pytest.raises(TaxonomyError, match="there are elasticc2, elasticc"):
        read_taxonomy("sitelle")
    with pytest.raises(TaxonomyError, match="there is no level 'fine'"):
        read_taxonomy("elasticc2").matches(2222, 10, "fine")


def test_the_digest_is_of_the_content() -> None:
    mine = {"classid": 1, "parent": "", "description": "x", "gentypes": "5 6"}
    digest = Taxonomy.of("a", [mine]).digest
    assert Taxonomy.of("b", [{**mine, "gentypes": [6, 5]}]).digest == digest
    assert Taxonomy.of("a", [{**mine, "gentypes": "5"}]).digest != digest
