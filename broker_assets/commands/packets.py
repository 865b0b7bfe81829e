"""`broker-assets packets`: look into alert packets in files, without any service."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from broker_assets.commands.output import write_output
from broker_assets.commands.terminal import echo
from broker_assets.storage.atomic import Part

if TYPE_CHECKING:
    import pyarrow.parquet as parquet

    from broker_assets.packets.files import FileTables, Schemas

app = typer.Typer(
    no_args_is_help=True, help="Inspect alert packets in files, which needs no service, and move the archive."
)

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILES...",
        help="Packets of Rubin, ZTF or ELAsTiCC: Avro containers (including archive files), messages in Confluent "
        "wire format, bare datums, gzip of all; '-' is standard input, folders are searched for *.avro and *.avro.gz.",
    ),
]
Schema = Annotated[
    str | None,
    typer.Option(
        "--schema",
        metavar="FILE|FOLDER",
        help="Avro schema (*.avsc) of packets that contain none. Without it, ids of Rubin's registry are looked up in "
        "the package lsst-alert-packet, if it is installed.",
    ),
]


@app.command()
def show(files: Files, schema: Schema = None) -> None:
    """Print one JSON document per packet: its identity, the amount of history and the cutouts it contains.

    For a packet that cannot be read the document has "error"; the exit code is then 1.
    """
    from broker_assets.packets.files import decode_files, describe

    schemas = schemas_of(schema)
    read, failed = 0, 0
    for chunk in decode_files(readable_files(files), schemas):
        for document in describe(chunk):
            echo(json.dumps(document, allow_nan=False, ensure_ascii=False))
        failed += len(chunk.errors)
        read += len(chunk.packets) - len(chunk.errors)
    _end(read, failed)


@app.command()
def export(
    files: Files,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the Parquet files.", file_okay=False)],
    schema: Schema = None,
) -> None:
    """Write the internal tables of packets as Parquet, one file per table.

    `packet` numbers the packets and is the key between the tables; packet.parquet names the file each came from. The
    files are written when all packets have been read and replace those of an earlier export.
    """
    from broker_assets.packets.files import decode_files

    schemas = schemas_of(schema)
    read, failed = 0, 0
    try:
        with ParquetTables(out) as writer:
            for chunk in decode_files(readable_files(files), schemas):
                writer.add(chunk, read + failed)
                for row, error in sorted(chunk.errors.items()):
                    packet = chunk.packets[row]
                    _report(f"{packet.file}, record {packet.record}: {error}")
                failed += len(chunk.errors)
                read += len(chunk.packets) - len(chunk.errors)
    except OSError as error:
        _report(f"cannot write to {out}: {error.strerror or error}")
        raise typer.Exit(1) from None
    _end(read, failed)


@app.command()
def cutout(
    file: Annotated[str, typer.Argument(help="File with the packet, '-' is standard input.")],
    out: Annotated[Path, typer.Option("--out", metavar="X.fits|X.png", help="Ends in .fits or .png.", dir_okay=False)],
    kind: Annotated[str, typer.Option(help="science, template or difference.")] = "science",
    record: Annotated[int, typer.Option(min=0, help="Which packet of the file, counted from 0.")] = 0,
    schema: Schema = None,
) -> None:
    """Write a cutout of a packet as FITS or as a PNG image (z-scale)."""
    from broker_assets.packets.cutouts import CutoutError, from_datum, to_png
    from broker_assets.packets.files import read_packets

    packets = [packet for packet in read_packets(file, schemas_of(schema)) if packet.record == record]
    if not packets:
        _report(f"{file} has no record {record}")
        raise typer.Exit(1)
    packet = packets[0]
    if packet.schema is None:
        _report(f"{file}: {packet.error}")
        raise typer.Exit(1)
    if out.suffix not in (".fits", ".png"):
        raise typer.BadParameter("must end in .fits or .png", param_hint="--out")
    try:
        content = from_datum(packet.datum, packet.schema.schema, kind)
        write_output(out, to_png(content) if out.suffix == ".png" else content)
    except (CutoutError, OSError) as error:
        _report(f"{file}: {error}")
        raise typer.Exit(1) from None


class ParquetTables:
    """Writes internal tables to Parquet files, which appear together at the end, or not at all.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        from broker_assets.packets.tables import TABLE_NAMES

        self._folder = folder
        self._parts = ExitStack()
        self._names = TABLE_NAMES
        self._writers: dict[str, tuple[Part, parquet.ParquetWriter]] = {}

    def __enter__(self) -> ParquetTables:
        import pyarrow as pa
        import pyarrow.parquet as parquet

        from broker_assets.packets.tables import complete, empty

        for name in self._names:
            schema = complete(name, empty(name)).schema
            if name == "packet":
                schema = schema.append(pa.field("file", pa.string())).append(pa.field("record", pa.int64()))
            part = self._parts.enter_context(Part(self._folder, f"{name}.parquet"))
            self._writers[name] = part, parquet.ParquetWriter(part.path, schema, compression="zstd")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._parts:
            for _part, writer in self._writers.values():
                writer.close()
            if kind is None:
                for name, (part, _writer) in self._writers.items():
                    part.move_to(self._folder / f"{name}.parquet")

    def add(self, chunk: FileTables, first: int) -> None:
        """Add packets; the first one of the chunk gets number `first`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from broker_assets.packets.tables import complete

        for tables in chunk.tables:
            for name, (_, writer) in self._writers.items():
                table = complete(name, getattr(tables, name))
                rows = table["packet"].to_pylist() if name == "packet" else []
                numbers = pc.add(table["packet"], pa.scalar(first, pa.int32()))
                table = table.set_column(0, table.schema.field(0), numbers)
                if name == "packet":
                    table = table.append_column(
                        "file", pa.array([chunk.packets[row].file for row in rows], pa.string())
                    )
                    records = [chunk.packets[row].record for row in rows]
                    table = table.append_column("record", pa.array(records, pa.int64()))
                writer.write_table(table)


@app.command()
def move(
    target: Annotated[str, typer.Argument(help="fsspec URL of the new folder, e.g. s3://bucket/archive")],
    night: Annotated[str | None, typer.Option(help="Only files of this night, YYYY-MM-DD.")] = None,
    topic: Annotated[str | None, typer.Option(help="Only files of this topic.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove each old file once the new one is in use.")] = False,
) -> None:
    """Move the packet archive to another store, while the platform runs; then set BROKER_ARCHIVE_URL to it."""
    import datetime

    from broker_assets.commands.status import connected_or_given
    from broker_assets.resources.database import Database
    from broker_assets.settings import load_settings
    from broker_assets.stream.archive_moving import move_archive

    try:
        day = None if night is None else datetime.date.fromisoformat(night)
    except ValueError:
        raise typer.BadParameter(f"{night!r} is not a night such as 2027-01-31", param_hint="--night") from None
    url = Database.of(connected_or_given(load_settings())).url
    moved = move_archive(url, target, night=day, topic=topic, remove=remove)
    if not moved.files + moved.there and (day is not None or topic is not None):
        raise typer.BadParameter("the archive has no files of this night and topic", param_hint="--night, --topic")
    echo(f"{moved.files} files moved ({moved.bytes / 1e6:,.1f} MB), {moved.there} were there already")


def schemas_of(path: str | None) -> Schemas:
    """The schemas in an option."""
    from broker_assets.packets.files import Schemas as Source
    from broker_assets.packets.registry import SchemaNotFound

    try:
        return Source(path)
    except SchemaNotFound as error:
        raise typer.BadParameter(str(error), param_hint="--schema") from None


def readable_files(files: list[str]) -> list[str]:
    """Files of packets, including those in folders; without any the command ends."""
    from broker_assets.packets.files import find_files

    found = list(find_files(files))
    if not found:
        _report(f"no *.avro in {', '.join(files)}")
        raise typer.Exit(1)
    return found


def _end(read: int, failed: int) -> None:
    packets = "packet" if read + failed == 1 else "packets"
    _report(f"{read + failed} {packets}: {read} read, {failed} failed")
    if failed:
        raise typer.Exit(1)


def _report(message: Any) -> None:
    echo(message, err=True)
