"""Words that read as translated or as jargon of this project do not appear in what users read.

The list is short on purpose: each entry has been found in text that users saw, has a plain replacement, and has no good
use in this project. Add a word, with the reason, when a reader stumbles over it.
"""

from __future__ import annotations

import ast
import io
import itertools
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "broker_assets"
DOCUMENTS = [
    *(
        ROOT / name
        for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docker/README.md", "docker/kubernetes/README.md")
    ),
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if path.name != "data-model.md"),
]
"""All documents except the data model, which is generated from the comments of tables."""
FROZEN = ("database/migrations/**/*.py",)
"""Migrations do not change: rewording the comment of a table or column requires a new migration."""

AVOIDED = {
    r"tells?|told": "programs report, show, print or notify",
    r"anew|afresh": "again",
    r"whoever|whosoever": "name who it is: users, callers, requests that send the token",
    r"beside": "next to, in addition to, or compared with",
    r"mended": "fixed",
    r"thereby|thereof|hereby|therein|whereof|wherefrom": "legal language; by this, of it, in it",
    r"ends? in order": "properly",
    r"all the same": "nevertheless",
    r"be away|is away|are away": "unavailable",
    r"(packets?|files?) brought": "provided",
    r"of (ours|theirs)": "our, their",
    r"programs of others": "third-party programs",
    r"(?<!there )(is|are|was|were) no\b(?! (longer|more|less|further|other|larger)\b)": "is not a …",
    r"(is|are|was|were) cut\b(?! into\b)": "truncated",
    r"stands? in (for|its place)|as it stands": "is used instead of; as it is",
    r"passed over": "skipped",
    r"not whole(?! numbers\b)": "incomplete, or damaged",
    r"cannot be had": "cannot be fetched",
    r"without a word": "silently",
    r"(this|the|our) house": "the package, the project",
    r"any more": "no longer",
    r"(say|says|said) of(?! (which|what)\b)": "say about",
    r"in the order of time": "in chronological order",
}
"""Regular expression of whole words, lower case: what to write instead."""


def avoided(text: str) -> Iterator[str]:
    """The words of `text` that should be replaced, each with the reason."""
    joined = " ".join(text.split())
    for pattern, reason in AVOIDED.items():
        for found in re.finditer(rf"\b(?:{pattern})\b", joined, re.IGNORECASE):
            around = joined[max(0, found.start() - 30) : found.end() + 30]
            yield f"{found.group()!r} in '…{around}…': {reason}"


def prose(document: str) -> str:
    """A Markdown document without its code, which quotes programs."""
    return re.sub(r"`[^`]*`", "`…`", re.sub(r"^ *```.*?^ *```", "", document, flags=re.DOTALL | re.MULTILINE))


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Every string of a module with its line: help, messages, descriptions and docstrings."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Every comment of a module with its first line; consecutive lines of comments are one comment."""
    found = [item for item in tokenize.generate_tokens(io.StringIO(source).readline) if item.type == tokenize.COMMENT]
    for place, first in enumerate(found):
        before = found[place - 1] if place else None
        if before is not None and (before.start[0] + 1, before.start[1]) == first.start:
            continue
        lines = [first]
        for item in found[place + 1 :]:
            if item.start != (lines[-1].start[0] + 1, first.start[1]):
                break
            lines.append(item)
        yield first.start[0], " ".join(line.string.lstrip("# ") for line in lines)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_use_plain_words(document: Path) -> None:
    assert list(avoided(prose(document.read_text()))) == []


def test_strings_and_comments_of_the_package_use_plain_words() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {problem}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not any(path.relative_to(PACKAGE).match(pattern) for pattern in FROZEN)
        for source in [path.read_text()]
        for line, text in itertools.chain(texts(source), comments(source))
        for problem in avoided(text)
    ]
    assert sorted(set(found)) == []


@pytest.mark.parametrize(
    "text",
    [
        "The log tells why.",
        "the rows are counted anew",
        "the file is no FITS file",
        "these bytes are\n    no packet",
        "Files beside it",
        "the packet is cut",
        "version 2 stands in for it",
        "the sequence is not whole: 3 missing",
        "the list is not matched any more",
        "what brokers say of an object",
    ],
)
def test_avoided_words_are_found(text: str) -> None:
    assert list(avoided(text))


@pytest.mark.parametrize(
    "text",
    [
        "There is no index; there are no lists.",
        "the file is no longer there",
        "besides the packets",
        "the product is cut into files",
        "its column has the form 2E, not whole numbers (J, K)",
        "whole packets; storytelling; a stall",
        "say of which target it is",
    ],
)
def test_other_words_are_not(text: str) -> None:
    assert not list(avoided(text))


def test_code_in_documents_is_not_prose() -> None:
    assert prose("a\n```\nbroker-assets tell\n```\nb `tell` c") == "a\n\nb `…` c"


def test_a_comment_over_several_lines_is_read_as_one() -> None:
    source = "x = 1  # one\n# the rows are counted\n# anew\ny = 2\n    # apart\n"
    assert list(comments(source.replace("    #", "#"))) == [
        (1, "one"),
        (2, "the rows are counted anew"),
        (5, "apart"),
    ]
