"""Lasair's form of a filter: what is selected, from which tables, under which conditions.

The joins are generated. `tables` is a list separated by commas: `objects, sherlock_classifications, watchlist:7,
area:3&4, annotator:fink&alerce, crossmatch_tns`; tables whose columns are named in the other parts may be omitted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from broker_assets.filters.errors import Refused, nearest
from broker_assets.filters.mistakes import former
from broker_assets.filters.schema import ALIASES, BASE, TABLES


@dataclass(frozen=True, slots=True)
class Form:
    """A filter in Lasair's form."""

    selected: str
    """Expressions separated by commas: `objects.diaObjectId, flux2mag(objects.g_psfFlux) AS gmag`."""
    tables: str = "objects"
    """Tables separated by commas."""
    conditions: str = ""
    """The text after WHERE; GROUP BY, HAVING and ORDER BY may follow."""


_BY_OBJECT = "objects.diaObjectId = {alias}.diaObjectId"


@dataclass(frozen=True, slots=True)
class Member:
    """A table of the form."""

    alias: str
    table: str
    restricted: int | str | None = None
    """List or annotator to which it is restricted."""
    join: str = _BY_OBJECT
    """SQL of the join; `{alias}` is the table."""

    def terms(self) -> list[str]:
        """The conditions that the form generates for the table."""
        if self.alias == BASE:
            return []
        quoted = f"`{self.alias}`"
        terms = [self.join.format(alias=quoted)]
        column = TABLES[self.table].restricted
        if column:
            value = f"'{self.restricted}'" if isinstance(self.restricted, str) else str(self.restricted)
            terms.append(f"{quoted}.{column} = {value}")
        return terms


_JOINS = {
    "ssobjects": ("sssources", "sssources.ssObjectId = {alias}.ssObjectId"),
    "mpc_orbits": ("sssources", "sssources.designation = {alias}.designation"),
}
"""Tables without objects: the table to which they are joined, and how."""

_EXAMPLE = "objects, sherlock_classifications, watchlist:7, area:3&4, annotator:fink"


def members(form: Form) -> list[Member]:
    """The tables of a form, in the order of Lasair.

    Raises
    ------
    Refused
        For an item that is not a table; `at` is its position in `tables`.
    """
    plain: set[str] = set()
    watchlist: int | None = None
    areas: list[int] = []
    annotators: list[str] = []
    at = 0
    for item in form.tables.split(","):
        word = item.strip()
        place = at + len(item) - len(item.lstrip())
        at += len(item) + 1
        if not word:
            continue
        kind, colon, rest = word.partition(":")
        kind = kind.strip().lower()
        if colon and kind == "watchlist":
            if watchlist is not None:
                raise Refused("a filter has one watchlist.", suggestion="A SELECT may join several.", at=place)
            watchlist = _number(rest, "watchlist", place)
        elif colon and kind in ("area", "watchmap"):
            areas += [_number(part, "area", place) for part in rest.split("&")]
        elif colon and kind.startswith("annotator"):
            annotators += [_topic(part, place) for part in rest.split("&")]
        elif not colon and ALIASES.get(kind, kind) in TABLES:
            plain.add(ALIASES.get(kind, kind))
        else:
            raise Refused(
                f"there is no table {word[:80]}.",
                suggestion=former(kind) or nearest(kind, TABLES),
                example=_EXAMPLE,
                at=place,
            )
    plain |= _mentioned(form) - plain
    if len(set(areas)) < len(areas) or len(set(annotators)) < len(annotators):
        raise Refused("an area or annotator is named twice", example=_EXAMPLE, at=0)
    for table, given, way in (
        ("watchlist_hits", watchlist is not None, "watchlist:7"),
        ("area_hits", bool(areas), "area:3"),
        ("annotations", bool(annotators), "annotator:fink"),
    ):
        if table in plain and not given:
            raise Refused(f"{table} needs the number or name of what is meant in tables", example=way, at=0)
    for table in sorted(plain & set(_JOINS)):
        plain.add(_JOINS[table][0])
    found = [Member(BASE, BASE)]
    order = ("sherlock_classifications", "watchlist_hits", "area_hits", "crossmatch_tns")
    for table in (*order, *sorted(plain - {*order, BASE, "annotations", *_JOINS}), *sorted(plain & set(_JOINS))):
        if table == "watchlist_hits" and watchlist is not None:
            found.append(Member(table, table, watchlist))
        elif table == "area_hits" and areas:
            names = [table] if len(areas) == 1 else [f"ar{number}" for number in range(len(areas))]
            found += [Member(alias, table, area) for alias, area in zip(names, areas, strict=True)]
        elif table in plain:
            join = _JOINS[table][1] if table in _JOINS else _BY_OBJECT
            found.append(Member(table, table, None, join))
    return [*found, *(Member(topic, "annotations", topic) for topic in annotators)]


def _number(text: str, what: str, place: int) -> int:
    if not re.fullmatch(r"\s*[0-9]{1,18}\s*", text):
        raise Refused(
            f"{text.strip()[:40]!r} is not the number of a {what}".replace("a area", "an area"),
            example=f"{what}:7",
            at=place,
        )
    return int(text)


def _topic(text: str, place: int) -> str:
    topic = text.strip()
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.\-]{0,62}", topic):
        raise Refused(f"{topic[:40]!r} is not the name of an annotator", example="annotator:fink", at=place)
    if topic.lower() in TABLES or topic.lower() in ALIASES:
        raise Refused(f"the annotator {topic} has the name of a table; write a SELECT", at=place)
    return topic


def _mentioned(form: Form) -> set[str]:
    """Tables that are qualifiers in the other parts, from which Lasair's pages take them too."""
    without = re.sub(r"""'[^'\n]*'|"[^"\n]*\"""", "''", form.selected + "\n" + form.conditions)
    without = _without_queries(without)
    words = {word.lower() for word in re.findall(r"([A-Za-z_][A-Za-z0-9_]*)`?\s*\.", without)}
    return {ALIASES.get(word, word) for word in words} & set(TABLES)


def _without_queries(text: str) -> str:
    """A text without the queries in parentheses in it, whose tables are their own."""
    while (begin := re.search(r"\(\s*SELECT\b", text, re.IGNORECASE)) is not None:
        depth = 0
        for end in range(begin.start(), len(text)):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            if not depth:
                break
        text = text[: begin.start()] + text[end + 1 :]
    return text
