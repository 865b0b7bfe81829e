"""The parts of a filter, from Lasair's form or a SELECT, each with its text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from sqlglot import exp

from broker_assets.filters.errors import Problem, Refused, nearest
from broker_assets.filters.form import Form, Member, members
from broker_assets.filters.grammar import parse_select, position
from broker_assets.filters.lexicon import blank_comments, place, tokens
from broker_assets.filters.mistakes import former
from broker_assets.filters.schema import ALIASES, BASE, TABLES, DerivedTable, PublishedTable
from broker_assets.filters.scope import Source

MAX_SOURCES = 12
"""Most tables of a query."""
MAX_READS = 30
"""Most tables of a filter, including its nested queries; a query in WITH counts each time it is named."""
MAX_NESTING = 100
"""Deepest tree of an expression, not counting chains of AND and OR."""


@dataclass(frozen=True, slots=True)
class Part:
    """A text that was parsed on its own."""

    name: str
    text: str
    shift: int = 0
    """Characters that were put before it for the parser."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An expression, and the part from which it comes."""

    node: exp.Expression
    part: Part
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """A table in FROM."""

    source: Source
    left: bool
    """Whether it is joined by LEFT JOIN."""
    on: Piece | None
    at: int
    part: Part


@dataclass(slots=True)
class Statement:
    """A filter, parsed."""

    text: str
    items: list[Piece] = field(default_factory=list)
    sources: list[Joined] = field(default_factory=list)
    conditions: list[Piece] = field(default_factory=list)
    group: list[Piece] = field(default_factory=list)
    having: Piece | None = None
    order: list[Piece] = field(default_factory=list)
    distinct: bool = False
    problems: list[Problem] = field(default_factory=list)

    refusals: list[Refused] = field(default_factory=list)
    """The problems as they were found; those of a nested query are for the enclosing query."""

    def refuse(self, problem: Refused, part: Part) -> None:
        """Note a problem with its position in the part."""
        for item in problem.several or (problem,):
            self.refusals.append(item)
            self.problems.append(located(item, part))


def located(problem: Refused, part: Part) -> Problem:
    """A problem with its line and column."""
    line, column = place(part.text, (problem.at or part.shift) - part.shift)
    return Problem(problem.message, line, column, part.name, problem.suggestion, problem.example)


class Relations(Protocol):
    """What FROM may name in addition to the published tables."""

    def named(self, name: str) -> PublishedTable | None:
        """The query in WITH with this name, lower case."""

    def derived(self, node: exp.Subquery) -> PublishedTable:
        """A query in parentheses with a name."""


_PARTS = {"expressions", "from_", "joins", "where", "group", "having", "order", "distinct"}
_EXAMPLE = "SELECT objects.diaObjectId, objects.ra FROM objects WHERE objects.nDiaSources > 3"


def _failed(part: Part, problem: Refused) -> Statement:
    statement = Statement("")
    statement.refuse(problem, part)
    return statement


def from_select(tree: exp.Select, part: Part, text: str, relations: Relations, *, whole: bool = True) -> Statement:
    """Read one SELECT; anything wrong with it is in `problems`.

    Parameters
    ----------
    tree : sqlglot.exp.Select
        The parsed SELECT; a WITH before it is not read.
    part : Part
        The part from which it was parsed.
    text : str
        Text of the statement.
    relations : Relations
        The queries that FROM may name.
    whole : bool
        Whether it is the filter and not a nested query: it then reads the objects, and may have an order.
    """
    statement = Statement(text)
    try:
        _accept(statement, tree, part, _PARTS if whole else _PARTS - {"order"})
    except Refused as problem:
        return _failed(part, problem)
    start = tree.args.get("from_")
    if start is None:
        said = "the filter reads no table" if whole else "a query within a query reads a table"
        statement.refuse(Refused(said, example=_EXAMPLE, at=0 if whole else position(tree)), part)
        return statement
    _add_source(statement, start.this, None, part, relations)
    for join in tree.args.get("joins") or ():
        _add_source(statement, join.this, join, part, relations)
    _finish_sources(statement, part, whole=whole)
    if not whole and tree.args.get("having") is not None and tree.args.get("group") is None:
        statement.refuse(Refused("HAVING follows GROUP BY", at=position(tree.args["having"])), part)
    statement.items = [Piece(node, part) for node in tree.expressions]
    where = tree.args.get("where")
    if where is not None:
        statement.conditions.append(Piece(where.this, part))
    _add_rest(statement, tree, part)
    return statement


