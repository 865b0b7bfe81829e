"""Patterns of LIKE and regular expressions: a subset that both engines interpret alike and in linear time.

DuckDB matches with RE2, PostgreSQL with Henry Spencer's engine. Both agree on: characters, `.`,
classes (`[a-z]`, `\\d`, `\\w`, `\\s`), groups, alternatives, `^`, `$`, and `?`, `*`, `+`, `{m,n}` on what is not
itself repeated. Everything else is refused, and what is accepted is written out again in the plainest form.
"""

from __future__ import annotations

from broker_assets.filters.errors import Refused

MAX_PATTERN = 200
"""Longest pattern, characters."""
MAX_REPEAT = 50
"""Largest count of a repetition."""
MAX_STATES = 2_000
"""Largest size of an expression when repetitions are written out."""

_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": " \\t\\n\\r"}
_EXAMPLE = "name REGEXP '^ZTF[0-9]{2}[a-z]+$'"


def like(pattern: str) -> str:
    """Check a pattern of LIKE, in which a backslash escapes the next character.

    Raises
    ------
    Refused
        If a backslash escapes nothing.
    """
    position = 0
    while position < len(pattern):
        if pattern[position] == "\\":
            if pattern[position + 1 : position + 2] not in ("%", "_", "\\"):
                raise Refused("a backslash in a pattern is followed by %, _ or another backslash")
            position += 1
        position += 1
    return pattern


def regular(pattern: str) -> str:
    """Check a regular expression and write it out in the form that both engines read.

    Raises
    ------
    Refused
        For what is not in the subset.

    Examples
    --------
    >>> regular(r"^SN\\d{4}[a-z]+$")
    '^SN[0-9]{4}[a-z]+$'
    """
    if len(pattern) > MAX_PATTERN:
        raise Refused(f"a regular expression may have {MAX_PATTERN} characters; this has {len(pattern)}")
    if not pattern:
        raise Refused("a regular expression must not be empty", example=_EXAMPLE)
    reader = _Reader(pattern)
    written, size, _ = reader.alternatives(0)
    if reader.position < len(pattern):
        raise Refused("a closing parenthesis in the regular expression has no match", example=_EXAMPLE)
    if size > MAX_STATES:
        raise Refused("the repetitions of the regular expression multiply to too many", example=_EXAMPLE)
    return written


class _Reader:
    """One pass over a pattern."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.position = 0

    def _peek(self) -> str:
        return self.pattern[self.position : self.position + 1]

    def alternatives(self, depth: int) -> tuple[str, int, bool]:
        """Text, size and whether anything in it is repeated."""
        if depth > 10:
            raise Refused("the regular expression is nested more than 10 levels deep")
        texts, size, repeated = [], 0, False
        while True:
            text, length, again = self._sequence(depth)
            texts.append(text)
            size, repeated = size + length, repeated or again
            if self._peek() != "|":
                return "|".join(texts), size, repeated
            self.position += 1

    def _sequence(self, depth: int) -> tuple[str, int, bool]:
        text, size, repeated = "", 0, False
        while (character := self._peek()) and character not in "|)":
            atom, length, again, repeatable = self._atom(depth)
            count, times = self._quantifier()
            if count:
                if not repeatable:
                    raise Refused("there is nothing to repeat in the regular expression", example=_EXAMPLE)
                if again:
                    raise Refused(
                        "a repetition within a repetition is not accepted in a regular expression", example=_EXAMPLE
                    )
            text += atom + count
            size += length * times
            repeated = repeated or again or bool(count)
        if not text:
            raise Refused("a part of the regular expression is empty", example=_EXAMPLE)
        return text, size, repeated

    def _atom(self, depth: int) -> tuple[str, int, bool, bool]:
        character = self._peek()
        self.position += 1
        if character == "(":
            if self._peek() == "?":
                if self.pattern[self.position : self.position + 2] != "?:":
                    raise Refused("(?…) is not accepted in a regular expression", example=_EXAMPLE)
                self.position += 2
            text, size, repeated = self.alternatives(depth + 1)
            if self._peek() != ")":
                raise Refused("a parenthesis in the regular expression is not closed", example=_EXAMPLE)
            self.position += 1
            return f"(?:{text})", size, repeated, True
        if character == "[":
            return self._bracket(), 1, False, True
        if character == "\\":
            return self._escaped(), 1, False, True
        if character in "^$":
            return character, 0, False, False
        if character == ".":
            return "[^\\n]", 1, False, True
        if character in "*+?{":
            raise Refused("there is nothing to repeat in the regular expression", example=_EXAMPLE)
        return _plain(character), 1, False, True

    def _escaped(self) -> str:
        character = self._peek()
        self.position += 1
        if character in _CLASSES:
            return f"[{_CLASSES[character]}]"
        if character and not character.isalnum():
            return _plain(character)
        raise Refused(
            f"\\{character} is not accepted in a regular expression; \\d, \\w, \\s and escaped signs are",
            example=_EXAMPLE,
        )

    def _bracket(self) -> str:
        text = "["
        if self._peek() == "^":
            text, self.position = "[^", self.position + 1
        first = True
        while (character := self._peek()) != "]" or first:
            if not character:
                raise Refused("a [ in the regular expression is not closed", example=_EXAMPLE)
            first = False
            self.position += 1
            if character == "[":
                raise Refused("[ within [ ] is written \\[ in a regular expression", example=_EXAMPLE)
            if character == "\\":
                escaped = self._peek()
                self.position += 1
                if escaped in _CLASSES:
                    text += _CLASSES[escaped]
                    continue
                if not escaped or escaped.isalnum():
                    raise Refused(f"\\{escaped} is not accepted in a regular expression", example=_EXAMPLE)
                character = escaped
            low = character
            if self._peek() == "-" and self.pattern[self.position + 1 : self.position + 2] not in ("]", ""):
                high = self.pattern[self.position + 1]
                self.position += 2
                if not (low.isascii() and high.isascii() and low.isalnum() and high.isalnum() and low <= high):
                    raise Refused("a range in a regular expression is of letters or digits", example=_EXAMPLE)
                text += f"{low}-{high}"
            else:
                text += low if low.isalnum() or not low.isascii() or low in " _" else "\\" + low
        self.position += 1
        return text + "]"

    def _quantifier(self) -> tuple[str, int]:
        character = self._peek()
        if character in ("*", "+", "?") and character:
            self.position += 1
            found, times = character, 2
        elif character == "{":
            end = self.pattern.find("}", self.position)
            inner = self.pattern[self.position + 1 : end] if end > 0 else ""
            numbers = inner.split(",")
            if (
                not all(number.isascii() and number.isdigit() and len(number) < 4 for number in numbers)
                or len(numbers) > 2
            ):
                raise Refused("a repetition in a regular expression is {m} or {m,n}", example=_EXAMPLE)
            low, high = int(numbers[0]), int(numbers[-1])
            if not (low <= high <= MAX_REPEAT and high > 0):
                raise Refused(f"a repetition in a regular expression is at most {MAX_REPEAT}", example=_EXAMPLE)
            self.position = end + 1
            found, times = "{" + inner + "}", high
        else:
            return "", 1
        if self._peek() in ("*", "+", "?", "{") and self._peek():
            raise Refused("two repetitions in a row are not accepted in a regular expression", example=_EXAMPLE)
        return found, times


def _plain(character: str) -> str:
    if character.isalnum() or not character.isascii() or character in " _":
        return character
    return "\\" + character
