"""`broker-assets filter check`: what is wrong with a filter in a file, where, and what was probably meant."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import typer

from broker_assets.commands.filters.definitions import File, read_text
from broker_assets.commands.lists import options
from broker_assets.commands.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broker_assets.filters.errors import Problem
    from broker_assets.filters.query import CheckedQuery


def check(file: File, as_json: options.AsJson = False) -> None:
    """Check a filter: what is wrong, where, and what was probably meant.

    Each problem is shown with its line. The exit code is 1 if there is one.

    Examples:

    `broker-assets filter check bright.sql`

    `echo "SELECT diaObjectId FROM objects WHERE nDiaSources > 3" | broker-assets filter check -`
    """
    from broker_assets.filters.errors import FilterError
    from broker_assets.filters.files import read_definition

    text = read_text(file)
    try:
        query = read_definition(text).check()
    except FilterError as error:
        if as_json:
            echo(json.dumps({"problems": [dataclasses.asdict(item) for item in error.problems]}, indent=1))
        else:
            for problem in error.problems:
                for line in shown(problem, text, str(file)):
                    echo(line, err=True)
        raise typer.Exit(1) from None
    if as_json:
        columns = {table: sorted(names) for table, names in query.columns.items()}
        echo(json.dumps({"output": list(query.output), "columns": columns, "sql": query.duckdb()}, indent=1))
    else:
        for line in summary(query):
            echo(line)


def shown(problem: Problem, text: str, name: str) -> Iterator[str]:
    """Lines that show a problem: its place and what is wrong, the line with a mark, what to write instead."""
    yield f"{name}:{problem.line}:{problem.column}: {problem.message}"
    lines = text.splitlines()
    if 0 < problem.line <= len(lines) and lines[problem.line - 1].strip():
        before = max(0, problem.column - 60)
        yield "    " + lines[problem.line - 1].replace("\t", " ")[before : before + 110]
        yield "    " + " " * (problem.column - 1 - before) + "^"
    if problem.suggestion:
        yield f"    {problem.suggestion}"
    if problem.example:
        yield f"    Example: {problem.example}"


def summary(query: CheckedQuery) -> Iterator[str]:
    """Lines that say what an accepted filter returns and reads."""
    yield f"The filter is accepted. It returns {', '.join(query.output)}."
    yield f"It reads {', '.join(sorted(query.tables))}."
    for what, values in (("watchlist", query.watchlists), ("area", query.areas), ("annotator", query.annotators)):
        if values:
            yield f"It needs {what}{'s' if len(values) > 1 else ''} {', '.join(map(str, sorted(values, key=str)))}."
