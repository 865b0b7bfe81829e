"""Results of queued SQL as files in the object store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from upath import UPath

from broker_assets.settings import Settings
from broker_assets.tom.queries.queue import Queued

FOLDER = "query_results"


def results_folder(settings: Settings) -> UPath:
    """The folder of the results."""
    return UPath(settings.archive) / FOLDER


def remove_files(folder: UPath, queries: Iterable[Queued]) -> int:
    """Remove files of results; return how many there were."""
    removed = 0
    for query in queries:
        with contextlib.suppress(FileNotFoundError):
            (folder / query.file).unlink()
            removed += 1
    return removed
