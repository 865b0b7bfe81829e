"""JSON Schemas of annotators, to which their classdict must conform.

Schemas come from users. Regular expressions are refused, since one can take for ever, and so are references to other
documents, since nothing is fetched; everything else is checked in time proportional to schema and document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from broker_assets.annotations.content import BadAnnotation

LARGEST: Final = 65_536
"""Longest schema, characters."""
_REFUSED: Final = {
    "pattern": "a regular expression can take for ever",
    "patternProperties": "a regular expression can take for ever",
    "$ref": "references are not followed: write the schema where it is used",
    "$dynamicRef": "references are not followed: write the schema where it is used",
}


class BadSchema(ValueError):
    """The schema of an annotator cannot be used."""


def checked_schema(text: str) -> dict[str, Any]:
    """The JSON Schema of a classdict, if it can be used.

    Parameters
    ----------
    text : str
        JSON text; draft 2020-12.

    Raises
    ------
    BadSchema
        The message says what is wrong and where.

    Examples
    --------
    >>> checked_schema('{"type": "object", "required": ["probability"]}')["required"]
    ['probability']
    """
    if len(text) > LARGEST:
        raise BadSchema(f"the schema has {len(text)} characters, more than {LARGEST}")
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadSchema(f"the schema is not JSON: {str(error)[:200]}") from None
    if not isinstance(schema, dict):
        raise BadSchema("the schema is not a JSON object")
    _refuse(schema, "")
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError) as error:
        where = "/".join(map(str, getattr(error, "path", ()))) or "the top"
        raise BadSchema(
            f"the schema is not a JSON Schema: at {where}: {getattr(error, 'message', error)}"[:500]
        ) from None
    return schema


def check_classdict(schema: Mapping[str, Any] | None, classdict: str) -> None:
    """Check a classdict against the schema of its annotator.

    Parameters
    ----------
    schema : mapping or None
        See `checked_schema`; None allows everything.
    classdict : str
        JSON text of an object.

    Raises
    ------
    BadAnnotation
        The message names the first value that does not conform to the schema.
    """
    if schema is None:
        return
    validator = _validator(json.dumps(schema, sort_keys=True))
    try:
        wrong = min(validator.iter_errors(json.loads(classdict)), key=lambda error: error.json_path, default=None)
    except (RecursionError, Unresolvable) as error:
        raise BadAnnotation(f"classdict cannot be checked against the schema: {str(error)[:200]}") from None
    if wrong is not None:
        raise BadAnnotation(f"classdict is not of the annotator's schema: {wrong.json_path}: {wrong.message}"[:500])


@lru_cache(maxsize=64)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema), registry=Registry())


def _refuse(node: Any, where: str) -> None:
    """Refuse keywords that are not supported, wherever they are; names of properties are not keywords."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            _refuse(item, f"{where}/{number}")
        return
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key in _REFUSED:
            raise BadSchema(f"the schema has {key} at {where or 'the top'}: {_REFUSED[key]}")
        if key in ("enum", "const", "default", "examples"):
            continue
        if key in ("properties", "$defs", "dependentSchemas") and isinstance(value, dict):
            for name, item in value.items():
                _refuse(item, f"{where}/{key}/{name}")
        else:
            _refuse(value, f"{where}/{key}")
