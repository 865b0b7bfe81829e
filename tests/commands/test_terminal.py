"""How wide the output of commands is, and that it commands no terminal."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from broker_assets import cli, commands
from broker_assets.commands.terminal import WIDE, PrintableFormatter, echo, printable, standard_output, terminal

HOSTILE = st.text(st.one_of(st.sampled_from("\x1b\x9b\x07\b\r\x7f\x00[]0;m\u202e\u2066\u2028\u200f"), st.characters()))
"""Texts with escape sequences, also those without an ESC, and with characters that change the direction."""


def controls(text: str) -> set[str]:
    """Characters of a text that a terminal may obey."""
    return {
        sign for sign in text if sign not in "\n\t" and unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    }


def logged(text: str) -> None:
    """Write a text as a record of the log."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(PrintableFormatter("%(levelname)s %(message)s"))
    handler.emit(logging.LogRecord("name", logging.INFO, "path", 1, "%s", (text,), None))


def in_a_table(text: str) -> None:
    """Write a text as heading, cell and title of a table."""
    table = Table(escape(text), title=escape(text))
    table.add_row(escape(text))
    terminal().print(table)


WAYS: dict[str, Callable[[str], Any]] = {
    "echo": echo,
    "print": lambda text: terminal().print(escape(text)),
    "print without markup": lambda text: terminal().print(text, markup=False, highlight=False),
    "text": lambda text: terminal().print(Text(text)),
    "table": in_a_table,
    "csv": lambda text: csv.writer(standard_output()).writerow([text]),
    "log": logged,
}
"""Every way in which a command prints."""


@pytest.mark.parametrize("way", WAYS)
@given(text=HOSTILE)
def test_no_text_reaches_the_terminal_as_a_command(way: str, text: str) -> None:
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        WAYS[way](text)
    assert controls(output.getvalue()) == set()


@given(text=HOSTILE)
def test_a_printable_text_stays_and_json_means_the_same(text: str) -> None:
    assert controls(printable(text)) == set()
    assert printable(printable(text)) == printable(text)
    kept = "".join(sign for sign in text if sign.isprintable())
    assert printable(kept) == kept
    document = {"reason": text, text: [text]}
    assert json.loads(printable(json.dumps(document, ensure_ascii=False))) == document


def test_errors_of_commands_are_printable(tmp_path: Path) -> None:
    name = "\x1b]0;owned\x07\x9b31m.avro"
    for arguments in (
        ["packets", "show", str(tmp_path / name)],
        ["match", str(tmp_path / name), "--area", str(tmp_path / name)],
        ["moc", "build", str(tmp_path / name)],
    ):
        result = CliRunner().invoke(cli.app, arguments)
        assert result.exit_code != 0
        assert controls(result.output) == set(), arguments


def test_no_command_prints_otherwise() -> None:
    """New output goes through this module too."""
    direct = re.compile(r"(?:\btyper\.s?echo|\bclick\.s?echo|(?<![\w.])print|\bConsole|sys\.std(?:out|err)\.write)\(")
    folder = Path(commands.__file__).parent
    modules = [path for path in [*folder.rglob("*.py"), Path(cli.__file__)] if path.name != "terminal.py"]
    assert len(modules) > 20
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in modules
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if direct.search(line)
    ]
    assert found == []


def test_what_goes_to_a_pipe_is_not_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless `COLUMNS` says how wide; it is asked each time."""
    monkeypatch.delenv("COLUMNS", raising=False)
    terminal().print("x" * (WIDE - 1))
    monkeypatch.setenv("COLUMNS", "40")
    terminal().print("y" * (WIDE - 1))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "x" * (WIDE - 1)
    assert {len(line) for line in lines[1:-1]} == {40}
