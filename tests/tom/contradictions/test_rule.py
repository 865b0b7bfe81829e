"""What statements mean, and which classes contradict each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.tom.contradictions.rule import Rule, RuleError
from broker_assets.tom.taxonomy.hierarchy import read_taxonomy

TAXONOMY = read_taxonomy("elasticc2")
RULE = Rule.read(TAXONOMY)
GIVEN: dict[str, Any] = {"taxonomy": "elasticc2", "probability": 0.5, "names": {}, "context": {}}
PARENT = {
    int(one): None if at < 0 else int(TAXONOMY.classid[at])
    for one, at in zip(TAXONOMY.classid, TAXONOMY.parent, strict=True)
}
CLASSES = st.sampled_from(sorted(PARENT))


def above(classid: int | None) -> set[int]:
    found = set()
    while classid is not None:
        found.add(classid)
        classid = PARENT[classid]
    return found


@given(CLASSES, CLASSES)
def test_classes_agree_if_one_contains_the_other(one: int, other: int) -> None:
    pairs = set(map(tuple, RULE.compatible.tolist()))
    assert ((one, other) in pairs) == (one in above(other) or other in above(one))


@pytest.mark.parametrize(
    ("text", "classid"),
    [
        ("SN Ia", 2222), (" sn  IA ", 2222), ("SN Ia-91bg-like", 2226), ("SN Iax[02cx-like]", 2225), ("SN IIn", 2224),
        ("SN IIx", 2220),
        ("SN II-P", 2224), ("SLSN-I", 2242), ("TDE-H-He", 2243), ("AGN", 2332), ("RR Lyrae", 2323), ("Ib/c", 2223),
        ("Periodic", 2320), ("Galaxy", None), ("", None), ("AGNES", None),
    ],
)  # fmt: skip
def test_words(text: str, classid: int | None) -> None:
    """A name counts as whole words only."""
    assert RULE.meaning(text) == classid


@given(st.text(max_size=40))
def test_no_text_is_an_error(text: str) -> None:
    found = RULE.meaning(text)
    assert found is None or found in PARENT


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"names": {"SN Ia": 1}}, "no class 1"), ({"context": {"SN": "x"}}, "no class x"),
        ({"names": []}, "not a list"),
        ({"probability": 2}, "not a number from 0 to 1"), ({"probability": "half"}, "not a number"),
        ({"silent": [1]}, "silent"), ({"silent": 0}, "not a list of classes"),
        ({"taxonomy": "other"}, "is used"), ({"more": 1}, "exactly the entries"),
    ],
)  # fmt: skip
def test_what_is_not_a_rule_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(RuleError, match=said):
        Rule.of(TAXONOMY, GIVEN | change)
    with pytest.raises(RuleError, match="exactly the entries"):
        Rule.of(TAXONOMY, [change])


def test_silent_classes_are_those_of_the_rule_and_below_them() -> None:
    assert set(PARENT) - RULE.speaking == {0, 100, 200, 300}
    assert Rule.of(TAXONOMY, GIVEN).speaking == set(PARENT)
    fewer = Rule.of(TAXONOMY, GIVEN | {"silent": [2220]})
    assert set(PARENT) - fewer.speaking == {2220, 2221, 2222, 2223, 2224, 2225, 2226}
    assert fewer.version != Rule.of(TAXONOMY, GIVEN).version


def test_a_rule_of_ones_own_has_another_version(tmp_path: Path) -> None:
    (tmp_path / "rule.yaml").write_text("taxonomy: elasticc2\nprobability: 0.9\nnames: {Bump: 2222}\ncontext: {}\n")
    mine = Rule.read(TAXONOMY, tmp_path / "rule.yaml")
    assert mine.meaning("bump in the night") == 2222
    assert mine.version != RULE.version == Rule.read(TAXONOMY).version
    (tmp_path / "rule.yaml").write_text("names: [")
    with pytest.raises(RuleError, match="not YAML"):
        Rule.read(TAXONOMY, tmp_path / "rule.yaml")
