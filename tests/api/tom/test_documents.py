"""The examples of docs/sql.md and docs/spectra.md run, and find something."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.database, pytest.mark.shared]

DOCS = Path(__file__).parents[3] / "docs"
QUERIES = re.findall(
    r"^### \d+\. (.+?)\n(.*?)^```sql\n(.*?)^```",
    (DOCS / "sql.md").read_text().partition("## Worked queries")[2],
    re.DOTALL | re.MULTILINE,
)


@pytest.mark.parametrize(("name", "before", "query"), QUERIES, ids=[name for name, *_ in QUERIES])
def test_a_worked_query_finds_something(root: Any, anna: Any, name: str, before: str, query: str) -> None:
    administrators = "elasticc_admin" in before
    for client, allowed in ((root, True), (anna, not administrators)):
        answer = client.post("db/runsqlquery/", json={"query": query}).json()
        assert (answer["status"] == "ok") == allowed, answer
        if allowed:
            assert answer["rows"], name


def test_there_are_several_worked_queries() -> None:
    assert len(QUERIES) == 9


def test_what_a_role_reads_is_listed(anna: Any) -> None:
    (query,) = re.findall(
        r"^```sql\n(SELECT table_name.*?)^```", (DOCS / "sql.md").read_text(), re.DOTALL | re.MULTILINE
    )
    rows = anna.post("db/runsqlquery/", json={"query": query}).json()["rows"]
    names = {row["table_name"] for row in rows}
    assert {"objects", "elasticc2_brokermessage"} <= names
    assert "elasticc2_diaobjecttruth" not in names


def test_the_example_of_spectra(own_snapshot_site: str, log_in: Callable[[str, str], Any]) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", (DOCS / "spectra.md").read_text(), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"tom": log_in(own_snapshot_site, "root")}
    exec(example, names)  # noqa: S102 - our own documentation
    assert len(names["objects"]) == 3
    # The one of the highest priority.
    assert names["best"] == names["objects"][1]
    assert names["best"] not in {one["oid"] for one in names["left"]}
    assert len(names["left"]) == len(names["wanted"]) - 1
    assert [one["classid"] for one in names["known"]] == [2222]
