"""`broker-assets features`: features of the light curves in alerts, without any service."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from broker_assets.commands.packets import Files, Schema
from broker_assets.commands.terminal import echo
from broker_assets.settings import load_settings

if TYPE_CHECKING:
    import pyarrow as pa

    from broker_assets.lightcurves.object_features import ObjectFeatures

STANDARD_INPUT = "-"
_JSON = (b"{", b"[")
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
"""Marks of byte order, with which a text in Unicode may begin."""


def features(
    files: Files,
    schema: Schema = None,
    dust: Annotated[
        list[Path] | None,
        typer.Option(
            "--dust",
            metavar="FITS",
            help="Dust map: a HEALPix table or, given twice, the two images of the original SFD map. "
            "Default: that of the settings.",
        ),
    ] = None,
    dust_scale: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=100.0,
            help="Factor from the values of --dust to the SFD scale; 1.163 for Planck's column EBV.",
        ),
    ] = 1.0,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Statistics of the light curves by band, instead of Lasair's features.")
    ] = False,
) -> None:
    """Print one JSON document per object: the columns of Lasair's `objects`, schema 11_1.

    FILES are packets, or alerts as JSON: `{"diaObject": …, "diaSourcesList": […], "diaForcedSourcesList": […],
    "ebv": …, "annotations": {"sherlock": […]}}`, a list of them, or one after the other. Of several alerts of an
    object, the newest is used. Without `ebv`, the reddening is that of the dust map.

    Black bodies are fitted where the annotations say SN, NT or ORPHAN; for objects in packets, which have no
    annotations, as in the stream.

    With `--statistics`, a document has the statistics of the table `object_statistics` by band, and those of `all`
    bands together; JSON alerts may have `diaNondetectionLimitsList`, too.
    """
    if dust_scale != 1.0 and not dust:
        raise typer.BadParameter("it is of the map given by --dust", param_hint="--dust-scale")
    of_alerts, of_tables = _ways(dust, dust_scale, statistics)
    found: dict[Any, tuple[float, dict[str, Any]]] = {}
    failed = 0
    packets = []
    saved: set[str] = set()
    with ExitStack() as stack:
        for given in files:
            name = given
            if given == STANDARD_INPUT:
                name = stack.enter_context(_saved_input())
                saved.add(name)
            try:
                alerts = _alerts(name)
                if alerts is None:
                    packets.append(name)
                    continue
                _keep(found, of_alerts(alerts))
            except ValueError as error:
                echo(f"{given}: {error}", err=True)
                failed += 1
        if packets:
            failed += _of_packets(packets, schema, of_tables, found, saved)
    for _, document in found.values():
        echo(json.dumps(document, allow_nan=False, ensure_ascii=False))
    if failed:
        raise typer.Exit(1)


Documents = Iterator[tuple[Any, float, dict[str, Any]]]
"""Key of an object, time of its newest point, MJD TAI, and its document."""


def _ways(
    dust: list[Path] | None, dust_scale: float, statistics: bool
) -> tuple[Callable[[Sequence[Any]], Documents], Callable[[Any], Documents]]:
    """Functions that turn JSON alerts, and tables of packets, into documents."""
    if statistics:
        from broker_assets.lightcurves.statistics_documents import of_alerts, of_tables

        return of_alerts, of_tables
    enrichment = _enrichment(dust, dust_scale)
    return partial(_of_alerts, enrichment=enrichment), partial(_of_tables, enrichment=enrichment)


def _enrichment(dust: list[Path] | None, dust_scale: float) -> ObjectFeatures:
    from broker_assets.lightcurves.object_features import ObjectFeatures

    settings = load_settings().features
    if dust:
        return ObjectFeatures(dust, dust_scale, fit_days=settings.fit_unclassified_days)
    return ObjectFeatures.of(settings)


@contextmanager
def _saved_input() -> Iterator[str]:
    """Standard input as a file: its first bytes determine its format, and the reader of packets needs them too."""
    with tempfile.NamedTemporaryFile() as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield file.name


def _alerts(name: str) -> list[Any] | None:
    """The alerts of a JSON file; None if it is not one."""
    path = Path(name)
    if not path.is_file():
        return None
    if path.suffix in (".json", ".jsonl"):
        return _parsed(path.read_bytes())
    with path.open("rb") as file:
        beginning = file.read(4)
    if not beginning.startswith((*_JSON, *_MARKS)):
        return None
    try:
        return _parsed(path.read_bytes())
    except ValueError:  # a bare datum may begin with any byte
        return None


def _parsed(content: bytes) -> list[Any]:
    text = content.decode(json.detect_encoding(content))
    decoder = json.JSONDecoder()
    found: list[Any] = []
    at = _next(text, 0)
    while at < len(text) or not found:
        try:
            document, end = decoder.raw_decode(text, at)
        except RecursionError:
            raise ValueError("too many nested values") from None
        found.append(document)
        at = _next(text, end)
    return found[0] if len(found) == 1 and isinstance(found[0], list) else found


def _next(text: str, at: int) -> int:
    """Index at which the next document of a text begins."""
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _of_alerts(alerts: Sequence[Any], enrichment: ObjectFeatures) -> Documents:
    import numpy as np

    from broker_assets.lightcurves.alert_json import documents, light_curves, survey_columns
    from broker_assets.lightcurves.features import features as computed

    curves = light_curves(alerts)
    known = np.isfinite(curves.ebv)
    if not known.all():
        curves = curves.with_(ebv=np.where(known, curves.ebv, enrichment.dust.ebv(curves.ra, curves.dec)))
    said = [survey_columns(alert) for alert in alerts]
    for number, document in enumerate(documents(said, _with_trixels(computed(curves), curves.ra, curves.dec))):
        identifier = document["diaObjectId"]
        key = (object(), number) if identifier is None else identifier
        yield key, document["lastDiaSourceMjdTai"] or 0.0, document


def _of_packets(
    names: list[str],
    schema: str | None,
    of_tables: Callable[[Any], Documents],
    found: dict[Any, tuple[float, dict[str, Any]]],
    saved: set[str],
) -> int:
    """Add the documents of packets; return the number of packets that cannot be read.

    `saved` are files of standard input.
    """
    from broker_assets.commands.packets import readable_files, schemas_of
    from broker_assets.packets.files import decode_files

    failed = 0
    for chunk in decode_files(readable_files(names), schemas_of(schema)):
        for row, error in sorted(chunk.errors.items()):
            file = str(chunk.packets[row].file)
            name = STANDARD_INPUT if file in saved else file
            echo(f"{name}, record {chunk.packets[row].record}: {error}", err=True)
        failed += len(chunk.errors)
        for tables in chunk.tables:
            _keep(found, of_tables(tables))
    return failed


def _of_tables(tables: Any, enrichment: ObjectFeatures) -> Documents:
    from broker_assets.accounting.facts import AlertBatch
    from broker_assets.lightcurves.alert_json import documents
    from broker_assets.lightcurves.object_features import ASSET
    from broker_assets.stream.enrichment import alerts_of

    alerts = alerts_of(tables)
    said = {row["packet"]: row for row in tables.object.to_pylist()}
    batch = AlertBatch(alerts, {"light_curve": tables.light_curve, "object": tables.object}, _no_connection())
    rows = enrichment.compute(batch, {}).tables[ASSET]
    computed = _with_trixels(rows, alerts["ra"].to_numpy(), alerts["decl"].to_numpy())
    copied = [said[packet] for packet in rows["packet"].to_pylist()]
    times = alerts["midpointmjdtai"].to_pylist()
    for time, document in zip(times, documents(copied, computed), strict=True):
        yield document["diaObjectId"], time, document


def _no_connection() -> Any:
    """Features read nothing that is stored."""
    return None


def _keep(
    found: dict[Any, tuple[float, dict[str, Any]]], documents: Iterable[tuple[Any, float, dict[str, Any]]]
) -> None:
    for key, time, document in documents:
        if key not in found or time >= found[key][0]:
            found[key] = time, document


def _with_trixels(rows: pa.Table, ra: Any, dec: Any) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    from broker_assets.sky.htm import htm

    right, up = np.asarray(ra, np.float64), np.asarray(dec, np.float64)
    known = np.isfinite(right) & (np.abs(up) <= 90.0)
    trixels = np.zeros(len(right), np.int64)
    trixels[known] = htm(right[known], up[known])
    return rows.append_column("htm16", pa.array(trixels, mask=~known))
