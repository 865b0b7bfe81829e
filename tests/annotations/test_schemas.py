"""Schemas of classdict: what is refused, and that nothing is fetched."""

from __future__ import annotations

import json

import pytest

from broker_assets.annotations.content import BadAnnotation
from broker_assets.annotations.schemas import BadSchema, check_classdict, checked_schema

SCHEMA = {
    "type": "object",
    "required": ["p"],
    "properties": {"p": {"type": "number", "minimum": 0, "maximum": 1}, "pattern": {"type": "string"}},
    "additionalProperties": False,
}


def test_a_classdict_is_checked_and_the_message_says_where() -> None:
    schema = checked_schema(json.dumps(SCHEMA))
    check_classdict(schema, '{"p": 0.5, "pattern": "a property may have this name"}')
    check_classdict(None, '{"anything": 1}')
    for classdict, message in (("{}", "'p' is a required"), ('{"p": 2}', r"\$\.p: 2 is greater"), ('{"q": 1}', "q")):
        with pytest.raises(BadAnnotation, match=message):
            check_classdict(schema, classdict)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"type": "thing"}', "not a JSON Schema: at type"),
        ('{"properties": {"a": {"pattern": "(a+)+$"}}}', "regular expression.*"),
        ('{"patternProperties": {"a": {}}}', "regular expression"),
        ('{"allOf": [{"$ref": "http://127.0.0.1:1/schema"}]}', "references are not followed"),
        ("[" * 100_000, "characters|JSON"),
    ],
)
def test_schemas_that_cannot_be_used_are_refused(text: str, message: str) -> None:
    with pytest.raises(BadSchema, match=message):
        checked_schema(text)
