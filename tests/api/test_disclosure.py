"""What the pages show to readers with and without the token."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.api.disclosure import without_private
from broker_assets.settings import DatabaseSettings, KafkaSettings, ServerSettings, Settings

PAGES = ("/", "/fragment", "/api/status", "/api/telemetry", "/metrics", "/health")
NAMES = st.text("abcdefghij-_.0123456789", min_size=1, max_size=12).filter(lambda name: name.strip("."))


@given(
    folders=st.lists(NAMES, min_size=1, max_size=5), name=NAMES, before=st.sampled_from(["see ", "(", '"', "file://"])
)
def test_folders_of_paths_never_remain(folders: list[str], name: str, before: str) -> None:
    shown = without_private(f"failed: {before}/{'/'.join(folders)}/{name} is away")
    assert f"/{'/'.join(folders)}/" not in shown
    assert all(f"/{folder}/" not in shown for folder in folders)
    assert shown.endswith(" is away")


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ('FATAL: password authentication failed for user "writer"', "writer"),
        ("sftp://stix:word@gateway.example/incoming is away", "stix"),
        ("postgresql://writer@db.example/broker", "writer"),
        ("the database is unavailable (broker at db.example:5432 as writer): refused", "writer"),
        ("the database is unavailable (broker at /run/pg as writer): refused", "/run"),
        ("the database is unavailable (the default database at the local socket as writer): refused", "writer"),
        ("the database is unavailable (broker at db.example): refused", "db.example"),
        ('connection to server on socket "/home/ann/pg/.s.PGSQL.5432" failed', "ann"),
        ("killed process 4711", "4711"),
    ],
)
def test_users_servers_and_processes_never_remain(text: str, private: str) -> None:
    assert private not in without_private(text)


@pytest.mark.parametrize(
    "text",
    [
        "stored / received",
        "3 km/s",
        "looked at once as asked",
        "`broker-assets status` shows it",
        "2026/11/29",
        "missing: …/p1-o1481.avro: 3 bytes",
        "http://127.0.0.1:3000/runs",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert without_private(text) == text


@pytest.mark.database
def test_the_token_shows_what_others_do_not_see(
    module_database_url: str, tmp_path: Path, serve: Callable[[Settings], AbstractContextManager[str]]
) -> None:
    home = tmp_path / "a home"
    home.mkdir()
    settings = Settings(
        home=home,
        database=DatabaseSettings(url=module_database_url),  # type: ignore[arg-type]
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1", client={"socket.connection.setup.timeout.ms": "500"}),
        server=ServerSettings(status_token="token of the operators"),  # type: ignore[arg-type]
    )
    with serve(settings) as url, httpx.Client(base_url=url, timeout=30) as client:
        known = client.get("/api/status", headers={"Authorization": "Bearer token of the operators"}).json()
        (address,) = [service["address"] for service in known["services"] if service["name"] == "database"]
        assert " as " in address
        user = address.rpartition(" as ")[2]
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer"}, {"Authorization": "Basic x"}):
            for page in PAGES:
                answer = client.get(page, headers=headers)
                assert address not in answer.text
                assert f"as {user}" not in answer.text
                assert str(tmp_path) not in answer.text
                assert f'"pid":{os.getpid()}' not in answer.text


@pytest.mark.database
def test_where_a_source_comes_from_shows_no_folder(site: Any) -> None:
    source = site.record(site.alerts[0])["diaSource"]["diaSourceId"]
    (found, *_) = site.client.get(f"/api/why/{source}").json()
    assert found["packet"]["archive_url"].endswith(".avro")
    assert not found["packet"]["archive_url"].startswith(("/", "file:"))
    assert str(site.settings.home) not in str(found)


@pytest.mark.database
def test_without_a_token_in_the_settings_no_token_is_right(site: Any) -> None:
    for header in ("Bearer None", "Bearer"):
        status = site.client.get("/api/status", headers={"Authorization": header}).json()
        assert all(service["pid"] is None for service in status["services"])
        assert all(service["address"] == "" for service in status["services"] if service["name"] == "database")