def from_form(form: Form) -> Statement:
    """Read Lasair's form; anything wrong with it is in `problems`."""
    selected = Part("selected", form.selected, len("SELECT\n"))
    tables = Part("tables", form.tables)
    begins = _begins(form.conditions)
    opening = f"SELECT 0 FROM {BASE} " + ("" if begins in ("ORDER", "GROUP", "HAVING") else "WHERE") + "\n"  # noqa: S608 - parsed, never run
    conditions = Part("conditions", form.conditions, len(opening))
    statement = Statement("")
    for part in (selected, conditions):
        try:
            found = tokens(part.text)
            stop = next((token for token in found if token.text == ";"), None)
            if stop is not None:
                raise Refused("a semicolon is not accepted in a form", at=stop.start)
            word = next(
                (token for token in found if part is selected and token.upper == "FROM" and not token.depth), None
            )
            if word is not None:
                raise Refused("FROM is not part of what is selected: name the tables in tables", at=word.start)
            if part is selected and not found:
                raise Refused("nothing is selected", example="objects.diaObjectId, objects.ra, objects.decl", at=0)
        except Refused as problem:
            problem.at = (problem.at or 0) + part.shift
            statement.refuse(problem, part)
    found_members = []
    try:
        found_members = members(form)
    except Refused as problem:
        statement.refuse(problem, tables)
    if statement.problems:
        return statement
    try:
        head = parse_select(f"SELECT\n{form.selected}\nFROM {BASE}")
        _accept(statement, head, selected, {"expressions", "from_", "distinct"})
    except Refused as problem:
        return _failed(selected, problem)
    tail = exp.Select()
    if begins:
        try:
            tail = parse_select(opening + form.conditions)
            _accept(statement, tail, conditions, {"expressions", "from_", "where", "group", "having", "order"})
        except Refused as problem:
            return _failed(conditions, problem)
    written = []
    for member in found_members:
        source = Source(member.alias.lower(), TABLES[member.table])
        statement.sources.append(Joined(source, left=False, on=None, at=0, part=tables))
        terms = member.terms()
        written += terms
        statement.conditions += [Piece(_generated(term), tables, generated=True) for term in terms]
    _finish_sources(statement, tables, whole=True)
    statement.items = [Piece(node, selected) for node in head.expressions]
    statement.distinct = head.args.get("distinct") is not None
    where = tail.args.get("where")
    if where is not None:
        statement.conditions.append(Piece(where.this, conditions))
    _add_rest(statement, tail, conditions)
    statement.text = _as_select(form, found_members, written)
    return statement


@lru_cache(maxsize=10_000)
def _generated(term: str) -> exp.Expression:
    """A condition that the form generates, parsed once for all filters that share it; the tree must not be changed."""
    where = parse_select(f"SELECT 0 FROM {BASE} WHERE {term}").args["where"]  # noqa: S608 - parsed, never run
    condition: exp.Expression = where.this
    return condition


def _as_select(form: Form, found: list[Member], terms: list[str]) -> str:
    """The form as one readable SELECT."""
    names = [
        f"{member.table} AS `{member.alias}`" if member.alias != member.table else member.table for member in found
    ]
    text = f"SELECT {form.selected.strip()}\nFROM {', '.join(names)}"
    words = [
        token for token in tokens(form.conditions) if token.depth == 0 and token.upper in ("GROUP", "HAVING", "ORDER")
    ]
    end = words[0].start if words else len(form.conditions)
    own, rest = blank_comments(form.conditions)[:end].strip(), form.conditions[end:].strip()
    conditions = [*terms, f"({own})"] if own else terms
    if conditions:
        text += "\nWHERE\n  " + " AND\n  ".join(conditions)
    return f"{text}\n{rest}".rstrip()


