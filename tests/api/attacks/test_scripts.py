"""What users write is text wherever it is shown, and what they send in an address is too."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from attacked_things import SCRIPT
from every_route import filled, read_paths

pytestmark = pytest.mark.database


class Finder(HTMLParser):
    """What of a page could run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        for name, value in attrs:
            text = (value or "").strip().lower()
            if name.startswith("on") or name in ("style", "srcdoc"):
                self.found.append(f"<{tag} {name}={value}>")
            leads = name in ("href", "src", "action", "formaction", "data", "xlink:href", "hx-get", "hx-post")
            runs = text.startswith(("javascript:", "data:text", "vbscript:", "//"))
            if leads and (runs or (name == "src" and text.startswith("http"))):
                self.found.append(f"<{tag} {name}={value}>")
        if tag == "script" and not given.get("src") and given.get("type") not in ("application/json", "text/plain"):
            self.found.append("<script>")
        if tag in ("iframe", "object", "embed", "base") or (tag == "img" and given.get("src") == "x"):
            self.found.append(f"<{tag}>")


def what_could_run(page: str) -> list[str]:
    """Scripts, handlers and addresses that run something."""
    finder = Finder()
    finder.feed(page)
    return finder.found


def test_the_finder_finds() -> None:
    for text in (SCRIPT, '<a href=" JavaScript:x">', "<b onclick=x>", "<p style=x>", "<iframe>", "<script>", "<base>"):
        assert what_could_run(text)
    assert what_could_run('<a href="/x?q=javascript:">a</a><script defer src="/static/a.js"></script>') == []


GIVEN = ("q", "next", "name", "who", "subject", "since", "tab", "sort", "error", "said", "code", "state", "how", "page")


@pytest.mark.parametrize("name", ["victim", "admin"])
def test_no_page_runs_what_users_wrote(ground: Any, name: str) -> None:
    someone = ground.user(name)
    pages = shown = 0
    for path in read_paths(ground.app):
        if name == "admin" and not path.startswith(("/admin", "/annotators", "/status", "/profile")):
            continue
        query = dict.fromkeys(GIVEN, SCRIPT)
        answer = someone.get(filled(path, ground.public, SCRIPT), params=query, follow_redirects=False)
        if answer.status_code in (400, 422):  # the page itself, if it takes no such value
            if answer.headers.get("content-type", "").startswith("text/html"):
                assert what_could_run(answer.text) == [], path
            assert answer.headers.get("x-content-type-options") == "nosniff", path
            answer = someone.get(filled(path, ground.public, SCRIPT), follow_redirects=False)
        assert answer.status_code < 500 or path in ("/health", "/ready"), path
        kind = answer.headers.get("content-type", "")
        if not kind.startswith("text/html"):
            assert "svg" not in kind or SCRIPT not in answer.text
            continue
        pages += 1
        shown += "onerror" in answer.text
        assert what_could_run(answer.text) == [], path
        if answer.text.lstrip().lower().startswith("<!doctype"):  # others are parts of pages
            policy = answer.headers.get("content-security-policy", "")
            assert "default-src 'none'" in policy, path
            assert "unsafe-inline" not in policy, path
    assert pages > 3
    assert shown > 3


def test_files_are_never_shown_as_pages(ground: Any) -> None:
    """Names of lists are in names of files, and their content was written by users."""
    victim = ground.user("victim")
    files = 0
    for path in read_paths(ground.app):
        answer = victim.get(filled(path, ground.public), follow_redirects=False)
        disposition = answer.headers.get("content-disposition", "")
        if disposition:
            files += 1
            assert not answer.headers["content-type"].startswith("text/html"), path
            assert not set("<>\r\n\\") & set(disposition), path
            assert disposition.count('"') in (0, 2), path
            assert answer.headers.get("x-content-type-options") == "nosniff", path
    assert files > 3
