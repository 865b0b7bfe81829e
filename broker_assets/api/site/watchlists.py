"""Watchlists: the list of them, uploads with the errors of each line, hits, settings, downloads."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from broker_assets.access import quotas, uploads, visibility
from broker_assets.access.accounts import User
from broker_assets.access.quotas import OverQuota
from broker_assets.access.refusals import BadSetting, NameTaken
from broker_assets.access.sharing import CannotShare
from broker_assets.api.authentication import accounts_of
from broker_assets.api.connections import Connections
from broker_assets.api.site import owned
from broker_assets.api.site.forms import (
    BadField,
    Chosen,
    Number,
    Sent,
    SentForm,
    acting,
    attachment,
    logged_in,
    missing,
    see,
    wants_part,
)
from broker_assets.api.site.frame import page, viewer_of
from broker_assets.api.site.owned_routes import add_list_routes
from broker_assets.sentences import sentence
from broker_assets.sky import hit_tables, lists, overview
from broker_assets.sky.lists import ListSettings
from broker_assets.sky.overview import WatchlistSummary
from broker_assets.sky.watchlists import BadWatchlist, Cones, read_watchlist, watchlist_lines

router = APIRouter(prefix="/watchlists", include_in_schema=False)

EXAMPLE: Final = """\
# RA, Dec, name, radius in arcsec
10.684708, 41.268750, M 31, 30
83.633083, 22.014500, M 1
187.70593, 12.39112, M 87, 5
00:55:51.9 | -37:40:25 | NGC 300"""
"""What an empty form shows."""
RADIUS: Final = 5.0
"""Default radius of a new list, arcsec."""
MOST_LINES: Final = 100_000
"""Most lines of an upload, as in Lasair."""
MOST_CELLS: Final = 2_000_000
"""Most cells of a MOC that is computed for a request."""
_TROUBLE: Final = (BadField, BadSetting, NameTaken, OverQuota, CannotShare)


def found(connection: psycopg.Connection[Any], user: User | None, number: int) -> WatchlistSummary:
    """The list with a number, if the account may see it; else HTTP 404."""
    for entry in overview.summaries(connection, "watchlist", identifier=number):
        if isinstance(entry, WatchlistSummary) and visibility.may_read(connection, user, "watchlist", number, entry):
            return entry
    missing("watchlist", number)


def own(connection: psycopg.Connection[Any], user: User, number: int) -> WatchlistSummary:
    """The same, if the account may change it."""
    entry = found(connection, user, number)
    if not visibility.may_change(user, entry):
        raise HTTPException(403, f"Watchlist {number} belongs to {entry.owner}; you can copy it.")
    return entry


@router.get("/")
def every(request: Request, said: str | None = None) -> Response:
    """The lists that the user may see."""
    user = viewer_of(request).user
    with accounts_of(request) as connection:
        known = overview.summaries(connection, "watchlist")
        shown = owned.readable(connection, user, "watchlist", [(entry.id, entry) for entry in known])
        last = hit_tables.last_hit(connection, "watchlist")
        use = quotas.of_account(connection, user, request.app.state.access) if user is not None else []
    return page(
        request, "watchlists.html", parts=owned.parted(user, shown), last=last, said=owned.said(said),
        use=[one for one in use if one.what in ("watchlists", "cones")],
    )  # fmt: skip


@router.get("/create/")
def new(request: Request, upload: Chosen = None) -> Response:
    """The form for a new list."""
    user = logged_in(request)
    if isinstance(user, Response):
        return user
    refused = None
    if upload is not None:
        with accounts_of(request) as connection:
            refused = _upload(connection, user, upload)
    return _form(request, SentForm({"radius": f"{RADIUS:g}"}), refused=refused)


@router.post("/create/")
def create(request: Request, form: Sent) -> Response:
    """Create a list from a file or from pasted lines."""
    user = acting(request, form)
    name = form.file_name or "pasted text"
    with accounts_of(request) as connection:
        try:
            radius = form.number("radius", least=0.01, most=360, what="Radius")
            cones = _read(request, form)
            with connection.transaction():
                quotas.require_room(connection, user, request.app.state.access, "watchlists")
                quotas.require_room(connection, user, request.app.state.access, "cones", len(cones))
                number = lists.create_watchlist(
                    connection, user.username, form.text("name"), cones, radius=radius,
                    description=form.text("description")[:4096], expire=owned.renewed_until(request),
                )  # fmt: skip
        except BadWatchlist as error:
            number = uploads.remember(connection, user, "watchlist", None, name, 0, error.bad)
            return _form(request, form, str(error), 422, refused=uploads.get(connection, user, number))
        except _TROUBLE as error:
            return _form(request, form, str(error), 422)
        upload = uploads.remember(connection, user, "watchlist", number, name, len(cones), cones.bad)
        owned.note(connection, user, "watchlist made", number, form.text("name"))
    return see(f"/watchlists/{number}/", said="made", upload=upload)


@router.get("/{number}/")
def one(
    request: Request,
    number: Number,
    said: str | None = None,
    upload: Chosen = None,
) -> Response:
    """A list: its content, its hits, and the progress of matching."""
    user = viewer_of(request).user
    with accounts_of(request) as connection:
        entry = found(connection, user, number)
        if wants_part(request):
            return page(request, "list_state.html", entry=entry, path=f"/watchlists/{number}/")
        seen = visibility.of_thing(connection, "watchlist", number, entry)
        mine = visibility.may_change(user, entry)
        changes: dict[str, Any] = {"share": None, "uploads": [], "upload": None}
        if user is not None and mine:
            changes["share"] = owned.share_choices(connection, user, "watchlist", number, entry)
            changes["uploads"] = uploads.of_list(connection, user, "watchlist", number)
            changes["upload"] = _upload(connection, user, upload) if upload is not None else None
    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        cones = overview.cone_entries(connection, number, limit=20)
        hits = hit_tables.watchlist_hits(connection, number)
    return page(
        request, "watchlist.html", entry=entry, seen=seen, mine=mine, cones=cones, hits=hits, most=hit_tables.MOST,
        said=owned.said(said), example=EXAMPLE, path=f"/watchlists/{number}/", **changes,
    )  # fmt: skip


@router.post("/{number}/update/")
def update(request: Request, number: Number, form: Sent) -> Response:
    """Change name, description, radius, and whether it is matched."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        entry = own(connection, user, number)
        try:
            settings = ListSettings(
                name=form.text("name"), description=form.text("description")[:4096], active=form.ticked("active"),
                radius=form.number("radius", least=0.01, most=360, what="Radius"), expire=owned.renewed_until(request),
            )  # fmt: skip
            lists.change_list(connection, entry.owner, "watchlist", number, settings)
            owned.note(connection, user, "watchlist changed", number, settings.name or "")
        except _TROUBLE as error:
            raise HTTPException(422, sentence(error)) from None
    return see(f"/watchlists/{number}/", said="saved")


