"""What the page of an object shows, gathered from the domain packages; a part that fails does not affect the others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
from fastapi import Request
from psycopg.rows import dict_row

from broker_assets.access import visibility
from broker_assets.access.sharing import Kind
from broker_assets.api.authentication import accounts_of
from broker_assets.api.objects import sherlock_row
from broker_assets.api.site.frame import viewer_of
from broker_assets.database.engine import DatabaseUnavailableError

log = logging.getLogger(__name__)
Connection = psycopg.Connection[Any]
Part = TypeVar("Part")

_CLASSES = (
    "SELECT classifier, version, class, score FROM object_classes WHERE diaobjectid = %s"
    " ORDER BY classifier, score DESC"
)


@dataclass
class Sight:
    """The visitor, and what is shared with them."""

    viewer: str | None
    everything: bool
    shared: dict[str, set[str]]

    def of(self, kind: Kind) -> dict[str, Any]:
        """Arguments of functions that look for things of a kind."""
        return {"viewer": self.viewer, "shared": self.shared.get(kind, set()), "everything": self.everything}


@dataclass
class Parts:
    """Parts of the page besides the light curve."""

    context: dict[str, Any] | None = None
    classes: list[dict[str, Any]] = field(default_factory=list)
    tns: dict[str, Any] | None = None
    annotations: list[dict[str, Any]] = field(default_factory=list)
    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    filters: list[dict[str, Any]] = field(default_factory=list)
    missed: list[dict[str, Any]] = field(default_factory=list)
    """Active filters of the account that no alert of the object passed."""
    failed: set[str] = field(default_factory=set)
    """Names of parts that could not be read."""


def sight_of(request: Request) -> Sight:
    """What the account of a request may see; only what is public while accounts cannot be read."""
    user = viewer_of(request).user
    if user is None:
        return Sight(None, False, {})
    kinds: tuple[Kind, ...] = ("filter", "watchlist", "area", "annotator")
    try:
        with accounts_of(request) as connection:
            shared = {str(kind): visibility.shared(connection, user, kind) for kind in kinds}
    except DatabaseUnavailableError:
        return Sight(None, False, {})
    return Sight(user.username, user.administers, shared)


def parts_of(connection: Connection, diaobjectid: int, tns_name: str | None, sight: Sight) -> Parts:
    """Everything but the light curve.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with, in a transaction.
    diaobjectid : int
        The object.
    tns_name : str or None
        Its name in the Transient Name Server.
    sight : Sight
        The visitor.
    """
    from broker_assets.annotations.visible import annotations_for
    from broker_assets.filters.object_matches import matches_of_object, missed_filters
    from broker_assets.sky.object_lists import lists_of_object
    from broker_assets.tns.entries import entry

    parts = Parts()

    def part(name: str, otherwise: Part, read: Callable[[], Part]) -> Part:
        try:
            with connection.transaction():
                return read()
        except psycopg.OperationalError:
            raise
        except psycopg.Error:
            log.exception("the part %s of object %d could not be read", name, diaobjectid)
            parts.failed.add(name)
            return otherwise

    lists = {"watchlists": sight.shared.get("watchlist", set()), "areas": sight.shared.get("area", set())}
    parts.context = part("context", None, lambda: sherlock_row(connection, diaobjectid))
    parts.classes = part("classes", [], lambda: _classes(connection, diaobjectid))
    parts.tns = part("TNS", None, lambda: entry(connection, tns_name))
    parts.annotations = part(
        "annotations", [], lambda: annotations_for(connection, diaobjectid, **sight.of("annotator"))
    )
    parts.lists = part(
        "lists",
        {"watchlists": [], "areas": [], "sky_maps": []},
        lambda: lists_of_object(connection, diaobjectid, viewer=sight.viewer, everything=sight.everything, **lists),
    )
    parts.filters = part("filters", [], lambda: matches_of_object(connection, diaobjectid, **sight.of("filter")))
    if sight.viewer is not None:
        owner = sight.viewer
        parts.missed = part("filters", [], lambda: missed_filters(connection, diaobjectid, owner=owner))
    return parts


def match_times_of(connection: Connection, diaobjectid: int, sight: Sight) -> list[tuple[float, str]]:
    """Times at which alerts of the object passed filters that the reader may see, MJD TAI; empty if they cannot be
    read."""
    from broker_assets.filters.object_matches import match_times

    try:
        with connection.transaction():
            return match_times(connection, diaobjectid, **sight.of("filter"))
    except psycopg.OperationalError:
        raise
    except psycopg.Error:
        log.exception("when object %d passed filters could not be read", diaobjectid)
        return []


def _classes(connection: Connection, diaobjectid: int) -> list[dict[str, Any]]:
    """Classifiers with their scores, the highest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_CLASSES, (diaobjectid,)).fetchall()
    found: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for row in rows:
        found.setdefault((row["classifier"], row["version"]), []).append((row["class"], row["score"]))
    return [{"classifier": name, "version": version, "scores": scores} for (name, version), scores in found.items()]
