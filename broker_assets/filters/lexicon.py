"""Checks the text of a filter before it is parsed: its characters, its length, and its depth.

The parser is third-party code that recurses for every level of nesting. The text that reaches it is restricted: ASCII
outside quoted texts, no comments, no dollar quoting, no backslashes outside texts, at most `MAX_DEPTH` levels and
`MAX_TOKENS` words and signs. Everything here is one pass over the characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from broker_assets.filters.errors import Refused

MAX_CHARACTERS = 20_000
"""Longest filter, characters."""
MAX_LITERAL = 1_000
"""Longest text in quotes, characters."""
MAX_DIGITS = 30
"""Longest number, characters."""
MAX_NAME = 64
"""Longest name, characters."""
MAX_TOKENS = 4_000
"""Most words and signs."""
MAX_DEPTH = 25
"""Deepest nesting of parentheses and CASE, and most consecutive NOTs or signs."""

SIGNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "||": "Write CONCAT(a, b) to join texts, OR between conditions.",
        "&&": "Write AND between conditions.",
        "::": "Write CAST(x AS DOUBLE).",
        "!~": "Write NOT name REGEXP '^ZTF'.",
        "!": "Write NOT before a condition, and <> for unequal.",
        "^": "Write power(x, 2).",
        "~": "Write name REGEXP '^ZTF'.",
        "|": "Write OR between conditions.",
        "&": "Write AND between conditions.",
        "[": "Write a list in parentheses: x IN (1, 2).",
        "{": "Write a list in parentheses: x IN (1, 2).",
        ":": "A filter has no parameters; write the value.",
        "?": "A filter has no parameters; write the value.",
        "@": "A filter has no variables; write the value.",
    }
)
"""What to write in place of a sign of another language."""

LOOK_ALIKES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys("‘’‚‛′“”„‟″«»´", "'"),
        **dict.fromkeys("−–—‐‑‒", "-"),
        "≤": "<=",
        "≥": ">=",
        "≠": "<>",
        "×": "*",
        "·": "*",
        "÷": "/",
    }
)
"""Characters that word processors and papers put in place of signs."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<text>'(?:[^'\r\n]|'')*'|"(?:[^"\r\n]|"")*")
      | (?P<quoted>`[A-Za-z0-9_ .+\-]*`)
      | (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign><>|<=|>=|!=|[-+*/%=<>(),.;])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word, number, text in quotes or sign."""

    kind: str
    """`text`, `quoted`, `number`, `word` or `sign`."""
    text: str
    start: int
    """First character, from 0."""
    depth: int
    """Number of parentheses that are open before it."""

    @property
    def end(self) -> int:
        """Character after the last one."""
        return self.start + len(self.text)

    @property
    def upper(self) -> str:
        """The text in upper case."""
        return self.text.upper()


def place(text: str, position: int) -> tuple[int, int]:
    """Line and column, both from 1, of a character of a text.

    Examples
    --------
    >>> place("ab\\ncd", 4)
    (2, 2)
    """
    position = max(0, min(position, len(text)))
    return text.count("\n", 0, position) + 1, position - (text.rfind("\n", 0, position) + 1) + 1


def blank_comments(text: str) -> str:
    """Replace lines that begin with `--` with spaces, so that positions do not change.

    A text in quotes ends on its own line: such a line is never part of one.
    """
    return re.sub(r"(?m)^[ \t]*--[^\n]*", lambda found: " " * len(found.group()), text)


def tokens(text: str) -> list[Token]:
    """Split a text into tokens.

    Raises
    ------
    Refused
        For a character, comment, length or depth that is not accepted; `at` is the position.
    """
    if len(text) > MAX_CHARACTERS:
        raise Refused(f"the text has {len(text)} characters; {MAX_CHARACTERS} are accepted", at=MAX_CHARACTERS)
    text = blank_comments(text)
    found: list[Token] = []
    position, depth, run = 0, 0, 0
    cases: list[int] = []
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise _unreadable(text, position)
        kind, word = match.lastgroup, match.group()
        if kind == "sign" and word == "-" and text.startswith("--", position):
            raise _comment(position)
        if kind == "sign" and word == "/" and text.startswith("/*", position):
            raise _comment(position)
        if kind != "space":
            _check(kind, word, position)
            upper = word.upper()
            if upper == ")":
                depth -= 1
            elif upper == "END" and cases:
                cases.pop()
            found.append(Token(kind, word, position, depth))
            if upper == "(":
                depth += 1
            elif upper == "CASE":
                cases.append(position)
            run = run + 1 if upper in ("NOT", "-", "+") else 0
            if depth < 0:
                raise Refused("this closing parenthesis has no match", at=position)
            if max(depth + len(cases), run) > MAX_DEPTH:
                raise Refused(f"the expression is nested more than {MAX_DEPTH} levels deep", at=position)
            if len(found) > MAX_TOKENS:
                raise Refused(f"the filter has more than {MAX_TOKENS} words and signs", at=position)
        position = match.end()
    if depth:
        raise Refused("a parenthesis is not closed", at=_unclosed(found))
    return found


def _unclosed(found: list[Token]) -> int:
    open_ones = []
    for token in found:
        if token.text == "(":
            open_ones.append(token.start)
        elif token.text == ")":
            open_ones.pop()
    return open_ones[-1]


def _check(kind: str, word: str, position: int) -> None:
    if kind == "text":
        if len(word) - 2 > MAX_LITERAL:
            raise Refused(f"a text in quotes may have {MAX_LITERAL} characters; this has {len(word) - 2}", at=position)
        for number, character in enumerate(word):
            # Controls, formats (marks that reverse the direction of writing), surrogates, private and unassigned.
            if unicodedata.category(character).startswith("C"):
                raise Refused(f"the character {_name(character)} is not accepted in a text", at=position + number)
    elif kind == "number" and len(word) > MAX_DIGITS:
        raise Refused(f"a number may have {MAX_DIGITS} characters; this has {len(word)}", at=position)
    elif len(word) > MAX_NAME and kind in ("word", "quoted"):
        raise Refused(f"a name may have {MAX_NAME} characters; this has {len(word)}", at=position)


def _comment(position: int) -> Refused:
    return Refused(
        "comments are not accepted within a filter.",
        suggestion="A line of its own that begins with -- may hold one; write a - before a sign as - (-1).",
        at=position,
    )


def _name(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"


def _unreadable(text: str, position: int) -> Refused:
    character = text[position]
    if character in "'\"":
        return Refused("a text in quotes is not closed on its line", at=position)
    if character == "`":
        return Refused("a name in backquotes is not closed, or has a character that names do not have", at=position)
    if character == "#":
        return _comment(position)
    if character == "$":
        return Refused("the sign $ is not accepted outside a text: write texts as 'text'", at=position)
    if character.isascii() and character.isprintable():
        sign = text[position : position + 2] if text[position : position + 2] in SIGNS else character
        return Refused(f"the sign {sign} is not part of the language", suggestion=SIGNS.get(sign, ""), at=position)
    plain = LOOK_ALIKES.get(character) or unicodedata.normalize("NFKC", character)
    alike = f" It looks like {plain}; write that." if plain.isascii() and plain.isprintable() and plain.strip() else ""
    if plain == " ":
        alike = "Write an ordinary space."
    return Refused(
        f"the character {_name(character)} is not accepted outside a text in quotes.",
        suggestion=alike.strip(),
        at=position,
    )
