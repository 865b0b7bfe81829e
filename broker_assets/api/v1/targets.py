"""Targets: found, created by hand, from objects or from CSV, changed, shared and removed; lists of targets,
comments."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from broker_assets.access import quotas, sharing
from broker_assets.api.authentication import accounts_of
from broker_assets.api.v1.answers import Limit, described, document
from broker_assets.api.v1.known_parameters import Body
from broker_assets.api.v1.lists import body_of
from broker_assets.api.v1.problems import Problem
from broker_assets.api.v1.viewers import Anybody, Viewer, Writer, changing

router = APIRouter(tags=["targets"])

TargetId = Annotated[int, Path(ge=1, lt=2**63, description="Number of the target", examples=[12])]
ListId = Annotated[int, Path(ge=1, lt=2**63, description="Number of the list", examples=[3])]
_TARGET: Final = {
    "targetid": 12, "owner": "ann", "name": "SN 2026abc", "type": "SIDEREAL", "ra": 150.1, "dec": 2.2,
    "diaobjectid": "313853499600420864", "aliases": ["ZTF26abcdefg"], "tags": ["SN Ia"], "extras": {"z": "0.03"},
    "public": False,
}  # fmt: skip
_COMMENT: Final = {"commentid": 4, "author": "ann", "body": "rising", "at": "2026-11-30T03:14:07+00:00"}
_LIST: Final = {"listid": 3, "owner": "ann", "name": "tonight", "description": "", "public": False, "targets": 7}


class TargetFields(Body):
    """Fields of a target; orbital elements and ephemeris are in `elements`. Omitted fields stay as they are, or
    unknown."""

    name: str | None = Field(default=None, max_length=256, description="Unique for the owner", examples=["M 1"])
    type: Literal["SIDEREAL", "NON_SIDEREAL"] | None = Field(default=None, description="Whether it moves")
    diaobjectid: str | int | None = Field(default=None, description="Object of the broker; alone it makes its target")
    root: UUID | None = Field(default=None, description="Root object of FASTDB; alone it makes its target")
    ra: float | None = Field(default=None, description="Right ascension, degrees, ICRS", examples=[83.633])
    dec: float | None = Field(default=None, description="Declination, degrees, ICRS", examples=[22.0145])
    epoch: float | None = Field(default=None, description="Epoch of the position, Julian year")
    pm_ra: float | None = Field(default=None, description="Proper motion in right ascension with cos(dec), mas/yr")
    pm_dec: float | None = Field(default=None, description="Proper motion in declination, mas/yr")
    parallax: float | None = Field(default=None, description="Parallax, mas")
    distance: float | None = Field(default=None, description="Distance, Mpc")
    distance_err: float | None = Field(default=None, description="Uncertainty of the distance, Mpc")
    scheme: str | None = Field(default=None, max_length=40, description="Which orbital elements it has")
    elements: dict[str, float | None] | None = Field(default=None, description="Orbital elements by name")
    aliases: list[str] | None = Field(default=None, max_length=200, description="Other names")
    tags: list[str] | None = Field(default=None, max_length=200, description="Tags")
    extras: dict[str, str] | None = Field(default=None, description="Further fields")
    public: bool | None = Field(default=None, description="Whether everybody may see it")


class Said(Body):
    """A comment."""

    body: str = Field(min_length=1, max_length=10_000, description="What it says", examples=["rising"])


class Groups(Body):
    """Groups with which something is shared."""

    groups: list[str] = Field(max_length=100, description="Groups of the owner; none ends the sharing")


class NewList(Body):
    """A list of targets."""

    name: str = Field(min_length=1, max_length=256, description="Unique for the owner", examples=["tonight"])
    description: str = Field(default="", max_length=10_000, description="What it is for")
    public: bool = Field(default=False, description="Whether everybody may see it")


def reader_of(viewer: Viewer) -> Any:
    """The viewer as a reader of targets."""
    from broker_assets.tom.targets.readers import Reader

    return Reader.of(viewer.user)


def near_of(text: str | None) -> tuple[float, float, float] | None:
    """Right ascension, declination (ICRS) and radius in a parameter `near`, degrees.

    Raises
    ------
    Problem
        If it does not consist of three such numbers.

    Examples
    --------
    >>> near_of("10, -5, 0.1")
    (10.0, -5.0, 0.1)
    """
    from broker_assets.tom.targets.fields import BadTarget, number

    if not text:
        return None
    parts = text.split(",")
    try:
        if len(parts) != 3:
            raise BadTarget(f"near: {text[:60]!r} is not right ascension, declination and radius in degrees")
        ra, dec, radius = (
            number(f"near: {name}", part, low, high)
            for part, (name, low, high) in zip(
                parts, (("ra", 0, 360), ("dec", -90, 90), ("radius", 0, 180)), strict=True
            )
        )
    except BadTarget as error:
        raise Problem("bad-parameter", str(error), errors=[{"parameter": "near", "message": str(error)}]) from None
    return ra, dec, radius


@router.get("/targets", responses=described({"targets": [_TARGET], "next": None}))
def targets(
    request: Request,
    viewer: Anybody,
    text: Annotated[str, Query(max_length=256, description="Part of the name or of an alias")] = "",
    tag: Annotated[str, Query(max_length=256, description="Only those with this tag")] = "",
    type: Annotated[Literal["", "SIDEREAL", "NON_SIDEREAL"], Query(description="Whether they move")] = "",  # noqa: A002
    owner: Annotated[str, Query(max_length=150, description="Only those of this account")] = "",
    list: Annotated[int | None, Query(ge=1, lt=2**63, description="Only those in this list")] = None,  # noqa: A002
    diaobjectid: Annotated[int | None, Query(ge=1, lt=2**63, description="Only those of this object")] = None,
    near: Annotated[str | None, Query(max_length=100, description="`ra,dec,radius`, degrees, ICRS")] = None,
    limit: Limit = 1000,
    cursor: Annotated[int, Query(ge=0, lt=2**63, description="`next` of the page before")] = 0,
    format: Annotated[Literal["json", "csv"], Query(description="CSV has the columns of TOM Toolkit")] = "json",  # noqa: A002
) -> Response:
    """Targets that are public, shared with the account, or its own."""
    from broker_assets.tom.targets.csv_files import write_targets
    from broker_assets.tom.targets.store import Choice, search

    choice = Choice(text, tag, type, owner, list, diaobjectid, near_of(near))
    with accounts_of(request) as connection:
        found = search(connection, reader_of(viewer), choice, limit=limit + 1, after=cursor)
    shown = found[:limit]
    if format == "csv":
        headers = {"Content-Disposition": 'attachment; filename="targets.csv"'}
        if len(found) > limit:
            headers["X-Next"] = str(shown[-1].targetid)
        return Response("".join(write_targets(shown)), media_type="text/csv; charset=utf-8", headers=headers)
    following = shown[-1].targetid if len(found) > limit else None
    return document(request, {"targets": [vars(one) for one in shown], "next": following})


@router.get("/targets/{id}", responses=described(_TARGET))
def target(request: Request, viewer: Anybody, id: TargetId) -> Response:  # noqa: A002
    """A target, with the lists that it is in and the groups that its owner shares it with."""
    from broker_assets.tom.targets import lists
    from broker_assets.tom.targets.store import get

    reader = reader_of(viewer)
    with accounts_of(request) as connection:
        found = vars(get(connection, reader, id)).copy()
        found["lists"] = [one.listid for one in lists.search(connection, reader, targetid=id)]
        if found["owner"] == viewer.name:
            found["groups"] = sharing.groups_of(connection, "target", str(id))
    return document(request, found)


@router.post("/targets", status_code=201, responses=described(_TARGET, "It is made", status=201))
def make_target(request: Request, writer: Writer, new: TargetFields) -> Response:
    """Create a target; with only `diaobjectid` or `root` (and `name`), that of the object, which is created once."""
    from broker_assets.tom.targets.fields import BadTarget, checked
    from broker_assets.tom.targets.store import get, make, of_object, of_root

    given = _given(new)
    root = given.pop("root", None)
    if root is not None and not set(given) <= {"name", "public"}:
        raise BadTarget("root: a target of a root object has its position; give only a name in addition")
    with changing(request, writer, "target made") as change:
        quotas.require_room(change.connection, _user(writer), request.app.state.access, "targets")
        options: dict[str, Any] = {"name": given.get("name") or "", "public": bool(given.get("public"))}
        if root is not None:
            made = of_root(change.connection, writer.name, root, **options)
        elif set(given) <= {"diaobjectid", "name", "public"} and given.get("diaobjectid"):
            number = checked({"name": "x", "ra": 0, "dec": 0, "diaobjectid": given["diaobjectid"]}).diaobjectid or 0
            made = of_object(change.connection, writer.name, number, **options)
        else:
            made = make(change.connection, writer.name, checked(given))
        change.subject = str(made)
        found = vars(get(change.connection, reader_of(writer), made))
    return document(request, found, 201, headers={"Location": f"/api/v1/targets/{made}"})


@router.post(
    "/targets/import",
    responses=described({"made": [12, 13], "refused": [{"line": 4, "text": "x,400,2", "reason": "ra: 400 is not …"}]}),
)
async def import_csv(
    request: Request,
    writer: Writer,
    list: Annotated[int | None, Query(ge=1, lt=2**63, description="List that they are added to")] = None,  # noqa: A002
) -> Response:
    """Create targets from a CSV file (the body, `text/csv`) with the columns of TOM Toolkit; bad rows are refused."""
    from starlette.concurrency import run_in_threadpool

    content = await body_of(request)

    def run() -> Response:
        from broker_assets.tom.targets.importing import import_targets

        with changing(request, writer, "targets imported") as change:
            use = next(
                one
                for one in quotas.of_account(change.connection, _user(writer), request.app.state.access)
                if one.what == "targets"
            )
            found = import_targets(
                change.connection, _user(writer), content, most=max(use.most - use.used, 0), listid=list
            )
            change.subject = f"{len(found.made)} targets"
        return document(request, {"made": found.made, "refused": [vars(one) for one in found.refused]})

    return await run_in_threadpool(run)


@router.patch("/targets/{id}", responses=described(_TARGET))
def change_target(request: Request, writer: Writer, id: TargetId, changes: TargetFields) -> Response:  # noqa: A002
    """Change fields of a target; null removes a value."""
    from broker_assets.tom.targets.store import change

    with changing(request, writer, "target changed", id) as noted:
        found = change(noted.connection, reader_of(writer), id, _given(changes))
    return document(request, vars(found))


@router.delete(
    "/targets/{id}", status_code=204, response_class=Response, responses={204: {"description": "It is removed"}}
)
def remove_target(request: Request, writer: Writer, id: TargetId) -> Response:  # noqa: A002
    """Remove a target with its comments."""
    from broker_assets.tom.targets.store import remove

    with changing(request, writer, "target removed", id) as noted:
        remove(noted.connection, reader_of(writer), id)
    return Response(status_code=204)


@router.put("/targets/{id}/groups", responses=described({"groups": ["AGN"]}))
def share_target(request: Request, writer: Writer, id: TargetId, shared: Groups) -> Response:  # noqa: A002
    """Share a target with these groups and with no others."""
    return _share(request, writer, "target", id, shared)


@router.get("/targets/{id}/comments", responses=described({"comments": [_COMMENT]}))
def comments(request: Request, viewer: Anybody, id: TargetId) -> Response:  # noqa: A002
    """Comments on a target, the oldest first."""
    from broker_assets.tom.targets.comments import of_target
    from broker_assets.tom.targets.store import get

    with accounts_of(request) as connection:
        get(connection, reader_of(viewer), id)
        found = of_target(connection, id)
    return document(request, {"comments": [vars(one) for one in found]})


@router.post("/targets/{id}/comments", status_code=201, responses=described(_COMMENT, "It is written", status=201))
def comment(request: Request, writer: Writer, id: TargetId, said: Said) -> Response:  # noqa: A002
    """Comment on a target that the account may see."""
    from broker_assets.tom.targets.comments import of_target, write

    with accounts_of(request) as connection:
        number = write(connection, reader_of(writer), id, said.body)
        found = next((one for one in of_target(connection, id) if one.commentid == number), None)
    return document(request, vars(found) if found is not None else {"commentid": number}, 201)


@router.delete(
    "/targets/{id}/comments/{comment}",
    status_code=204,
    response_class=Response,
    responses={204: {"description": "It is removed"}},
)
def remove_comment(
    request: Request,
    writer: Writer,
    id: TargetId,  # noqa: A002
    comment: Annotated[int, Path(ge=1, lt=2**63, description="Number of the comment", examples=[4])],
) -> Response:
    """Remove a comment: its author and the owner of the target may."""
    from broker_assets.tom.targets.comments import remove

    with accounts_of(request) as connection:
        remove(connection, reader_of(writer), id, comment)
    return Response(status_code=204)


@router.get("/target-lists", responses=described({"lists": [_LIST]}))
def target_lists(request: Request, viewer: Anybody) -> Response:
    """Lists of targets that are public, shared with the account, or its own."""
    from broker_assets.tom.targets.lists import search

    with accounts_of(request) as connection:
        found = search(connection, reader_of(viewer))
    return document(request, {"lists": [vars(one) for one in found]})


@router.post("/target-lists", status_code=201, responses=described(_LIST, "It is made", status=201))
def make_list(request: Request, writer: Writer, new: NewList) -> Response:
    """Create a list of targets."""
    from broker_assets.tom.targets import lists

    with changing(request, writer, "list of targets made") as noted:
        made = lists.make(noted.connection, writer.name, new.name, new.description)
        if new.public:
            lists.change(
                noted.connection, reader_of(writer), made, name=new.name, description=new.description, public=True
            )
        noted.subject = str(made)
        found = vars(lists.get(noted.connection, reader_of(writer), made))
    return document(request, found, 201)


@router.patch("/target-lists/{id}", responses=described(_LIST))
def change_list(request: Request, writer: Writer, id: ListId, new: NewList) -> Response:  # noqa: A002
    """Change the name and description of a list, and whether it is public."""
    from broker_assets.tom.targets import lists

    with changing(request, writer, "list of targets changed", id) as noted:
        reader = reader_of(writer)
        lists.change(noted.connection, reader, id, name=new.name, description=new.description, public=new.public)
        found = vars(lists.get(noted.connection, reader, id))
    return document(request, found)


@router.delete(
    "/target-lists/{id}", status_code=204, response_class=Response, responses={204: {"description": "It is removed"}}
)
def remove_list(request: Request, writer: Writer, id: ListId) -> Response:  # noqa: A002
    """Remove a list; its targets stay."""
    from broker_assets.tom.targets import lists

    with changing(request, writer, "list of targets removed", id) as noted:
        lists.remove(noted.connection, reader_of(writer), id)
    return Response(status_code=204)


@router.put("/target-lists/{id}/targets/{target}", responses=described({"added": 1}))
def add_to_list(request: Request, writer: Writer, id: ListId, target: TargetId) -> Response:  # noqa: A002
    """Add a target to a list, unless it is already in it."""
    from broker_assets.tom.targets import lists
    from broker_assets.tom.targets.store import get

    with accounts_of(request) as connection:
        get(connection, reader_of(writer), target)
        return document(request, {"added": lists.add(connection, reader_of(writer), id, [target])})


@router.delete("/target-lists/{id}/targets/{target}", responses=described({"removed": 1}))
def drop_from_list(request: Request, writer: Writer, id: ListId, target: TargetId) -> Response:  # noqa: A002
    """Remove a target from a list."""
    from broker_assets.tom.targets import lists

    with accounts_of(request) as connection:
        return document(request, {"removed": lists.drop(connection, reader_of(writer), id, [target])})


@router.put("/target-lists/{id}/groups", responses=described({"groups": ["AGN"]}))
def share_list(request: Request, writer: Writer, id: ListId, shared: Groups) -> Response:  # noqa: A002
    """Share a list, and those of its targets that the owner has, with these groups and with no others."""
    return _share(request, writer, "target_list", id, shared)


def _share(request: Request, writer: Viewer, kind: Any, number: int, shared: Groups) -> Response:
    with accounts_of(request) as connection:
        sharing.share(connection, _user(writer), kind, str(number), shared.groups)
        return document(request, {"groups": sharing.groups_of(connection, kind, str(number))})


def _given(fields: TargetFields) -> dict[str, Any]:
    """Fields in the request, with the elements among the others."""
    from broker_assets.tom.targets.fields import ELEMENTS, BadTarget

    found = fields.model_dump(exclude_unset=True)
    elements = found.pop("elements", None) or {}
    unknown = sorted(set(elements) - set(ELEMENTS))
    if unknown:
        raise BadTarget(f"elements: there is no {unknown[0][:40]!r}; there are {', '.join(ELEMENTS)}")
    return found | elements


def _user(writer: Viewer) -> Any:
    return writer.user
