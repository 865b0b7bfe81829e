"""Targets and database of the publication commands."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from broker_assets.settings import PublicationTarget, Settings, load_settings


def chosen(settings: Settings, names: list[str] | None, *, mirror: bool) -> list[PublicationTarget]:
    """Return configured targets: archives or mirrors, all of them or those named.

    Raises
    ------
    LookupError
        If there is no target with this name, or none at all.
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
        raise LookupError(f"no {kind} {', '.join(sorted(unknown))} is configured; known: {known}")
    return [target for target in found if not names or target.name in names]


@contextlib.contextmanager
def open_database(*, prepare: bool = False) -> Iterator[Any]:
    """A connection; explains missing tables."""
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
        raise LookupError("the database has no publication tables yet; create them with `--prepare`") from None
    finally:
        connection.close()
