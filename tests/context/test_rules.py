"""Rules are read, or refused with the place and the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from broker_assets.context.catalogue import Sources
from broker_assets.context.rules import CLASSES, RulesError, read_rules


def write(folder: Path, search: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(f"searches:\n  - {{{search}}}\n")
    return path


def test_the_default_rules_have_every_class() -> None:
    rules = read_rules()
    given = {name for one in rules.searches for name in (one.synonym, one.association, one.annotation) if name}
    assert given == set(CLASSES)
    assert rules.absent({"vsx", "gcvs"}) == [name for name in rules.catalogues if name not in {"vsx", "gcvs"}]


def test_another_rule_is_another_version(tmp_path: Path) -> None:
    first = read_rules(write(tmp_path, "catalogue: a, kind: star, radius: 3, synonym: VS")).version
    assert first == read_rules(write(tmp_path, "kind: star, catalogue: a, synonym: VS, radius: 3")).version
    assert first != read_rules(write(tmp_path, "catalogue: a, kind: star, radius: 4, synonym: VS")).version


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ("catalogue: a, kind: star, synonym: VS", "search 1: radius is absent"),
        ("catalogue: a, kind: star, radius: 3", "none of synonym, association, annotation"),
        ("catalogue: a, kind: star, radius: 3, synonym: NOVA", "'NOVA' is not a class"),
        ("catalogue: a, kind: star, radius: -3, synonym: VS", "radius is -3"),
        ("catalogue: a, kind: star, radius: near, synonym: VS", "radius is 'near'"),
        ("catalogue: a, kind: star, radius: 3, synonym: VS, colour: 1", "'colour' means nothing"),
        ("catalogue: a, kind: star, radius: 3, synonym: VS, where: {size: [1, 2]}", "no number 'size'"),
        ("catalogue: a, kind: star, radius: 3, synonym: VS, where: {magnitude: [2, 1]}", "lower and an upper end"),
        ("catalogue: a, kind: star, radius: 3, synonym: VS, known: [kind]", "no number 'kind'"),
    ],
)
def test_a_search_that_cannot_be_followed_is_refused(tmp_path: Path, search: str, says: str) -> None:
    with pytest.raises(RulesError, match=says):
        read_rules(write(tmp_path, search))


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("searches: [")
    with pytest.raises(RulesError, match="not a YAML file"):
        read_rules(path)
    path.write_text("- 1")
    with pytest.raises(RulesError, match="no list of `searches`"):
        read_rules(path)


def test_a_search_is_limited_to_some_sources(tmp_path: Path, sources: Callable[..., Sources]) -> None:
    given = sources(
        {"ra": 1.0, "dec": 1.0, "magnitude": 12.0, "kind": "UG", "redshift": 0.1},
        {"ra": 1.0, "dec": 1.0, "magnitude": 17.0, "kind": "UG", "redshift": 0.1},
        {"ra": 1.0, "dec": 1.0, "magnitude": 12.0, "kind": "M", "redshift": 0.1},
        {"ra": 1.0, "dec": 1.0, "magnitude": 12.0, "kind": "UG"},
    )
    rules = read_rules(
        write(
            tmp_path,
            "catalogue: a, kind: cv, radius: 3, synonym: CV, where: {magnitude: [10, 16]}, kinds: [UG, UGSU],"
            " known: [redshift]",
        )
    )
    assert rules.searches[0].selects(given).tolist() == [True, False, False, False]
