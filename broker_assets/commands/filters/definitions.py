"""What the commands of filters read: definitions, ranges of nights, and archived nights."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress

from broker_assets.commands.terminal import terminal
from broker_assets.settings import load_settings

if TYPE_CHECKING:
    from broker_assets.filters.query import CheckedQuery, Form
    from broker_assets.filters.registry import FilterVersion
    from broker_assets.stream.filter_trials import NightTrial, Trials

File = Annotated[
    Path,
    typer.Argument(
        help="One SELECT, or the sections selected:, tables: and conditions:; - is standard input.",
        show_default=False,
    ),
]
Number = Annotated[int, typer.Argument(metavar="FILTER", help="Its number.", show_default=False)]
Nights = Annotated[str, typer.Option(help="Nights YYYY-MM-DD: one, or A:B (both included).", show_default=False)]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Approximate number of alerts read per night.", show_default=False)
]
LastNights = Annotated[int, typer.Option("--nights", min=1, help="Number of recent nights.")]


def read_text(file: Path) -> str:
    """The text of a file, or of standard input."""
    if str(file) == "-":
        return typer.get_text_stream("stdin").read()
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{file} is not text in UTF-8: {error}", param_hint="FILE") from None


def read_form(file: Path) -> Form | str:
    """The definition in a file, checked: errors are reported with their position in the file."""
    from broker_assets.filters.files import read_definition

    definition = read_definition(read_text(file))
    definition.check()
    return definition.form


def parse_range(text: str) -> tuple[str, str]:
    """First and last night of `A:B` or `A`.

    Examples
    --------
    >>> parse_range("2025-10-01:2025-10-03")
    ('2025-10-01', '2025-10-03')
    """
    first, _, last = text.partition(":")
    try:
        begin, end = (datetime.date.fromisoformat(part.strip()) for part in (first, last or first))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither YYYY-MM-DD nor A:B", param_hint="--nights") from None
    if end < begin:
        raise typer.BadParameter(f"{text} ends before it begins", param_hint="--nights")
    return begin.isoformat(), end.isoformat()


@contextlib.contextmanager
def open_reader() -> Iterator[Any]:
    """A connection of the read-only role, if the settings name one."""
    from broker_assets.commands.lists.change import open_database
    from broker_assets.database.engine import connect

    reader = load_settings().database.reader_url
    if reader is None:
        with open_database() as connection:
            yield connection
        return
    with connect(reader.get_secret_value(), application="broker-assets filter", autocommit=True) as connection:
        yield connection


def open_trials(*, limit: int | None, lists_now: bool = False) -> Trials:
    """An object that tries filters on the database and archive of the platform."""
    from broker_assets.commands.status import connected_or_given
    from broker_assets.enrichment_plan import enrichment_plan
    from broker_assets.stream.filter_trials import Trials

    settings = connected_or_given(load_settings())
    surveys = {stream.name: stream.survey for stream in settings.streams}
    url = settings.database.url
    if url is None:
        raise LookupError("no database is configured: set BROKER_DATABASE__URL")
    return Trials(url.get_secret_value(), surveys, enrichment_plan(settings), limit, lists_now)


def checked(form: Form | str) -> CheckedQuery:
    """A checked filter."""
    from broker_assets.filters.query import check

    return check(form)


def present(trials: Trials, nights: str) -> list[str]:
    """The nights of a range that the archive has."""
    begin, end = parse_range(nights)
    present = trials.nights(begin, end)
    if not present:
        raise LookupError(f"the archive has no packets of {begin}" + (f" to {end}" if end != begin else ""))
    return present


def refuse_unreadable(missing: list[str], account: str) -> None:
    """Refuse a filter that reads what an account may not."""
    if missing:
        raise PermissionError(f"{', '.join(missing)}: there is none that {account} may read")


def over(trials: Trials, night: str, versions: list[FilterVersion]) -> NightTrial:
    """Try versions on a night, and show the progress."""
    import dataclasses

    with Progress(console=terminal(stderr=True), transient=True) as bar:
        task = bar.add_task(f"alerts of {night}", total=trials.limit)
        shown = dataclasses.replace(trials, progress=lambda alerts: bar.update(task, completed=alerts))
        return shown.over(night, versions)
