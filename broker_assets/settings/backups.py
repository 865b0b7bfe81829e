"""Backups as settings: where they are kept, for how long, and with which programs.

The tree that they are part of is `settings`. Nothing here opens a connection.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

_STRICT = ConfigDict(extra="forbid", hide_input_in_errors=True)


class BackupSettings(BaseModel):
    """Backups of the databases, and the list of the files in the object store."""

    model_config = _STRICT

    folder: Path | None = None
    """Folder of the backups, best on another disk; default: `<home>/backups`."""
    copy_url: str | None = None
    """fsspec URL of a folder on another machine that gets a copy of every backup; none unless set."""
    copy_options: dict[str, str] = Field(default_factory=dict)
    """Options of the file system of that URL (user, key file, endpoint, …)."""
    copy_secrets: dict[str, SecretStr] = Field(default_factory=dict)
    """Options that are never printed (password, key, secret)."""
    database_url: SecretStr | None = None
    """`postgresql+psycopg://…` of a role that reads all tables and may replicate; default: `database.url`."""
    programs: Path | None = None
    """Folder of the programs of PostgreSQL (`pg_basebackup`, `pg_receivewal`, `postgres`), of the version of the
    server; default: those of the embedded one."""
    scratch: Path | None = None
    """Folder in which backups are restored for checks, with room for the database; default: the system's folder for
    temporary files."""
    keep_days: int = Field(default=14, ge=1)
    """Days for which backups of users' data and lists of the object store are kept; the newest always is."""
    keep_weeks: int = Field(default=5, ge=1)
    """Weeks for which base backups are kept, and the write-ahead log that they need; the newest always is."""
    continuous: bool = False
    """Whether `broker-assets up` also keeps the write-ahead log as it is written, so that a base backup can be brought
    up to the last committed transaction. It takes as much space as everything that is written. In containers,
    `broker-assets backup receive` does this."""
    compress_log: bool = False
    """Whether complete segments of the write-ahead log are compressed (gzip)."""
