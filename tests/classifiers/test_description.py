"""Descriptions of models: what they may say, and what the message says where they are wrong."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tiny_classifiers import description, stamp_description

from broker_assets.classifiers.description import ClassifierError, ColumnInput, StampInput, parse, tables_of_columns


def parsed(content: Any) -> Any:
    return parse(yaml.safe_dump(content))


def test_a_description_is_read() -> None:
    found = parsed(description())
    [item] = found.inputs
    assert isinstance(item, ColumnInput)
    first = item.columns[0]
    assert (first.table, first.name, first.fill) == ("features", "ngsources", -1.0)
    assert found.classes == ("bright", "faint", "red")
    images, numbers = parsed(stamp_description()).inputs
    assert isinstance(images, StampInput)
    assert isinstance(numbers, ColumnInput)
    assert (images.size, images.fill) == (6, 0.0)


def test_names_of_columns_may_be_documented_ones() -> None:
    [item] = parsed(description(inputs=[{"name": "x", "columns": ["object.g_psfFluxMean"]}])).inputs
    assert item.columns[0].name == "g_psffluxmean"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Tiny"}, "name: a name has at most 40 lower-case letters"),
        ({"version": 1.1}, "write the version in quotes"),
        ({"version": "../x"}, "version: a version has at most 40"),
        ({"licence": "MIT"}, "licence: Extra inputs are not permitted"),
        ({"inputs": []}, "inputs: "),
        ({"inputs": [{"name": "x"}]}, "'x' needs either columns or stamps"),
        ({"inputs": [{"name": "x", "columns": ["features.nothing"]}]}, "no column 'nothing' in 'features'"),
        ({"inputs": [{"name": "x", "columns": ["stars.jump1"]}]}, "'stars.jump1' is not a column"),
        ({"inputs": [{"name": "x", "columns": ["features.latestpaircolourbands"]}]}, "list its categories"),
        ({"inputs": [{"name": "x", "columns": [{"column": "features.jump1", "categories": ["a"]}]}]}, "has numbers"),
        ({"inputs": [{"name": "x", "columns": [{"column": "features.jump1", "fil": 0}]}]}, "columns.0.fil"),
        ({"inputs": [{"name": "s", "stamps": ["picture"], "size": 5}]}, "stamps.0"),
        ({"inputs": [{"name": "s", "stamps": ["science"], "size": 5000}]}, "size: "),
        ({"outputs": [{"name": "p", "classes": {}}]}, "outputs.0.classes"),
        ({"outputs": [{"name": n, "classes": {"a": "b"}} for n in "pq"]}, "two classes have the same name: 'a'"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ClassifierError) as error:
        parsed(description(**changes))
    assert message in str(error.value)
    assert "Tuple should have" not in str(error.value) or changes == {"inputs": []}


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "inputs: 5\nname: x", "inputs: [5]"])
def test_what_is_not_a_description(text: str) -> None:
    with pytest.raises(ClassifierError):
        parse(text)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["name", "version", "inputs", "outputs", "columns", "stamps", "size", "classes", "fill"]), inner
)))  # fmt: skip
def test_any_document_is_read_or_refused(content: Any) -> None:
    with contextlib.suppress(ClassifierError):
        parsed(content)


def test_columns_of_bookkeeping_are_not_offered() -> None:
    tables = tables_of_columns()
    assert {"features", "object", "source"} <= set(tables)
    for columns in tables.values():
        assert not {"ingestid", "timestamp", "night"} & set(columns)
