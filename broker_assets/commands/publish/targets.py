"""What the commands of publication work on: targets of the settings, and the database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from broker_assets.settings import PublicationTarget, Settings, load_settings


def chosen(settings: Settings, names: list[str] | None, *, mirror: bool) -> list[PublicationTarget]:
    """Targets of the settings: archives or mirrors, all or those named.

    Raises
    ------
    LookupError
        If there is none of this name, or none at all.
    """
    found = [target for target in settings.publication.targets if target.mirror == mirror]
    kind = "mirror" if mirror else "archive"
    if not found:
        raise LookupError(
            f"no {kind} is configured: set BROKER_PUBLICATION__TARGETS, or name a folder with --target-dir"
        )
    unknown = set(names or ()) - {target.name for target in found}
    if unknown:
        known = ", ".join(target.name for target in found)
        raise LookupError(f"no {kind} {', '.join(sorted(unknown))} is configured; there are: {known}")
    return [target for target in found if not names or target.name in names]


@contextlib.contextmanager
def open_database(*, prepare: bool = False) -> Iterator[Any]:
    """A connection; what is missing in the database is said in words."""
    import psycopg

    from broker_assets.commands.status import database
    from broker_assets.database import migrations
    from broker_assets.local.platform import connected

    settings = load_settings()
    if prepare:
        url = settings.database.url or connected(settings).database.url
        if url is not None:
            migrations.upgrade(url.get_secret_value())
    connection = database(settings)
    try:
        yield connection
    except psycopg.errors.UndefinedTable:
        raise LookupError("the database has no tables of publication yet; `--prepare` makes them") from None
    finally:
        connection.close()
