"""Inputs and outputs of a model, as described in a small YAML file next to it.

Inputs are columns of tables about an alert, or its stamps. Outputs are the classes with their meaning. Nothing here
reads a model.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

import sqlalchemy as sa
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from broker_assets.database.tables import (
    BOOKKEEPING,
    FEATURE_COLUMNS,
    associations,
    diasources,
    object_features,
    objects,
)
from broker_assets.storage.yaml_files import read_yaml

LARGEST_STAMP: Final = 256
"""Pixels along a side, at most."""
MOST_CLASSES: Final = 1000
MOST_COLUMNS: Final = 10_000

_OF_ASSOCIATIONS: Final = frozenset({"diaobjectid", "associationid", "annotator", "description"})
"""Columns of associations that say nothing about the sky beyond the other columns."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}")


class ClassifierError(ValueError):
    """A model or its description cannot be used; the message says why."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Part):
    """One number of an input."""

    column: str
    """Table and column: `features.jump1`, `object.g_psffluxmean`, `source.snr`, `context.classification`."""
    fill: float | None = None
    """Replaces a missing value; default: NaN."""
    categories: tuple[str, ...] = ()
    """For a column of texts, the known values: the model gets the place in this list, from 0."""

    @property
    def table(self) -> str:
        """The part before the point."""
        return self.column.partition(".")[0]

    @property
    def name(self) -> str:
        """The part after the point, as in SQL."""
        return self.column.partition(".")[2].lower()

    @model_validator(mode="after")
    def _exists(self) -> Self:
        tables = tables_of_columns()
        if self.table not in tables:
            known = ", ".join(f"{name}.…" for name in tables)
            raise ValueError(f"{self.column!r} is not a column that models can have: {known}")
        kind = tables[self.table].get(self.name)
        if kind is None:
            raise ValueError(f"there is no column {self.name!r} in {self.table!r}")
        numeric = isinstance(kind, sa.Integer | sa.Float | sa.Numeric | sa.Boolean)
        if not numeric and not self.categories:
            raise ValueError(f"{self.column!r} has texts: list its categories")
        if numeric and self.categories:
            raise ValueError(f"{self.column!r} has numbers, and no categories")
        return self


def _of_text(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class ColumnInput(_Part):
    """An input of the model with one row per alert and one column per number."""

    name: str
    """Input of the graph."""
    columns: tuple[Annotated[Column, BeforeValidator(_of_text)], ...] = Field(min_length=1, max_length=MOST_COLUMNS)
    """What the numbers are, in the order of the model."""


class StampInput(_Part):
    """An input of the model with images: alert, kind, row, column."""

    name: str
    """Input of the graph."""
    stamps: tuple[Literal["science", "template", "difference"], ...] = Field(min_length=1)
    """Kinds of stamps, in the order of the model."""
    size: int = Field(ge=1, le=LARGEST_STAMP)
    """Pixels along a side; larger stamps are cropped and smaller ones padded, about their centre."""
    normalisation: Literal["none", "maximum", "standard"] = "none"
    """Each stamp as it is, divided by its largest absolute value, or with mean 0 and standard deviation 1."""
    fill: float = 0.0
    """Value of pixels without one, after the normalisation."""


class Output(_Part):
    """An output of the model: one row per alert and one score per class, all from 0 to 1."""

    name: str
    """Output of the graph."""
    classes: dict[str, str] = Field(min_length=1, max_length=MOST_CLASSES)
    """Classes in the order of the model, and what each means."""
    sum_to_one: bool = False
    """Whether the scores of an alert add up to 1."""


Input = ColumnInput | StampInput


class Description(_Part):
    """Description of a model."""

    name: str
    """Name of the classifier, also in users' SQL."""
    version: str
    """Changed whenever model or description change."""
    description: str = ""
    """What it classifies, what it was trained on, and who is responsible for it."""
    inputs: tuple[Input, ...] = Field(min_length=1)
    outputs: tuple[Output, ...] = Field(min_length=1)

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("a name has at most 40 lower-case letters, digits and underscores, a letter first")
        return name

    @field_validator("version", mode="before")
    @classmethod
    def _check_version(cls, version: Any) -> str:
        if isinstance(version, float):
            raise ValueError(f"write the version in quotes: YAML reads {version} as a number")
        if not _VERSION.fullmatch(str(version)):
            raise ValueError("a version has at most 40 letters, digits and ._+-, a letter or digit first")
        return str(version)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        for what, names in (
            ("inputs", [item.name for item in self.inputs]),
            ("outputs", [item.name for item in self.outputs]),
            ("classes", [name for item in self.outputs for name in item.classes]),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"two {what} have the same name: {next(n for n in names if names.count(n) > 1)!r}")
        return self

    @property
    def stamps(self) -> tuple[StampInput, ...]:
        """Inputs that are images."""
        return tuple(item for item in self.inputs if isinstance(item, StampInput))

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of all outputs, in order."""
        return tuple(name for item in self.outputs for name in item.classes)


def parse(text: str, *, where: str = "classifier.yaml") -> Description:
    """Read a description.

    Parameters
    ----------
    text : str
        YAML.
    where : str
        Name of the file, for messages.

    Raises
    ------
    ClassifierError
        If it is not a description; the message names every field that is wrong.

    Examples
    --------
    >>> found = parse('''
    ... name: bright
    ... version: "1"
    ... inputs: [{name: x, columns: [features.latest_psfflux]}]
    ... outputs: [{name: p, classes: {bright: brighter than most}}]
    ... ''')
    >>> found.name, found.inputs[0].columns[0].name, found.classes
    ('bright', 'latest_psfflux', ('bright',))
    """
    try:
        content = read_yaml(text)
    except yaml.YAMLError as error:
        raise ClassifierError(f"{where} cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ClassifierError(f"{where} does not describe a model: it has no fields")
    inputs = content.get("inputs")
    for item in inputs if isinstance(inputs, list) else []:
        if isinstance(item, dict) and ("columns" in item) == ("stamps" in item):
            raise ClassifierError(f"{where}: the input {item.get('name')!r} needs either columns or stamps")
    try:
        return Description.model_validate(_directed(content))
    except ValidationError as error:
        raise ClassifierError(f"{where}: {_said(error)}") from error


def _directed(content: dict[str, Any]) -> dict[str, Any]:
    """Tag each input with its kind, so that messages are about that kind and not about both."""
    inputs = content.get("inputs")
    if not isinstance(inputs, list):
        return content
    made = []
    for item in inputs:
        kind = StampInput if isinstance(item, dict) and "stamps" in item else ColumnInput
        try:
            made.append(kind.model_validate(item))
        except ValidationError as error:
            name = item.get("name") if isinstance(item, dict) else item
            raise ClassifierError(f"input {name!r}: {_said(error)}") from error
    return {**content, "inputs": made}


def _said(error: ValidationError) -> str:
    lines = []
    found = error.errors()
    places = [item["loc"] for item in found]
    for item in found:
        # A list whose items are all wrong counts as too short as well.
        if any(place != item["loc"] and place[: len(item["loc"])] == item["loc"] for place in places):
            continue
        place = ".".join(str(part) for part in item["loc"])
        text = str(item["msg"]).removeprefix("Value error, ")
        lines.append(f"{place}: {text}" if place else text)
    more = f" (and {len(lines) - 5} more)" if len(lines) > 5 else ""
    return "; ".join(lines[:5]) + more


def tables_of_columns() -> dict[str, dict[str, sa.types.TypeEngine[Any]]]:
    """Columns that models can use, by name of their table in descriptions, with their SQL types.

    Returns
    -------
    dict
        `features`: features of the light curve in the alert; `object` and `source`: columns of the object and of the
        source in its packet; `context`: sky context of the object.
    """
    found = {
        "features": {name: object_features.c[name].type for name in FEATURE_COLUMNS},
        "object": {
            name: column.type
            for name, column in objects.c.items()
            if name not in BOOKKEEPING and name not in FEATURE_COLUMNS
        },
        "source": {name: column.type for name, column in diasources.c.items() if name not in BOOKKEEPING},
        "context": {
            name: column.type
            for name, column in associations.c.items()
            if name not in {*BOOKKEEPING, *_OF_ASSOCIATIONS}
        },
    }
    return found
