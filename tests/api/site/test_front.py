"""The front page: what the last nights brought, and what to do where there is nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from broker_assets.settings import DatabaseSettings, Settings

pytestmark = pytest.mark.database


def test_new_objects_rates_and_the_sky_are_shown(site: Any) -> None:
    text = site.client.get("/").text
    assert text.count("<h1") == 1
    assert "Brightest new objects since" in text
    assert 'class="sky"' in text
    assert "class-" in text
    assert "/objects/" in text
    nights = text.split("Stored, by the date")[1].split("</table>")[0]
    assert nights.count("<tr>") >= 3


def test_health_is_one_sentence(site: Any) -> None:
    text = site.client.get("/health-sentence").text
    assert "Something does not work" in text  # Kafka is unavailable in these tests
    assert "<html" not in text


def test_without_alerts_it_says_what_to_do(
    module_database_url: str, tmp_path: Path, serve: Callable[[Settings], AbstractContextManager[str]]
) -> None:
    settings = Settings(home=tmp_path, database=DatabaseSettings(url=module_database_url), streams=[])  # type: ignore[arg-type]
    with serve(settings) as url:
        text = httpx.get(url).text
    assert "No alerts yet" in text
    assert "make run" in text


def test_without_a_database_the_page_is_there(
    tmp_path: Path, serve: Callable[[Settings], AbstractContextManager[str]]
) -> None:
    with serve(Settings(home=tmp_path)) as url:
        answer = httpx.get(url)
    assert answer.status_code == 200
    assert "The database is unavailable" in answer.text
