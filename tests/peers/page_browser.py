"""A browser for tests of pages: violations are recorded, and pages are checked as readers see them.

`axe-core` (MPL 2.0, its licence is next to it) is an unmodified file of its npm package, version 4.10.3; it is used by
tests only.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from browser import Browser, NoBrowserError, program

AXE = Path(__file__).parent / "axe-core" / "axe.min.js"
PHONE = (360, 740)
DESK = (1280, 800)


class NavigatedError(Exception):
    """The page was replaced by the next one while it was asked."""


class PageBrowser(Browser):
    """A browser that records violations of the content policy, errors of scripts, and hosts that were asked."""

    def __enter__(self) -> Self:
        self.troubles: list[str] = []
        self.hosts: set[str] = set()
        self._loaded = False
        super().__enter__()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        return self

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(timeout=120))
            if answer.get("id") == number:
                if "navigated" in answer.get("error", {}).get("message", ""):
                    raise NavigatedError(method)
                assert "error" not in answer, f"{method}: {answer['error']['message']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer.get("method", ""), answer.get("params", {}))

    def _note(self, event: str, about: dict[str, Any]) -> None:
        if event == "Log.entryAdded" and about["entry"]["level"] == "error":
            entry = about["entry"]
            if entry["source"] != "network":  # answers 404 are no trouble of a page
                self.troubles.append(f"{entry['source']}: {entry['text']}")
        elif event == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.troubles.append(details.get("exception", {}).get("description", details["text"]))
        elif event == "Network.requestWillBeSent":
            parts = urlsplit(about["request"]["url"])
            if parts.scheme in ("http", "https", "ws", "wss"):
                self.hosts.add(parts.netloc)
        elif event == "Page.loadEventFired":
            self._loaded = True

    def go(self, url: str, size: tuple[int, int] = DESK, *, dark: bool = False, scripts: bool = True) -> None:
        """Open a page and wait until it is loaded."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._call("Emulation.setEmulatedMedia", features=scheme)
        self._call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.resize(*size)
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=url)
        if scripts:
            left = "true" if url == "about:blank" else "location.href !== 'about:blank'"
            self.soon(f"document.readyState === 'complete' && {left}")
        else:
            time.sleep(0.5)

    def soon(self, condition: str, seconds: float = 15.0) -> None:
        """Wait until a JavaScript expression is true, looking often; what it asks for may be absent at first."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(NavigatedError):  # the next page may have it
                if self.evaluate(f"(() => {{ try {{ return Boolean({condition}) }} catch {{ return false }} }})()"):
                    return
            assert time.monotonic() < deadline, f"{condition} is not true"
            time.sleep(0.05)

    def sideways(self) -> int:
        """Pixels by which the page is wider than its window, once charts have followed the window."""
        deadline = time.monotonic() + 5.0
        while True:
            root = "document.documentElement"
            wider = int(self.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))
            if wider <= 0 or time.monotonic() > deadline:
                return wider
            time.sleep(0.1)

    def inaccessible(self) -> list[str]:
        """What axe-core finds wrong with the page."""
        self.evaluate(AXE.read_text() + ";0")
        run = "axe.run(document, {resultTypes: ['violations']})"
        found = self.evaluate(
            f"{run}.then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ') + ' '"
            " + (n.any[0] || n.all[0] || n.none[0] || {message: ''}).message).slice(0, 3).join(' | ')))"
        )
        return list(found)

    def key(self, name: str) -> None:
        """Press a key."""
        text = {"text": name} if len(name) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=name, **(text if kind == "keyDown" else {}))

    def whole_picture(self) -> bytes:
        """The page from top to bottom as a PNG."""
        height = int(self.evaluate("document.documentElement.scrollHeight"))
        width = int(self.evaluate("innerWidth"))
        self.resize(width, min(height, 6000))
        time.sleep(0.3)
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])


@pytest.fixture(scope="session")
def one_browser() -> Iterator[PageBrowser]:
    """The browser of all tests of pages; skipped where there is no Chromium."""
    try:
        program()
    except NoBrowserError as error:
        pytest.skip(str(error))
    with PageBrowser() as browser:
        yield browser


@pytest.fixture
def page_browser(one_browser: PageBrowser) -> PageBrowser:
    """The browser, without what it recorded in other tests, and without their last page, which may still load."""
    one_browser.go("about:blank")
    one_browser.troubles.clear()
    one_browser.hosts.clear()
    return one_browser
