"""Headless Chromium, driven over the DevTools protocol: open a page, wait for what it shows, take a picture."""

from __future__ import annotations

import base64
import io
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from PIL import Image
from websockets.sync.client import connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
COLOURS = 256
"""Colours of a picture: enough for pages of text and diagrams, at a third of the size."""


class NoBrowserError(RuntimeError):
    """Chromium is not installed; the message says how to get it."""


class PageError(RuntimeError):
    """A page does not show what it should; the message says what it shows."""


def program() -> str:
    """Chromium's command.

    Raises
    ------
    NoBrowserError
        If there is none.
    """
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        raise NoBrowserError(
            "Chromium is needed for pictures: `apt-get install chromium` on Debian, `dnf install chromium` on Fedora, "
            "or any other package that brings one of the commands " + ", ".join(PROGRAMS)
        )
    return found


class Browser:
    """A browser with one page, for the time of a `with`."""

    def __init__(self) -> None:
        self._resources = ExitStack()
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        folder = tempfile.TemporaryDirectory(prefix="broker-pictures-", ignore_cleanup_errors=True)
        profile = Path(self._resources.enter_context(folder))
        fixed = (
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
            "--enable-unsafe-swiftshader",  # maps need WebGL, which is drawn by the processor here
        )
        self._process = subprocess.Popen(  # noqa: S603 (our own arguments)
            [program(), *fixed, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._resources.callback(self._end)
        port = self._port(profile / "DevToolsActivePort")
        self._connection = self._resources.enter_context(connect(self._page(port), max_size=None))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    @staticmethod
    def _port(file: Path) -> int:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if file.exists() and (lines := file.read_text().split()):
                return int(lines[0])
            time.sleep(0.1)
        raise PageError("Chromium did not start within a minute")

    @staticmethod
    def _page(port: int) -> str:
        """Address of the page's side of the protocol."""
        from urllib.request import urlopen

        with urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            pages = [target for target in json.load(answer) if target["type"] == "page"]
        return str(pages[0]["webSocketDebuggerUrl"])

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(timeout=120))
            if answer.get("id") == number:
                if "error" in answer:
                    raise PageError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    def evaluate(self, script: str) -> Any:
        """Value of a JavaScript expression in the page."""
        result = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise PageError(f"{script}: {details.get('exception', {}).get('description', details.get('text'))}")
        return result["result"].get("value")

    def open(self, url: str, shows: str, *, width: int, height: int, scale: float = 1.0, seconds: float = 60.0) -> None:
        """Open a page and wait until its text contains something.

        Parameters
        ----------
        url : str
            The page.
        shows : str
            Text that the page has once it is complete.
        width, height : int
            Size of the window, pixels.
        scale : float
            Pixels of a picture for one of the window.
        seconds : float
            How long to wait.

        Raises
        ------
        PageError
            If the text does not appear.
        """
        self.resize(width, height, scale=scale)
        self._call("Page.navigate", url=url)
        self.wait(f"(document.body ? document.body.innerText : '').includes({json.dumps(shows)})", url, seconds)

    def resize(self, width: int, height: int, *, scale: float = 1.0) -> None:
        """Give the window another size, and pictures that many pixels for one of it."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def wait(self, condition: str, what: str, seconds: float = 60.0) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + seconds
        while not self.evaluate(condition):
            if time.monotonic() > deadline:
                text = self.evaluate("document.body ? document.body.innerText : ''")
                raise PageError(f"{what}: {condition} is not true after {seconds:.0f} s; it shows {text[:1500]!r}")
            time.sleep(0.3)

    def picture(self, settle: float = 2.0) -> bytes:
        """The page as a PNG with few colours, after animations have ended."""
        time.sleep(settle)
        content = base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])
        return reduced(content)


def reduced(content: bytes) -> bytes:
    """A PNG with a palette."""
    with Image.open(io.BytesIO(content)) as picture:
        # Few pixels have the colours of symbols; by their number alone they would all become grey.
        small = picture.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    small.save(buffer, format="png", optimize=True)
    return buffer.getvalue()