def _begins(conditions: str) -> str:
    try:
        found = tokens(conditions)
    except Refused:
        return "?"
    return found[0].upper if found else ""


def _accept(statement: Statement, tree: exp.Select, part: Part, accepted: set[str]) -> None:
    """Refuse clauses that the language does not have, and trees that are too deep."""
    for key, value in tree.args.items():
        if value and key not in accepted:
            if key == "order":
                problem = Refused("ORDER BY is at the end of the filter", at=_where(value, part))
            elif key in ("limit", "offset"):
                problem = Refused(
                    "LIMIT and OFFSET are not part of a filter.",
                    suggestion="Limits are options of the run.",
                    at=_where(value, part),
                )
            else:
                said = "WITH is at the beginning of the filter" if key == "with_" else ""
                word = key.upper().strip("_")
                problem = Refused(said or f"{word} is not accepted in a filter", at=_where(value, part))
            statement.refuse(problem, part)
    statement.distinct = statement.distinct or tree.args.get("distinct") is not None
    distinct = tree.args.get("distinct")
    if distinct is not None and distinct.args.get("on"):
        statement.refuse(Refused("DISTINCT ON is not accepted", at=_where(distinct, part)), part)
    limit_depth(tree)


def limit_depth(tree: exp.Expression) -> None:
    """Refuse trees that are too deep.

    Raises
    ------
    Refused
        If a tree is too deep.
    """
    waiting: list[tuple[exp.Expression, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_NESTING:
            raise Refused(f"the expression is nested more than {MAX_NESTING} levels deep", at=position(node))
        for child in node.iter_expressions():
            chain = type(child) is type(node) and isinstance(node, exp.And | exp.Or)
            waiting.append((child, depth + (not chain)))


def _where(value: object, part: Part) -> int:
    for item in value if isinstance(value, list) else [value]:
        found = position(item) if isinstance(item, exp.Expression) else None
        if found is not None:
            return found
    return part.shift


def _weight(table: PublishedTable) -> int:
    return table.weight if isinstance(table, DerivedTable) else 1


def _add_source(
    statement: Statement, node: exp.Expression, join: exp.Join | None, part: Part, relations: Relations
) -> None:
    try:
        source = _source(node, relations)
        if any(joined.source.alias == source.alias for joined in statement.sources):
            raise Refused(f"two tables are called {source.alias}; give one another name with AS")
        if len(statement.sources) >= MAX_SOURCES:
            raise Refused(f"a query may read {MAX_SOURCES} tables")
        read = sum(_weight(item.table) for item in (source, *(joined.source for joined in statement.sources)))
        if read > MAX_READS:
            raise Refused(f"a filter may read {MAX_READS} tables, those of queries within it included")
        left, on = False, None
        if join is not None:
            left, on = _join(join, source.alias, [joined.source.alias for joined in statement.sources])
    except Refused as problem:
        if problem.at is None:
            problem.at = position(node)
        statement.refuse(problem, part)
        return
    piece = Piece(on, part) if on is not None else None
    statement.sources.append(Joined(source, left, piece, position(node) or 0, part))


def _source(node: exp.Expression, relations: Relations) -> Source:
    if isinstance(node, exp.Subquery):
        return _derived(node, relations)
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        raise Refused("FROM names published tables; a query, a function or a file is not one.", example=_EXAMPLE)
    unknown = {key for key, value in node.args.items() if value} - {"this", "alias"}
    if unknown & {"db", "catalog"}:
        raise Refused("a table is named without a schema or database", example=_EXAMPLE)
    if unknown:
        raise Refused(f"{sorted(unknown)[0].upper()} is not accepted after a table")
    name = node.name.lower()
    table = relations.named(name) or TABLES.get(ALIASES.get(name, name))
    if table is None:
        raise Refused(
            f"there is no table {node.name[:80]}.",
            suggestion=former(name) or nearest(name, TABLES) or f"There are {', '.join(TABLES)}.",
            example=_EXAMPLE,
        )
    alias = node.args.get("alias")
    if alias is not None and {key for key, value in alias.args.items() if value} - {"this"}:
        raise Refused("names of columns are not accepted after the name of a table")
    return Source((alias.name if alias is not None else name).lower(), table)


def _derived(node: exp.Subquery, relations: Relations) -> Source:
    alias = node.args.get("alias")
    if alias is None or not alias.name:
        raise Refused("a query in FROM has a name", example="(SELECT diaObjectId FROM objects WHERE ra > 3) AS found")
    if {key for key, value in alias.args.items() if value} - {"this"}:
        raise Refused("names of columns are not accepted after the name of a query; name them in it: x AS y")
    if {key for key, value in node.args.items() if value} - {"this", "alias"}:
        raise Refused("a query in FROM is followed by its name only")
    return Source(alias.name.lower(), relations.derived(node))


def _join(join: exp.Join, alias: str, earlier: Iterable[str]) -> tuple[bool, exp.Expression | None]:
    unknown = {key for key, value in join.args.items() if value} - {"this", "side", "kind", "on", "using"}
    side, kind = (join.args.get("side") or "").upper(), (join.args.get("kind") or "").upper()
    if unknown or side not in ("", "LEFT") or kind not in ("", "INNER", "CROSS", "OUTER"):
        raise Refused(
            "this kind of join is not accepted; JOIN and LEFT JOIN are",
            example="LEFT JOIN t ON t.diaObjectId = objects.diaObjectId",
        )
    on = join.args.get("on")
    using = join.args.get("using") or []
    if using:
        first = BASE if BASE in earlier else next(iter(earlier), BASE)
        terms = [
            exp.EQ(this=exp.column(item.name, table=first), expression=exp.column(item.name, table=alias))
            for item in using
        ]
        on = terms[0] if len(terms) == 1 else exp.and_(*terms)
    if side == "LEFT" and on is None:
        raise Refused("LEFT JOIN needs ON", example="LEFT JOIN t ON t.diaObjectId = objects.diaObjectId")
    return side == "LEFT", on


def _is_base(joined: Joined) -> bool:
    return joined.source.table is TABLES[BASE]


def _finish_sources(statement: Statement, part: Part, *, whole: bool) -> None:
    bases = [joined for joined in statement.sources if _is_base(joined)]
    if not bases:  # a query over objects can take its place
        derived = (joined.source.table for joined in statement.sources if not joined.left)
        if not whole or any(isinstance(table, DerivedTable) and table.based for table in derived):
            return
    if len(bases) == 1 and bases[0].left:
        statement.refuse(
            Refused("objects is the table of the alerts; it cannot be the table of a LEFT JOIN", at=bases[0].at), part
        )
    if len(bases) != 1 and not statement.problems:
        at = bases[1].at if len(bases) > 1 else (statement.sources[0].at if statement.sources else 0)
        many = "every filter reads objects, once"
        statement.refuse(
            Refused(
                many, example="FROM objects JOIN annotations ON objects.diaObjectId = annotations.diaObjectId", at=at
            ),
            part,
        )


def _add_rest(statement: Statement, tree: exp.Select, part: Part) -> None:
    group, having, order = (tree.args.get(key) for key in ("group", "having", "order"))
    if group is not None:
        if not group.expressions and not any(group.args.values()):
            said = Refused("nothing follows GROUP BY", example="GROUP BY diaObjectId", at=_where(group, part))
            statement.refuse(said, part)
        if {key for key, value in group.args.items() if value} - {"expressions"}:
            statement.refuse(Refused("GROUP BY is followed by expressions only", at=_where(group, part)), part)
        statement.group = [Piece(node, part) for node in group.expressions]
    if having is not None:
        statement.having = Piece(having.this, part)
    if order is not None:
        statement.order = [Piece(node, part) for node in order.expressions]
