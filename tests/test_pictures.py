"""Pictures of the documentation, which must be few and small, and the browser that takes them."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import pytest
from browser import PROGRAMS, Browser, NoBrowserError, PageError, program, reduced
from PIL import Image

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pictures"


def documents() -> dict[str, str]:
    """Text of every document that users read."""
    return {
        str(path.relative_to(ROOT)): path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    }


def test_every_picture_is_shown_and_every_picture_that_is_shown_exists() -> None:
    shown = {name for text in documents().values() for name in re.findall(r"pictures/(\w+\.png)\)", text)}
    assert shown == {path.name for path in FOLDER.glob("*.png")}


def test_every_picture_is_one_of_the_script() -> None:
    script = (FOLDER / "make.py").read_text()
    groups = {f"group_{name}" for name in re.findall(r'_group\("(\w+)"', script)}
    taken = groups | set(re.findall(r'Shot\("(\w+)"', script)) | set(re.findall(r'"(\w+)\.png"', script))
    assert {path.stem for path in FOLDER.glob("*.png")} == taken


def test_pictures_are_small() -> None:
    """They stay in the history of the repository for ever."""
    assert sum(path.stat().st_size for path in FOLDER.glob("*.png")) <= 1_500_000


def test_fewer_colours_leave_a_picture_as_it_is() -> None:
    picture = Image.linear_gradient("L").convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, format="png")
    with Image.open(io.BytesIO(reduced(buffer.getvalue()))) as small:
        assert small.size == picture.size
        differences = [
            abs(a - b) for a, b in zip(small.convert("L").tobytes(), picture.convert("L").tobytes(), strict=True)
        ]
    assert max(differences) <= 3


def test_without_a_browser_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoBrowserError, match="apt-get install chromium"):
        program()


PAGE = """data:text/html,<title>t</title><body style="margin:0;background:rgb(200,30,40)"><p id=a>early</p>
<button onclick="document.body.style.background='rgb(10,120,220)'">press</button>
<script>setTimeout(() => { document.getElementById('a').innerText = 'complete' }, 300)</script>"""


@pytest.mark.browser
@pytest.mark.skipif(not any(map(shutil.which, PROGRAMS)), reason="Chromium is not installed")
def test_a_page_is_opened_waited_for_and_pictured() -> None:
    with Browser() as browser:
        browser.open(PAGE, "complete", width=300, height=200)
        with Image.open(io.BytesIO(browser.picture(settle=0.1))) as red:
            assert red.size == (300, 200)
            assert red.convert("RGB").getpixel((290, 190)) == (200, 30, 40)
        browser.evaluate("document.querySelector('button').click()")
        browser.resize(400, 100, scale=0.5)
        with Image.open(io.BytesIO(browser.picture(settle=0.3))) as blue:
            assert blue.size == (200, 50)
            assert blue.convert("RGB").getpixel((190, 45)) == (10, 120, 220)
        with pytest.raises(PageError, match="it shows 'complete"):
            browser.open(PAGE, "never", width=300, height=200, seconds=1.0)
        with pytest.raises(PageError, match="nonsense"):
            browser.evaluate("nonsense()")
