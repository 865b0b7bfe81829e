"""Where settings come from: environment variables and the TOML file.

Reading both belongs here, and how streams given as a list, as named tables and by environment variables are combined.
Which names exist is `settings.names`. Nothing here opens a connection.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from broker_assets.settings.names import PREFIX, WrongSettingsError, unknown_variables
from broker_assets.settings.stream import StreamSettings, env_key


def settings_file() -> Path:
    """The TOML file of this process; without `BROKER_SETTINGS` it need not exist.

    Raises
    ------
    WrongSettingsError
        If the file that `BROKER_SETTINGS` names does not exist: without it the platform would run with other databases
        and streams than it is meant to.
    """
    named = os.environ.get("BROKER_SETTINGS")
    file = Path(named or "broker.toml").expanduser()
    if not file.is_file() and (named or file.exists()):
        by_variable = " (BROKER_SETTINGS)" if named else ""
        raise WrongSettingsError(
            f"the settings file {file}{by_variable} {'is not a file' if file.exists() else 'does not exist'}"
        )
    return file


def listed(streams: Any) -> Any:
    """Turn named tables into a list of streams, with the key as name where a table has none; leave a list as it is."""
    if not isinstance(streams, Mapping):
        return streams
    return [{"name": key, **entry} if isinstance(entry, Mapping) else entry for key, entry in streams.items()]


def keyed(streams: Any) -> dict[str, Any]:
    """Streams by their `env_key`, each with its name.

    Raises
    ------
    ValueError
        If two of them have the same key.
    """
    found: dict[str, Any] = {}
    for number, entry in enumerate(listed(streams)):
        named = isinstance(entry, Mapping) and (entry.get("name") or entry.get("topic"))
        key = env_key(named) if isinstance(named, str) else str(number)
        if key in found:
            raise ValueError(f"two streams are called {named!r} in environment variables: give one another name")
        found[key] = {**entry, "name": named} if named else entry
    return found


class StreamEnvironment(EnvSettingsSource):
    """Environment variables; `BROKER_STREAMS__<NAME>__…` sets a part of the stream of that name."""

    def prepare_field_value(self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool) -> Any:
        """Override values of `BROKER_STREAMS` with the variables of single streams."""
        if field_name != "streams":
            return super().prepare_field_value(field_name, field, value, value_is_complex)
        tables = FieldInfo.from_annotation(dict[str, StreamSettings])
        parts = self.explode_env_vars(field_name, tables, self.env_vars)
        if value is None:
            return parts or None
        whole = self.decode_complex_value(field_name, field, value)
        return listed(_laid_over(keyed(whole), parts)) if parts else whole

    def __call__(self) -> dict[str, Any]:
        """Return what the environment sets, with the names that are not settings, which the tree then refuses."""
        return super().__call__() | dict.fromkeys(unknown_variables(self.settings_cls, self.env_vars))

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Read JSON.

        Raises
        ------
        WrongSettingsError
            If it is none; the message names the variable, and never shows what it holds.
        """
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            end = field_name.lower()
            named = [name.upper() for name, text in self.env_vars.items() if text == value and name.endswith(end)]
            variable = next(iter(sorted(named)), f"{PREFIX}…{field_name.upper()}")
            raise WrongSettingsError(f"{variable} must be JSON (a list in brackets, a table in braces)") from None


class StreamToml(TomlConfigSettingsSource):
    """The TOML file; streams in a list are matched by name with those of which the environment sets parts."""

    def __call__(self) -> dict[str, Any]:
        """Return the content in a form that the environment can override in parts."""
        found = dict(super().__call__())
        if "streams" in found and isinstance(self.current_state.get("streams"), dict):
            found["streams"] = keyed(found["streams"])
        return found

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        # With the mark that editors of Windows put before UTF-8.
        try:
            return tomllib.loads(file_path.read_bytes().decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise WrongSettingsError(f"the settings file {file_path} is not UTF-8, as TOML must be") from None
        except tomllib.TOMLDecodeError as error:
            raise WrongSettingsError(f"the settings file {file_path} is not TOML: {error}") from None


def _laid_over(under: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(under)
    for key, value in over.items():
        known = found.get(key)
        both = isinstance(known, dict) and isinstance(value, Mapping)
        found[key] = _laid_over(known, value) if both and isinstance(known, dict) else value
    return found
