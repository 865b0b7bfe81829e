"""Finds and renders the documentation: Markdown of `docs/` as HTML, with links between documents and pictures.

Markdown of a checkout is read where it is; an installed package has it in `share/broker_assets/docs`.
"""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt

USUAL: Final = "http://127.0.0.1:8000"
"""Address of the server in the examples of the documentation."""
_NAME: Final = re.compile(r"[a-z0-9-]+(?:/[a-z0-9-]+)?")
_PICTURE: Final = re.compile(r"[a-z0-9_-]+\.png")
_EVERYWHERE: Final = ("http", "https", "mailto")


@dataclass(frozen=True)
class Rendered:
    """A document."""

    title: str
    html: str
    """Safe: HTML in the Markdown is shown as text."""
    headings: tuple[tuple[str, str], ...]
    """Anchors and texts of the second-level headings."""


class NoSuchDocument(LookupError):
    """There is no document with this name."""


@cache
def folder() -> Path | None:
    """Where the documentation is; None if it was not installed."""
    here = Path(__file__).resolve().parents[3]
    installed = Path(sysconfig.get_path("data")) / "share" / "broker_assets" / "docs"
    known = [here / "docs"] if (here / "pyproject.toml").is_file() else []
    return next((path for path in (*known, installed) if (path / "architecture.md").is_file()), None)


@cache
def documents() -> dict[str, str]:
    """Titles of all documents by name, such as `operating` and `guide/object`; sorted by name."""
    root = folder()
    if root is None:
        return {}
    paths = [*sorted(root.glob("*.md")), *sorted(root.glob("guide/*.md"))]
    return {str(path.relative_to(root).with_suffix("")): _title(path.read_text("utf-8"), path.stem) for path in paths}


def picture(name: str) -> bytes:
    """A picture of the documentation.

    Raises
    ------
    NoSuchDocument
        If there is none.
    """
    root = folder()
    if root is None or not _PICTURE.fullmatch(name) or not (root / "pictures" / name).is_file():
        raise NoSuchDocument(name)
    return (root / "pictures" / name).read_bytes()


def rendered(name: str, *, address: str = USUAL) -> Rendered:
    """Render a document.

    Parameters
    ----------
    name : str
        Of `documents`.
    address : str
        Address of the server as the reader reaches it; it replaces `USUAL` in examples.

    Raises
    ------
    NoSuchDocument
        If there is none.
    """
    root = folder()
    if root is None or not _NAME.fullmatch(name) or name not in documents():
        raise NoSuchDocument(name)
    text = (root / f"{name}.md").read_text("utf-8").replace(USUAL, address)
    return render(text, name, known=frozenset(documents()))


def render(text: str, name: str, *, known: frozenset[str] = frozenset()) -> Rendered:
    """Render Markdown.

    Parameters
    ----------
    text : str
        Markdown with tables; HTML in it is shown as text.
    name : str
        Of the document; links are relative to it.
    known : frozenset of str
        Documents to which links may lead; other links into the project become text.

    Examples
    --------
    >>> render("# A\\n\\n## B c\\n[d](../e.md#f) <b>", "guide/a", known=frozenset({"e"})).html
    '<h1>A</h1>\\n<h2 id="b-c">B c</h2>\\n<p><a href="/help/e#f">d</a> &lt;b&gt;</p>\\n'
    """
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(text)
    headings: list[tuple[str, str]] = []
    used: dict[str, int] = {}
    for place, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag != "h1":
            words = _words(tokens[place + 1])
            anchor = _anchor(words, used)
            token.attrSet("id", anchor)
            if token.tag == "h2":
                headings.append((anchor, words))
        elif token.type == "inline":
            _rewrite(token.children or [], name, known)
    tables = {"table_open": '<div class="scroll" tabindex="0"><table>\n', "table_close": "</table></div>\n"}
    for kind, html in tables.items():
        reader.add_render_rule(kind, _constant(html))
    html = reader.renderer.render(tokens, reader.options, {}).replace("<pre>", '<pre tabindex="0">')
    return Rendered(_title(text, name), html, tuple(headings))


def _constant(html: str) -> Callable[..., str]:
    return lambda *_: html


def _rewrite(children: list[Any], name: str, known: frozenset[str]) -> None:
    """Point links and pictures to our addresses; those that are not served become text."""
    dropped = 0
    for token in children:
        if token.type == "image":
            token.attrSet("src", f"/help/pictures/{PurePosixPath(str(token.attrGet('src'))).name}")
        elif token.type == "link_open":
            target = _target(str(token.attrGet("href")), name, known)
            if target:
                token.attrSet("href", target)
            else:
                token.type, token.tag, token.attrs, dropped = "text", "", {}, dropped + 1
        elif token.type == "link_close" and dropped:
            token.type, token.tag, dropped = "text", "", dropped - 1


def _target(href: str, name: str, known: frozenset[str]) -> str:
    """Address of a link; empty if it leads to a file that is not served."""
    parts = urlsplit(href)
    if parts.scheme in _EVERYWHERE or not (parts.scheme or parts.path):
        return href
    path: list[str] = list(PurePosixPath(name).parent.parts)
    for part in PurePosixPath(parts.path).parts:
        path = path[:-1] if part == ".." else [*path, part]
    document = "/".join(path).removesuffix(".md")
    anchor = f"#{parts.fragment}" if parts.fragment else ""
    return f"/help/{document}{anchor}" if parts.path.endswith(".md") and document in known else ""


def _words(inline: Any) -> str:
    return "".join(token.content for token in inline.children or [] if token.type in ("text", "code_inline"))


def _anchor(words: str, used: dict[str, int]) -> str:
    """The anchor of a heading, by the rule of code-hosting sites."""
    anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-") or "part"
    used[anchor] = used.get(anchor, -1) + 1
    return f"{anchor}-{used[anchor]}" if used[anchor] else anchor


def _title(text: str, name: str) -> str:
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1].replace("`", "") if found else name
