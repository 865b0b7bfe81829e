"""`broker-assets why`: where a row, a product file or an asset comes from."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.status import database
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import load_settings

_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")

if TYPE_CHECKING:
    import psycopg

    from broker_assets.provenance.product_files import FileWhy
    from broker_assets.provenance.versions import ArtefactEntry
    from broker_assets.provenance.why import Origin


def why(
    what: Annotated[
        str | None,
        typer.Argument(
            help="diaSourceId, name of a product file, asset with or without partition (ASSET:KEY), or a table."
        ),
    ] = None,
    where: Annotated[
        list[str] | None, typer.Argument(metavar="[COLUMN=VALUE]...", help="Which rows of the table.")
    ] = None,
    notification: Annotated[
        int | None, typer.Option("--notification", "-n", help="Number of a message to a sink of a filter.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
) -> None:
    """Show where a source, any other row, a product file or an asset comes from.

    A row of a table: the packet, message or file it came from, with Kafka topic, partition and offset, the batch that
    wrote it, its run and code version, and the lists that it was matched with. A product file: inputs and parents with
    checksums, telemetry files, code version, run; the current version first, then those before it. An asset, or one
    partition of it: data version, code version, run, and the versions of its inputs. A message to a sink: its whole
    path, from the packet through light curve, catalogues, lists and filter to the receipt.

    Examples: `broker-assets why 168110947020308481`, `broker-assets why objects diaobjectid=3137`,
    `broker-assets why diaforcedsources diaobjectid=3137 visit=2025102600071`, `broker-assets why crossmatch_tns
    tns_name=2025abc`, `broker-assets why solo_L1_stix-ql-lightcurve_20231101_V02.fits`,
    `broker-assets why sources:2025-10-01`, `broker-assets why cone_index`, `broker-assets why --notification 12`
    """
    import json

    if notification is not None:
        _show_notification(notification, as_json=as_json)
        return
    if what is None:
        raise typer.BadParameter("say what: a source, file, asset or table, or --notification", param_hint="WHAT")
    conditions = _conditions(where or [])
    with database(load_settings()) as connection:
        found = _found(connection, what, conditions)
    if as_json:
        echo(json.dumps([item.model_dump(mode="json") for item in found], indent=1))
    if not found:
        raise LookupError(_nothing(what, conditions))
    if as_json:
        return
    for item in found:
        table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name, text in _lines(item):
            table.add_row(name, escape(text))
        terminal().print(table)
        terminal().print()


def _show_notification(number: int, *, as_json: bool) -> None:
    from broker_assets.monitoring.notification_path import as_document, notification_path
    from broker_assets.packets.kafka_place import kafka_place

    with database(load_settings()) as connection:
        lines = notification_path(connection, number, kafka_place)
    if as_json:
        echo(as_document(lines))
        return
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, text in lines:
        table.add_row(name, escape(text))
    terminal().print(table)


def _conditions(where: Sequence[str]) -> dict[str, str]:
    pairs = [item.partition("=") for item in where]
    for name, equals, _ in pairs:
        if not (name and equals):
            raise typer.BadParameter(f"{name!r} is not COLUMN=VALUE", param_hint="COLUMN=VALUE")
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _found(
    connection: psycopg.Connection[Any], what: str, conditions: dict[str, str]
) -> Sequence[Origin | FileWhy | ArtefactEntry]:
    from broker_assets.accounting import facts
    from broker_assets.packets.kafka_place import kafka_place
    from broker_assets.provenance import product_files, versions
    from broker_assets.provenance.why import why as origins

    if what.removeprefix("-").isdigit():
        return origins(connection, "diasources", {"diasourceid": what, **conditions}, kafka_place)
    if conditions:
        return origins(connection, what.lower(), conditions, kafka_place)
    if files := product_files.why(connection, what):
        return files
    asset, _, partition = what.partition(":")
    version = versions.current(connection, asset, partition)
    if version is None:
        return []
    if _NIGHT.fullmatch(partition):
        computed = facts.nights(connection, [partition]).get((asset, partition))
        known = {use.asset for use in version.inputs}
        used = {name: text for name, text in computed.inputs.items() if name not in known} if computed else {}
        version = version.model_copy(update={"computed_from": used})
    return [version]


def _nothing(what: str, conditions: dict[str, str]) -> str:
    from broker_assets.provenance.origins import ROUTES, key_columns

    if conditions:
        return f"there is no such row of {what} in the database"
    if what.lower() in ROUTES:
        columns = " ".join(f"{name}=…" for name in key_columns(what.lower()))
        return f"say which rows of {what}, by any of its columns, as in: broker-assets why {what} {columns}"
    kind = "source" if what.removeprefix("-").isdigit() else "product file or asset"
    return f"there is no {kind} {what} in the database"


def _lines(item: Origin | FileWhy | ArtefactEntry) -> Iterator[tuple[str, str]]:
    """Name and text of each output line."""
    from broker_assets.provenance.why import Origin

    if isinstance(item, Origin):
        yield from _row_lines(item)
        return
    for name, value in item.model_dump(exclude={"used", "inputs", "computed_from"}).items():
        yield name.replace("_", " "), _text(value)
    for entry in getattr(item, "inputs", ()):
        yield "input", f"{entry.asset}{':' if entry.partition else ''}{entry.partition} {entry.data_version}"
    for name, version in getattr(item, "computed_from", {}).items():
        yield "computed from", f"{name} {version}"
    for use in getattr(item, "used", ()):
        known = " ".join(text for text in (use.version, f"({use.detail})" if use.detail else "") if text)
        yield {"raw": "telemetry file"}.get(use.kind, use.kind), f"{use.name} {known}".rstrip()


def _row_lines(item: Origin) -> Iterator[tuple[str, str]]:
    yield item.table, ", ".join(f"{name} {value}" for name, value in item.row.items())
    if packet := item.packet:
        yield "brought by", f"the packet of source {packet.diasourceid}, night {packet.night}"
        place = packet.problem or f"partition {packet.partition}, offset {packet.offset}"
        yield "message", f"topic {packet.topic}, {place}"
        yield "archive file", packet.archive_url
        yield "", f"byte {packet.position}, {packet.length} bytes; SHA-256 of the file {packet.sha256}"
        yield "schema", _text(packet.schema_id)
        yield "received", f"in batch {packet.ingestid}"
    if message := item.message:
        yield "message", f"topic {message.topic}, partition {message.partition}, offset {message.offset}"
    if file := item.file:
        yield "file", file.url or file.name
        for name, value in (("SHA-256", file.sha256), ("at", file.at), ("run", file.run_id)):
            if value is not None:
                yield name, _text(value)
    for entry in item.lists:
        owner = "deleted since" if entry.owner is None else f"{entry.name} of {entry.owner}"
        yield entry.kind.replace("_", " "), f"{entry.id}: {owner}, change {_text(entry.revision)}"
    if annotator := item.annotator:
        yield "annotator", f"{annotator.topic} of {annotator.owner}, version {annotator.version}"
        yield "", f"as of its change {annotator.revision}, source {annotator.source or 'its own topic'}"
    if computed := item.computed:
        yield "computed by", f"{computed.enrichment}: {computed.code_version}"
        for asset, version in computed.inputs.items():
            yield "input", f"{asset} {version}"
    if batch := item.batch:
        yield "written", f"{_text(batch.finished_at)} by batch {batch.ingestid} ({batch.kind})"
        yield "code version", batch.code_version
        yield "run", _text(batch.run_id)
    if item.missing:
        yield "not found", ", ".join(item.missing)


def _text(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return "-" if value is None else str(value)
