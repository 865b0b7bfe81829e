"""The status page in a real browser."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from debian_programs import needed_program

pytestmark = [pytest.mark.browser, pytest.mark.database, pytest.mark.slow]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Chromium's command."""
    return needed_program("chromium")


def browse(chromium: str, profile: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the browser without a window."""
    fixed = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--disable-dev-shm-usage")
    return subprocess.run([chromium, *fixed, *arguments], capture_output=True, text=True, timeout=120)


def test_the_page_renews_itself_under_its_own_policy(site: Any, chromium: str, tmp_path: Path) -> None:
    done = browse(
        chromium,
        tmp_path,
        "--virtual-time-budget=14000",
        "--enable-logging=stderr",
        "--v=0",
        "--dump-dom",
        f"{site.url}/status/",
    )
    assert f"{len(site.alerts):,}" in done.stdout
    assert '<span class="faint" id="when" role="status"></span>' in done.stdout, "the page could not renew itself"
    assert "✗ Service · Broker</title>" in done.stdout
    assert "Content Security Policy" not in done.stderr


def test_the_page_can_be_seen(site: Any, chromium: str, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    browse(chromium, tmp_path, "--window-size=1000,1400", f"--screenshot={picture}", f"{site.url}/status/")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