@router.post("/{number}/cones/")
def load(request: Request, number: Number, form: Sent) -> Response:
    """Add the lines of a file or of pasted text, or replace the cones with them."""
    user = acting(request, form)
    name = form.file_name or "pasted text"
    with accounts_of(request) as connection:
        entry = own(connection, user, number)
        try:
            cones = _read(request, form)
            more = len(cones) - (entry.cones if form.text("how") == "replace" else 0)
            with connection.transaction():
                quotas.require_room(connection, user, request.app.state.access, "cones", max(more, 0))
                if form.text("how") == "replace":
                    lists.replace_cones(connection, entry.owner, number, cones)
                else:
                    lists.add_cones(connection, entry.owner, number, cones)
                kept = ListSettings(expire=owned.renewed_until(request))
                lists.change_list(connection, entry.owner, "watchlist", number, kept)
        except BadWatchlist as error:
            upload = uploads.remember(connection, user, "watchlist", number, name, 0, error.bad)
            return see(f"/watchlists/{number}/", upload=upload)
        except _TROUBLE as error:
            raise HTTPException(422, sentence(error)) from None
        upload = uploads.remember(connection, user, "watchlist", number, name, len(cones), cones.bad)
        how = "replaced by" if form.text("how") == "replace" else "added:"
        owned.note(connection, user, "watchlist changed", number, f"cones {how} {len(cones)}")
    return see(f"/watchlists/{number}/", said="saved", upload=upload)


