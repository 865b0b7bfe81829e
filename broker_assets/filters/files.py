"""Filters in files: one SELECT, or Lasair's form in sections.

A file that begins with SELECT is one SELECT. Otherwise it has the parts of the form, each after its name and a colon at
the start of a line, in any order; a part extends to the next one. Lines that begin with `--` are comments in both.

    -- bright supernova candidates of a watchlist
    selected:
      objects.diaObjectId, flux2mag(objects.g_psfFlux) AS gmag
    tables: objects, sherlock_classifications, watchlist:7
    conditions:
      sherlock_classifications.classification = 'SN'
      ORDER BY gmag
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from broker_assets.filters.errors import FilterError, Problem, nearest
from broker_assets.filters.form import Form
from broker_assets.filters.lexicon import MAX_CHARACTERS, blank_comments
from broker_assets.filters.query import CheckedQuery, check

PARTS = ("selected", "tables", "conditions")
"""Sections of a file, the fields of `Form`."""

_LABEL = re.compile(r"(?m)^[ \t]*([A-Za-z_]+)[ \t]*:(?!:)")
_EXAMPLE = "a file begins with SELECT, or has the sections selected:, tables: and conditions:"


@dataclass(frozen=True, slots=True)
class Definition:
    """A filter in a file."""

    form: Form | str
    starts: Mapping[str, tuple[int, int]]
    """Line (from 0) and column (from 0) at which each part begins in the file."""

    def check(self) -> CheckedQuery:
        """Check it; positions in the error are those in the file.

        Raises
        ------
        FilterError
            See `query.check`.
        """
        try:
            return check(self.form)
        except FilterError as error:
            raise FilterError(
                sorted(map(self._placed, error.problems), key=lambda item: (item.line, item.column))
            ) from None

    def _placed(self, problem: Problem) -> Problem:
        line, column = self.starts.get(problem.part, (0, 0))
        return dataclasses.replace(
            problem, line=problem.line + line, column=problem.column + (column if problem.line == 1 else 0)
        )


def read_definition(text: str) -> Definition:
    """Read the text of a file.

    Parameters
    ----------
    text : str
        The content of the file. A JSON object with the parts of the form, as in the API, is also accepted.

    Returns
    -------
    Definition
        The definition, not checked.

    Raises
    ------
    FilterError
        If it is neither a SELECT nor a form.

    Examples
    --------
    >>> read_definition("selected: ra\\ntables: objects, watchlist:3\\nconditions: ra > 3").form
    Form(selected='ra', tables='objects, watchlist:3', conditions='ra > 3')
    """
    if len(text) > 2 * MAX_CHARACTERS:
        raise FilterError([Problem(f"the file has {len(text)} characters; a filter may have {MAX_CHARACTERS}")])
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    plain = blank_comments(text)
    if plain.lstrip().startswith("{"):
        return Definition(_from_json(text), MappingProxyType({}))
    first = re.match(r"\s*([A-Za-z_]+)[ \t]*(:?)", plain)
    if first is None or not first[2]:
        return Definition(text, MappingProxyType({}))
    found, starts = {}, {}
    labels = list(_LABEL.finditer(plain))
    for number, label in enumerate(labels):
        part = label[1].lower()
        line = text.count("\n", 0, label.start(1))
        if part not in PARTS or part in found:
            column = label.start(1) - (text.rfind("\n", 0, label.start(1)) + 1)
            said = (
                f"the section {label[1]} is in the file twice." if part in found else f"there is no section {label[1]}."
            )
            raise FilterError([Problem(said, line + 1, column + 1, suggestion=nearest(part, PARTS), example=_EXAMPLE)])
        end = labels[number + 1].start() if number + 1 < len(labels) else len(plain)
        # Comments have become spaces, so that a part cannot end in a comment that hides what follows.
        body = plain[label.end() : end]
        begin = label.end() + len(body) - len(body.lstrip())
        found[part] = body.strip()
        starts[part] = (text.count("\n", 0, begin), begin - (text.rfind("\n", 0, begin) + 1))
    if not found.get("selected"):
        raise FilterError([Problem("the file has no section selected.", example=_EXAMPLE)])
    return Definition(
        Form(found["selected"], found.get("tables", "objects"), found.get("conditions", "")), MappingProxyType(starts)
    )


def write_definition(form: Form | str) -> str:
    """The text of a file that defines a filter; the inverse of `read_definition`."""
    if isinstance(form, str):
        return form.rstrip() + "\n"
    return "".join(f"{part}:\n{getattr(form, part).rstrip()}\n" for part in PARTS)


def _from_json(text: str) -> Form:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FilterError([Problem(f"the file begins as JSON but is not: {error}", example=_EXAMPLE)]) from None
    if not isinstance(value, dict) or not value or not all(isinstance(item, str) for item in value.values()):
        raise FilterError([Problem("a form as JSON has texts for selected, tables and conditions")])
    for key in value:
        if key not in PARTS:
            raise FilterError([Problem(f"a form has no part {key[:40]}.", suggestion=nearest(key, PARTS))])
    return Form(value.get("selected", ""), value.get("tables", "objects"), value.get("conditions", ""))
