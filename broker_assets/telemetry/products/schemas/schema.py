"""Schemas of product files: one JSON document per kind, level and version, against which every file can be checked.

The documents are in the folder of this module. They are derived from files that the pipeline makes (`specimens`) and
from `meanings`. A format never changes under its version: `changes.update` refuses to write until the version of the
kind is raised, and documents of former versions stay, so that every file that was delivered has its schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from broker_assets.telemetry.products.files.reading import Cards, ProductName, ProductTables
from broker_assets.telemetry.products.files.tables import Column
from broker_assets.telemetry.products.kinds import BASE_VERSION, KINDS
from broker_assets.telemetry.products.schemas import meanings

FORM: Final = 1
"""Version of the format of these documents."""
OTHERS: Final = "default"
"""Kind of all products whose columns are the parameters of their packets."""
PACKETS: Final = "packets"
REQUESTED: Final = "requested-packets"
"""Kind of level LB."""
FURTHER: Final = "every parameter of the packet: integer, number or text; TNIXSn names the parameter"
_STRUCTURE: Final = re.compile(
    r"SIMPLE|BITPIX|NAXIS\d*|EXTEND|CHECKSUM|DATASUM|LONGSTRN|CONTINUE|BLANK|"
    r"CRPIX\d|CDELT\d|CTYPE\d|CRVAL\d|CUNIT\d|"
)
_TYPES: Final = {
    ("B", False): "uint8", ("I", False): "int16", ("I", True): "uint16", ("J", False): "int32", ("J", True): "uint32",
    ("K", False): "int64", ("E", False): "float32", ("D", False): "float64", ("L", False): "boolean",
    ("A", False): "text",
}  # fmt: skip


class UnknownSchema(LookupError):
    """There is no schema for a kind, level and version."""


class Axis(BaseModel):
    """An axis of the arrays of a column."""

    model_config = ConfigDict(frozen=True)

    name: str
    size: int | None = None
    """Number of elements; null where it differs between files."""
    optional: bool = False
    """Whether some files do not have it."""


class ColumnSchema(BaseModel):
    """A column."""

    model_config = ConfigDict(frozen=True)

    name: str
    format: str
    """Letter of TFORMn (FITS standard, 7.3.1); the number before it follows from the axes or the longest text."""
    type: str
    """Type of the values with TZEROn applied: uint8 to int64, float32, float64, boolean, text."""
    axes: tuple[Axis, ...] = ()
    """Axes of an array, slowest first as numpy counts them; TDIMn has them the other way round."""
    unit: str = ""
    """TUNITn; an empty text is written as a blank."""
    parameter: str | None = None
    """TNIXSn: parameter of the packet that the values are."""
    meaning: str = ""
    nulls: str | None = None
    """The value that means "no value"; null: every row has one."""
    optional: bool = False
    """Whether files of some packets do not have the column."""
    may_be_raw: bool = False
    """Whether it holds integers without unit where the instrument database has no calibration for the parameter."""


class ExtensionSchema(BaseModel):
    """A binary table."""

    model_config = ConfigDict(frozen=True)

    name: str
    row: str
    """Meaning of a row."""
    columns: tuple[ColumnSchema, ...]
    """In the order of the file."""
    further_columns: str | None = None
    """Description of any other columns; null if there are none."""


class CardSchema(BaseModel):
    """A keyword of the primary header."""

    model_config = ConfigDict(frozen=True)

    keyword: str
    type: str
    """text, number or boolean."""
    comment: str = ""
    optional: bool = False
    """Whether only some files have it."""
    may_be_empty: bool = False
    """Whether the value may be an empty text instead."""


class ProductSchema(BaseModel):
    """The format of the files of a kind at a level, under a version."""

    model_config = ConfigDict(frozen=True)

    form: int = FORM
    kind: str
    level: str
    version: int
    """First version of the format: it holds until the next version that has a schema."""
    primary: tuple[CardSchema, ...]
    extensions: tuple[ExtensionSchema, ...]
    """In the order of the file."""

    @property
    def file_name(self) -> str:
        """Name of the document."""
        return f"{self.level}_{self.kind}_V{self.version:02d}.json"

    def text(self) -> str:
        """The document; fields that are left out have the defaults of these models."""
        said = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps({"form": self.form, **said}, indent=1, ensure_ascii=False) + "\n"

    def format_only(self) -> ProductSchema:
        """The schema without descriptions: what must not change under a version."""
        bare = [
            extension.model_copy(
                update={
                    "row": "",
                    "columns": tuple(
                        column.model_copy(update={"meaning": "", "nulls": "" if column.nulls else None})
                        for column in extension.columns
                    ),
                }
            )
            for extension in self.extensions
        ]
        cards = tuple(card.model_copy(update={"comment": ""}) for card in self.primary)
        return self.model_copy(update={"primary": cards, "extensions": tuple(bare)})


def schemas(folder: Path | None = None) -> list[ProductSchema]:
    """All documents, those of this package by default."""
    where = resources.files(__package__) if folder is None else folder
    found = sorted((path.name, path) for path in where.iterdir() if path.name.endswith(".json"))
    return [ProductSchema.model_validate_json(path.read_text(encoding="utf-8")) for _, path in found]


def kind_of_name(name: ProductName) -> str:
    """Kind of the schema for a file, by its name.

    Examples
    --------
    >>> kind_of_name(ProductName.parse("solo_LB_stix-21-6-30_0664156800_V02.fits"))
    'packets'
    """
    if name.level == "LB":
        return REQUESTED if name.request else PACKETS
    if name.level in ("L0", "L1") and name.stem not in {kind.file_stem for kind in KINDS.values()}:
        return OTHERS
    return name.stem


def schema_of(product: ProductTables, known: Iterable[ProductSchema]) -> ProductSchema:
    """The schema that applies to a file: that of its version, or the last one before it.

    Raises
    ------
    UnknownSchema
        If the name is not that of a product, or there is no schema.
    """
    name = product.parsed_name
    if name is None:
        raise UnknownSchema(f"{product.name}: the name is none of a product")
    kind = kind_of_name(name)
    # The version of low-latency files is the minute in which they were made.
    version = BASE_VERSION if name.level == "LL01" else name.version
    fitting = [item for item in known if (item.kind, item.level) == (kind, name.level) and item.version <= version]
    if not fitting:
        raise UnknownSchema(
            f"{product.name}: there is no schema of {kind} at level {name.level}, version {version:02d}"
        )
    return max(fitting, key=lambda item: item.version)


def described(product: ProductTables) -> ProductSchema:
    """The schema derived from a file.

    Raises
    ------
    UnknownSchema
        If the name of the file is not that of a product.
    """
    name = product.parsed_name
    if name is None:
        raise UnknownSchema(f"{product.name}: the name is none of a product")
    kind = kind_of_name(name)
    found = []
    for extension, table in product.tables.items():
        header = product.headers[extension]
        columns = tuple(
            column_of(kind, name.level, number, column_name, column, header)
            for number, (column_name, column) in enumerate(table.items(), 1)
        )
        further = None
        if kind == OTHERS and extension == "DATA":
            columns, further = tuple(column for column in columns if column.parameter is None), FURTHER
        row = meanings.ROWS.get(extension, "")
        found.append(ExtensionSchema(name=extension, row=row, columns=columns, further_columns=further))
    version = BASE_VERSION if name.level == "LL01" else name.version
    cards = tuple(_card(keyword, product.header) for keyword in keywords(product.header))
    return ProductSchema(kind=kind, level=name.level, version=version, primary=cards, extensions=tuple(found))


def _format(number: int, header: Cards) -> tuple[str, str]:
    """Letter and type of a column."""
    letter = str(header[f"TFORM{number}"]).lstrip("0123456789")[:1]
    unsigned = letter in "IJ" and float(header.get(f"TZERO{number}", 0)) != 0
    return letter, _TYPES.get((letter, unsigned), "other")


def column_of(kind: str, level: str, number: int, name: str, column: Column, header: Cards) -> ColumnSchema:
    """The schema derived from a column of a file; `number` is that of its TTYPE."""
    letter, kind_of_values = _format(number, header)
    meaning = meanings.MEANINGS.get(name, "")
    if name.endswith("_comp_err"):
        meaning = meanings.ERROR.format(name=name.removesuffix("_comp_err"))
    if not meaning and column.parameter:
        meaning = f"Value of the parameter {column.parameter}."
    return ColumnSchema(
        name=name,
        format=letter,
        type=kind_of_values,
        axes=_axes(kind, name, column.values.shape[1:]),
        unit=str(header.get(f"TUNIT{number}", "")).strip(),
        parameter=column.parameter,
        meaning=meaning,
        nulls=meanings.NULLS.get(name),
        optional=name in meanings.OPTIONAL_COLUMNS,
        may_be_raw=level == "L1"
        and kind_of_values in ("float64", "text")
        and (name in meanings.CALIBRATED or (kind in meanings.CALIBRATED_KINDS and column.parameter is not None)),
    )


def _axes(kind: str, name: str, shape: Sequence[int]) -> tuple[Axis, ...]:
    base = name.removesuffix("_comp_err")
    named = meanings.AXES_OF_KIND.get((kind, base)) or (meanings.AXES.get(base) if shape else None) or ()
    if len(named) != len(shape):
        named = tuple(f"axis {number}" for number in range(1, len(shape) + 1))
    found = tuple(Axis(name=axis, size=meanings.SIZES.get(axis)) for axis in named)
    extra = meanings.OPTIONAL_AXES.get((kind, base))
    return found if extra is None else (Axis(name=extra, optional=True), *found)


def keywords(header: Cards) -> Iterator[str]:
    """Keywords about the product, not about the FITS format."""
    return (keyword for keyword in header if not _STRUCTURE.fullmatch(keyword))


def value_type(value: Any) -> str:
    """Type of the value of a card: text, number or boolean."""
    if isinstance(value, bool | np.bool_):
        return "boolean"
    return "number" if isinstance(value, int | float | np.number) else "text"


def _card(keyword: str, header: Cards) -> CardSchema:
    comment = next(text for name, _, text in header.cards if name == keyword)
    kind = value_type(header[keyword])
    # Positions are empty if the kernels do not give them.
    number_or_nothing = keyword in meanings.EMPTY or keyword.endswith(("_OBS", "_VOB", "_ARC", "_VR", "_TDEL", "_TIME"))
    if keyword in ("DATAMIN", "DATAMAX", "SSID"):
        kind = "number"
    return CardSchema(
        keyword=keyword,
        type=kind,
        comment="" if keyword in ("HISTORY", "COMMENT") else comment,
        optional=keyword in meanings.NOT_ALWAYS_THE_SAME,
        may_be_empty=number_or_nothing or kind == "text",
    )
