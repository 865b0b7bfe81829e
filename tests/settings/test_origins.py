"""Settings files and variables that cannot be read are refused with their name, and never skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from broker_assets.settings import WrongSettingsError, load_settings
from broker_assets.settings.origins import settings_file


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("BROKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BROKER_SETTINGS", str(tmp_path / "mine.toml"))
    load_settings.cache_clear()
    return tmp_path / "mine.toml"


def test_a_file_with_the_mark_of_utf_8_is_read(file: Path) -> None:
    file.write_bytes("\N{BYTE ORDER MARK}[server]\r\napi_port = 8001\r\n".encode())
    assert load_settings().server.api_port == 8001


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[server\napi_port = 8001", "is not TOML: Expected ']'"),
        (b"[server]\n[server]\n", "is not TOML: Cannot declare ('server',) twice"),
        ("[server]\napi_port = 8001".encode("utf-16"), "is not UTF-8, as TOML must be"),
        (b"home = '/caf\xe9'", "is not UTF-8, as TOML must be"),
        (None, r"(BROKER_SETTINGS) does not exist"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(file: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(WrongSettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith(f"the settings file {file} {said}")


def test_only_a_file_that_is_named_must_exist(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    for unset in ("", None):
        monkeypatch.delenv("BROKER_SETTINGS", raising=False)
        if unset is not None:
            monkeypatch.setenv("BROKER_SETTINGS", unset)
        assert settings_file() == Path("broker.toml")
    Path("broker.toml").mkdir()
    with pytest.raises(WrongSettingsError, match=r"^the settings file broker\.toml is not a file$"):
        settings_file()
    monkeypatch.setenv("BROKER_SETTINGS", "~/mine.toml")
    monkeypatch.setenv("HOME", str(file.parent))
    file.touch()
    assert settings_file() == file


@pytest.mark.parametrize("name", ["BROKER_SERVER", "BROKER_SERVER__PUBLIC_HOSTS", "BROKER_STREAMS"])
def test_a_variable_that_is_no_json_is_named_without_its_value(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file.touch()
    monkeypatch.setenv(name, "hush [1")
    with pytest.raises(WrongSettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith(f"{name} must be JSON")
    assert "hush" not in str(refused.value)
