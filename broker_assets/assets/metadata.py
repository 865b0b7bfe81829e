"""Metadata shown with an asset: its table, and small plots.

Numbers that change belong to the materialisations; this module formats them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from dagster import MetadataValue, TableColumn, TableColumnConstraints, TableSchema

from broker_assets.plots import Bars, bars_png

PLOT_BYTES = 50_000
"""Maximum size of a plot, which is stored in the event log with every materialisation."""


def column_schema(table: sa.Table) -> TableSchema:
    """Columns of a table, with types, units and meaning as in the database.

    Examples
    --------
    >>> table = sa.Table("t", sa.MetaData(), sa.Column("ra", sa.Double(), comment="right ascension [deg]"))
    >>> column_schema(table).columns[0].type
    'DOUBLE'
    """
    return TableSchema(
        columns=[
            TableColumn(
                name=column.name,
                type=str(column.type),
                description=column.comment,
                constraints=TableColumnConstraints(nullable=bool(column.nullable)),
            )
            for column in table.columns
        ]
    )


def table_metadata(table: sa.Table) -> dict[str, Any]:
    """Definition metadata of an asset that consists of rows of a table."""
    return {
        "dagster/column_schema": column_schema(table),
        "dagster/relation_identifier": f"broker.public.{table.name}",
    }


def rate_plot(rates: Sequence[tuple[float, float]], latency: dict[str, float]) -> MetadataValue | None:
    """Plot the messages per second along a run, as an inline image.

    Parameters
    ----------
    rates : sequence of (float, float)
        Seconds since the start of the run at the end of a batch, messages per second; one pair per batch.
    latency : dict
        Quantiles of the time from Kafka to the committed row, seconds, by name; written into the title.

    Returns
    -------
    MetadataValue or None
        None if there is nothing to plot.
    """
    if not rates:
        return None
    seconds, per_second = np.array(rates, dtype=np.float64).T
    quantiles = ", ".join(f"{name} {value:.3g} s" for name, value in latency.items())
    panel = Bars(
        heights=per_second,
        # A bar from the end of one batch to that of the next: a single batch is a bar as well.
        edges=np.concatenate([[0.0], seconds]),
        title=f"Kafka to committed row: {quantiles}" if quantiles else "",
        label=f"seconds since the start of the run; highest bar {per_second.max():,.0f} messages/s",
    )
    return inline_png(bars_png([panel], columns=1, size=(460, 144)))


def inline_png(content: bytes) -> MetadataValue | None:
    """Embed a PNG in Markdown; None if it is larger than `PLOT_BYTES`."""
    encoded = base64.b64encode(content).decode()
    if len(encoded) > PLOT_BYTES:
        return None
    return MetadataValue.md(f"![plot](data:image/png;base64,{encoded})")


def shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata from plain values, in which bytes are PNGs; those that are too large are left out."""
    pictures = {name: inline_png(value) for name, value in values.items() if isinstance(value, bytes)}
    return {name: pictures.get(name, value) for name, value in values.items() if pictures.get(name, value) is not None}


REDUCED_SCALE = 0.6
REDUCED_COLOURS = 64


def reduced_png(content: bytes) -> MetadataValue | None:
    """Reduce a large PNG to a few colours, which suffice for plots, and embed it in Markdown."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as picture:
        size = tuple(round(side * REDUCED_SCALE) for side in picture.size)
        small = picture.convert("RGB").resize((size[0], size[1]), Image.Resampling.LANCZOS)
    # By colour and not by number of pixels: the thin lines of a legend must match the curves.
    reduced = small.quantize(REDUCED_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    reduced.save(buffer, format="png", optimize=True)
    return inline_png(buffer.getvalue())
