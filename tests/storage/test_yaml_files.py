"""Nothing of a YAML file is ignored, and whatever is wrong with it is a YAML error."""

from __future__ import annotations

import pytest
import yaml

from broker_assets.storage.yaml_files import read_yaml


def test_files_are_read_as_before() -> None:
    text = "base: &base {a: 1, b: [x, null]}\nother:\n  <<: *base\n  a: 2\nlist:\n- a: 1\n- a: 2\n"
    assert read_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3", "'a' occurs twice"),
        ("a: {ra: x, ra: y}", "'ra' occurs twice"),
        ("- {x: 1, x: 1}", "'x' occurs twice"),
        ("a: 2026-13-45", "month"),
        ("[" * 5000, "nested"),
        ("a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
        ("a: [", "expected"),
    ],
)
def test_what_is_wrong_is_a_yaml_error(text: str, says: str) -> None:
    with pytest.raises(yaml.YAMLError, match=says):
        read_yaml(text)
