"""Command lines in the style of the original pipeline: underscores in names of options, flags that have values here.

A command uses `original(...)` as its class; nothing here knows what the options mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from typer.core import TyperCommand

NORMALISED = {"token_normalize_func": lambda token: token.replace("_", "-")}
"""Settings of a command that also accepts `--fits_dir` for `--fits-dir`."""


class OptionalValue(NamedTuple):
    """An option that may be a flag or have a value."""

    pattern: str
    """Regular expression of its values."""
    without: tuple[str, ...]
    """Arguments that it represents as a flag."""
    with_value: tuple[str, ...]
    """Arguments that it represents before a value."""


def original(options: Mapping[str, OptionalValue]) -> type[TyperCommand]:
    """A class of commands with such options.

    Examples
    --------
    >>> command = original({"--sort-files": OptionalValue("name|made", ("--sort", "name"), ("--sort",))})
    >>> command.rewritten(["--sort_files", "-l", "L0"]), command.rewritten(["--sort-files=made"])
    (['--sort', 'name', '-l', 'L0'], ['--sort', 'made'])
    """

    class OriginalCommand(TyperCommand):
        @staticmethod
        def rewritten(args: list[str]) -> list[str]:
            """Arguments in which each such option is replaced with one that the command defines."""
            found: list[str] = []
            for number, argument in enumerate(args):
                name, separator, value = argument.partition("=")
                option = options.get(name.replace("_", "-"))
                if option is None:
                    found.append(argument)
                elif separator:
                    found += [*option.with_value, value]
                elif re.fullmatch(option.pattern, "".join(args[number + 1 : number + 2])):
                    found += option.with_value
                else:
                    found += option.without
            return found

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            return super().parse_args(ctx, self.rewritten(args))

    return OriginalCommand


def with_lists(*names: str) -> type[TyperCommand]:
    """A class of commands in which options with these names take all values that follow them.

    Examples
    --------
    >>> with_lists("-d", "--directories").rewritten(["-d", "one", "two", "--do"])
    ['-d', 'one', '-d', 'two', '--do']
    """

    class ListCommand(TyperCommand):
        @staticmethod
        def rewritten(args: list[str]) -> list[str]:
            """Arguments in which each such option is repeated before each of its values."""
            found: list[str] = []
            option: str | None = None
            for argument in args:
                if argument.startswith("-") and argument != "-":
                    option = argument if argument in names else None
                    if option is None:
                        found.append(argument)
                elif option is None:
                    found.append(argument)
                else:
                    found += [option, argument]
            return found

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            return super().parse_args(ctx, self.rewritten(args))

    return ListCommand