@router.post("/{number}/copy/")
def copy(request: Request, number: Number, form: Sent) -> Response:
    """Create a list of the user's own with the same cones."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        entry = found(connection, user, number)
        cones = overview.stored_cones(connection, number)
        try:
            with connection.transaction():
                quotas.require_room(connection, user, request.app.state.access, "watchlists")
                quotas.require_room(connection, user, request.app.state.access, "cones", len(cones))
                made = owned.under_free_name(
                    entry.name,
                    lambda: [one.name for one in overview.summaries(connection, "watchlist", owner=user.username)],
                    lambda name: lists.create_watchlist(
                        connection, user.username, name, cones, radius=entry.radius, description=entry.description,
                        expire=owned.renewed_until(request),
                    ),
                )  # fmt: skip
        except OverQuota as error:
            raise HTTPException(422, sentence(error)) from None
        owned.note(connection, user, "watchlist made", made, f"copy of {number}")
    return see(f"/watchlists/{made}/", said="copied")


@router.get("/{number}/cat/")
def cones_csv(request: Request, number: Number) -> Response:
    """All cones, in the format of uploads."""
    with accounts_of(request) as connection:
        entry = found(connection, viewer_of(request).user, number)
        text = "".join(f"{line}\n" for line in watchlist_lines(overview.stored_cones(connection, number)))
    return attachment(text, "text/csv", f"{entry.name}.csv")


@router.get("/{number}/region/")
def region(request: Request, number: Number) -> Response:
    """All cones as a region file of DS9."""
    from broker_assets.sky.ds9_writing import ds9_lines

    with accounts_of(request) as connection:
        entry = found(connection, viewer_of(request).user, number)
        cones = overview.stored_cones(connection, number)
    text = "".join(f"{line}\n" for line in ds9_lines(cones, entry.radius))
    return attachment(text, "text/plain", f"{entry.name}.reg")


@router.get("/{number}/moc/")
def moc(request: Request, number: Number) -> Response:
    """The MOC that covers the cones, as FITS."""
    from broker_assets.sky.areas import moc_bytes
    from broker_assets.sky.watchlists import watchlist_mocs

    with accounts_of(request) as connection:
        entry = found(connection, viewer_of(request).user, number)
        cones = overview.stored_cones(connection, number)
    try:
        [made] = watchlist_mocs(
            cones.index(entry.radius), order=request.app.state.mocs.watchlist_order, most_cells=MOST_CELLS
        )
    except ValueError as error:
        raise HTTPException(422, sentence(error)) from None
    return attachment(moc_bytes(made), "application/fits", f"{entry.name}.fits")


@router.get("/{number}/hits.csv")
def hits_csv(request: Request, number: Number) -> Response:
    """Objects inside the cones."""
    with accounts_of(request) as connection:
        entry = found(connection, viewer_of(request).user, number)
    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        rows = hit_tables.watchlist_hits(connection, number, limit=1_000_000)
    return attachment(hit_tables.as_csv(rows), "text/csv", f"{entry.name}-hits.csv")


@router.get("/{number}/picture.png")
def picture(request: Request, number: Number) -> Response:
    """The cones on the sky."""
    from broker_assets.sky.pictures import footprint_png

    with accounts_of(request) as connection:
        found(connection, viewer_of(request).user, number)
        cones = overview.stored_cones(connection, number)
    step = max(1, len(cones) // 20_000)
    content = footprint_png(ra=cones.ra[::step], dec=cones.dec[::step])
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=300"})


@router.get("/rejects/{upload}/")
def rejects(request: Request, upload: Number) -> Response:
    """The lines of an upload that were not accepted, to be corrected and uploaded again."""
    user = logged_in(request)
    if isinstance(user, Response):
        return user
    with accounts_of(request) as connection:
        kept = _upload(connection, user, upload)
    return attachment(kept.as_csv(), "text/csv", f"rejected-{kept.name}.csv")


def _upload(connection: psycopg.Connection[Any], user: User, number: int) -> uploads.Upload:
    try:
        return uploads.get(connection, user, number)
    except uploads.UnknownUpload:
        missing("upload", number)


def _read(request: Request, form: SentForm) -> Cones:
    content = form.file or form.values.get("lines", "").encode()
    if not content.strip():
        raise BadField("choose a file, or paste lines")
    if content.count(b"\n") > MOST_LINES:
        raise BadField(f"more than {MOST_LINES:,} lines: load it in parts, or ask an operator to load it")
    return read_watchlist(content, limits=request.app.state.limits)


def _form(
    request: Request, form: SentForm, trouble: str = "", code: int = 200, *, refused: uploads.Upload | None = None
) -> Response:
    return page(
        request, "watchlist_new.html", code, form=form, trouble=trouble, upload=refused, example=EXAMPLE,
        lines=form.values.get("lines", ""),
    )  # fmt: skip


add_list_routes(
    router,
    "watchlist",
    "/watchlists/",
    own,
    lambda entry: f"with {entry.cones:,} cones and {entry.hits:,} hits",
    _TROUBLE,
)
