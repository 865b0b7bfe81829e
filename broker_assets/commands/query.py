"""`broker-assets query`: ask a broker over its interface, from any machine."""

from __future__ import annotations

import codecs
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from broker_assets.commands.terminal import echo

if TYPE_CHECKING:
    from requests import Response

    from broker_assets.client import Client

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Ask a broker over its REST interface.",
)

Url = Annotated[
    str | None, typer.Option(envvar="BROKER_URL", help="Address of the server; default: port 8000 of this machine.")
]
Token = Annotated[
    str | None, typer.Option(envvar="BROKER_TOKEN", help="Token of an account.", show_envvar=True, show_default=False)
]
Form = Annotated[str, typer.Option("--format", "-f", help="csv, json, votable, arrow or parquet.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="File; default: standard output.", show_default=False)]
AsOf = Annotated[float | None, typer.Option(help="Points as of this time, MJD TAI.", show_default=False)]


@app.command(context_settings={"ignore_unknown_options": True})  # a southern declination begins with a minus
def cone(
    ra: Annotated[float, typer.Argument(help="Right ascension, degrees, ICRS.")],
    dec: Annotated[float, typer.Argument(help="Declination, degrees, ICRS.")],
    radius: Annotated[float, typer.Option("--radius", "-r", help="Radius, arcsec.")] = 5.0,
    form: Form = "csv",
    out: Out = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Objects in a cone, the nearest first.

    Example: `broker-assets query cone 150.1 2.2 --radius 10`
    """
    _write(_client(url, token), "/cone", form, out, params={"ra": ra, "dec": dec, "radius": radius})


@app.command("object")
def one_object(
    name: Annotated[str, typer.Argument(help="diaObjectId, ZTF name or name at TNS.")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Everything known about an object, as JSON.

    Example: `broker-assets query object ZTF18abcdefg`
    """
    import json

    echo(json.dumps(_client(url, token).object(name), indent=1, ensure_ascii=False))


@app.command()
def lightcurve(
    names: Annotated[list[str], typer.Argument(help="Objects, by diaObjectId, ZTF name or name at TNS.")],
    as_of: AsOf = None,
    joint: Annotated[bool, typer.Option("--joint", help="Include linked objects of other surveys.")] = False,
    form: Form = "csv",
    out: Out = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Light curves of objects.

    Example: `broker-assets query lightcurve 313853499600420864 --format parquet --out curve.parquet`
    """
    question: dict[str, Any] = {"ids": names, "as_of": as_of, "joint": joint}
    _write(_client(url, token), "/lightcurves", form, out, method="POST", reads=True, json=question)


@app.command()
def sql(
    file: Annotated[Path, typer.Argument(help="A filter: one SELECT, or sections; - is standard input.")],
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of rows.")] = 1000,
    form: Annotated[str, typer.Option("--format", "-f", help="csv or json.")] = "csv",
    url: Url = None,
    token: Token = None,
) -> None:
    """Rows of a filter over all objects as they are now; needs a token.

    Example: `echo "SELECT objects.diaObjectId FROM objects WHERE objects.nDiaSources > 20" | broker-assets query sql -`
    """
    import csv
    import json

    from broker_assets.commands.terminal import standard_output

    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    if form not in ("csv", "json"):
        raise typer.BadParameter("csv or json", param_hint="--format")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = _client(url, token).query(text, limit=limit)
    if len(found) >= limit:
        echo(f"There may be more than these {limit} rows: give a larger --limit.", err=True)
    if form == "json":
        echo(json.dumps(list(found), indent=1, ensure_ascii=False))
        return
    writer = csv.DictWriter(standard_output(), found.columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)


@app.command()
def get(
    path: Annotated[str, typer.Argument(help="Path below /api/v1, as /products?level=L1.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--format", "-f", help="csv, json, votable, arrow or parquet; default: as it is.", show_default=False
        ),
    ] = None,
    out: Out = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Send any request to the interface, in any of its formats.

    Example: `broker-assets query get "/watchlists/7/hits" --format csv`
    """
    _write(_client(url, token), path if path.startswith("/") else f"/{path}", form, out)


def _client(url: str | None, token: str | None) -> Client:
    from broker_assets.client import Client

    return Client(url, token)


def _write(client: Client, path: str, form: str | None, out: Path | None, **options: Any) -> None:
    """Write an answer while it is received."""
    from broker_assets.client.client import unknown_in
    from broker_assets.storage.atomic import replace_atomically

    answer = client.raw(path, form, **options)
    pieces = _pieces(answer)
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if out is not None and str(out) != "-":
        replace_atomically(out.resolve(), pieces)
    elif kind.startswith("text/") or kind.endswith(("json", "xml")):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for piece in pieces:
            echo(decoder.decode(piece), nl=False)
        echo("", nl=kind.endswith("json"))
    else:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    if unknown_in(answer):
        echo(f"unknown, and left out: {unknown_in(answer)}", err=True)


def _pieces(answer: Response) -> Iterator[bytes]:
    """An answer while it is received; one that breaks off is an error, not a shorter answer."""
    import requests

    from broker_assets.client import BrokerUnreachable

    try:
        yield from answer.iter_content(1 << 16)
    except requests.RequestException as error:
        raise BrokerUnreachable(f"the answer of {answer.url} broke off and is not complete: {error}") from error
