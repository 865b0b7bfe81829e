"""Spectra: files added, versions, read as points or as a file; and a night of wanted spectra at an observatory."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from broker_assets.api.authentication import accounts_of
from broker_assets.api.v1.answers import Limit, binary, described, document
from broker_assets.api.v1.lists import body_of
from broker_assets.api.v1.targets import reader_of
from broker_assets.api.v1.viewers import Anybody, Writer, changing

router = APIRouter(tags=["targets"])

Number = Annotated[int, Path(ge=1, lt=2**63, description="Number of the spectrum", examples=[6])]
Which = Annotated[int | None, Query(ge=1, lt=2**31, description="Version; the newest unless given")]
FileName = Annotated[str, Query(max_length=256, description="Name of the file")]
_SPECTRUM: Final = {
    "spectrumid": 6, "owner": "ann", "targetid": 12, "diaobjectid": None, "title": "SN 2026abc",
    "facility": "NTT EFOSC2", "mjd": 61000.5, "z": 0.03, "public": False, "versions": 1,
}  # fmt: skip


@router.get("/spectra", responses=described({"spectra": [_SPECTRUM]}))
def spectra(
    request: Request,
    viewer: Anybody,
    target: Annotated[int | None, Query(ge=1, lt=2**63, description="Only those of this target")] = None,
    diaobjectid: Annotated[int | None, Query(ge=1, lt=2**63, description="Only those of this object")] = None,
    limit: Limit = 1000,
) -> Response:
    """Spectra that are public, of targets that the account may see, or its own; the newest first."""
    from broker_assets.tom.spectra.spectrum_store import search

    with accounts_of(request) as connection:
        found = search(connection, reader_of(viewer), targetid=target, diaobjectid=diaobjectid, limit=limit)
    return document(request, {"spectra": [vars(one) for one in found]})


@router.get("/spectra/{id}", responses=described(_SPECTRUM | {"wavelength": [4000.0], "flux": [1.5]}))
def spectrum(request: Request, viewer: Anybody, id: Number, version: Which = None) -> Response:  # noqa: A002
    """A spectrum with its versions and the points of one of them; wavelengths are in Å."""
    from broker_assets.tom.spectra.spectrum_store import get, history, version_of

    with accounts_of(request) as connection:
        found = vars(get(connection, reader_of(viewer), id)).copy()
        points = vars(version_of(connection, id, version)).copy()
        found["history"] = history(connection, id)
    for name in ("wavelength", "flux", "uncertainty"):
        points[name] = None if points[name] is None else points[name].tolist()
    return document(request, found | points)


@router.get(
    "/spectra/{id}/file",
    response_class=Response,
    responses=binary("application/octet-stream", "The file as it was sent"),
)
def spectrum_file(request: Request, viewer: Anybody, id: Number, version: Which = None) -> Response:  # noqa: A002
    """The file of a version."""
    from broker_assets.api.site.forms import attachment
    from broker_assets.tom.spectra.spectrum_store import file_of, get

    with accounts_of(request) as connection:
        get(connection, reader_of(viewer), id)
        name, content = file_of(connection, id, version)
    return attachment(content, "application/octet-stream", name)


@router.post("/spectra", status_code=201, responses=described(_SPECTRUM | {"notes": []}, "It is stored", status=201))
async def add_spectrum(
    request: Request,
    writer: Writer,
    name: FileName = "",
    target: Annotated[int | None, Query(ge=1, lt=2**63, description="Target that it is of")] = None,
    diaobjectid: Annotated[int | None, Query(ge=1, lt=2**63, description="Object that it is of")] = None,
    title: Annotated[str, Query(max_length=256, description="What it is called; that of the file unless given")] = "",
    facility: Annotated[str, Query(max_length=256, description="Facility and instrument")] = "",
    mjd: Annotated[float | None, Query(ge=0, le=200_000, description="When it was taken, MJD UTC")] = None,
    z: Annotated[float | None, Query(ge=-0.9, le=20, description="Redshift")] = None,
    public: Annotated[bool, Query(description="Whether everybody may see it")] = False,
) -> Response:
    """Store a spectrum: the body is its file, FITS or text; a file that cannot be read is refused with the reason."""
    from starlette.concurrency import run_in_threadpool

    content = await body_of(request)

    def run() -> Response:
        from broker_assets.tom.spectra.spectrum_store import add, get

        about = {"title": title, "facility": facility, "mjd": mjd, "z": z, "public": public}
        user: Any = writer.user
        with changing(request, writer, "spectrum stored") as change:
            added = add(change.connection, user, content, name, targetid=target, diaobjectid=diaobjectid, about=about)
            change.subject = str(added.spectrumid)
            found = vars(get(change.connection, reader_of(writer), added.spectrumid))
        headers = {"Location": f"/api/v1/spectra/{added.spectrumid}"}
        return document(request, found | {"notes": added.notes}, 201, headers=headers)

    return await run_in_threadpool(run)


@router.put("/spectra/{id}", responses=described({"version": 2, "notes": []}))
async def add_version(
    request: Request,
    writer: Writer,
    id: Number,  # noqa: A002
    name: FileName = "",
    remark: Annotated[str, Query(max_length=256, description="What changed")] = "",
) -> Response:
    """Store another file of a spectrum as its newest version; the earlier ones stay."""
    from starlette.concurrency import run_in_threadpool

    content = await body_of(request)

    def run() -> Response:
        from broker_assets.tom.spectra.spectrum_store import add_version as store_version

        user: Any = writer.user
        with changing(request, writer, "spectrum changed", id) as change:
            added = store_version(change.connection, user, id, content, name, remark)
        return document(request, {"version": added.version, "notes": added.notes})

    return await run_in_threadpool(run)


@router.delete(
    "/spectra/{id}", status_code=204, response_class=Response, responses={204: {"description": "It is removed"}}
)
def remove_spectrum(request: Request, writer: Writer, id: Number) -> Response:  # noqa: A002
    """Remove a spectrum with all versions."""
    from broker_assets.tom.spectra.spectrum_store import remove

    user: Any = writer.user
    with changing(request, writer, "spectrum removed", id) as change:
        remove(change.connection, user, id)
    return Response(status_code=204)


@router.get(
    "/spectra-wanted/night",
    responses=described({"begin": None, "end": None, "moon": 0.5, "slots": [{"object": "1"}], "left": []}),
)
def night(
    request: Request,
    writer: Anybody,
    observatory: Annotated[str, Query(max_length=100, description="Where", examples=["Paranal"])],
    date: Annotated[
        str, Query(max_length=10, description="Evening of the night, as 2026-12-01; tonight unless given")
    ] = "",
    minutes: Annotated[float, Query(ge=5, le=600, description="Time of a spectrum")] = 30.0,
    format: Annotated[Literal["json", "csv"], Query(description="Form of the answer")] = "json",  # noqa: A002
) -> Response:
    """Wanted spectra that nobody has claimed, planned for a night by priority, airmass, twilight and the Moon."""
    from broker_assets.api.authentication import NO_TOKEN, NotAuthenticatedError
    from broker_assets.api.tom.spectrum_nights import as_csv, as_document, night_of

    if writer.user is None:
        raise NotAuthenticatedError(NO_TOKEN)
    found = night_of(request, observatory, date, minutes)
    if format == "csv":
        headers = {"Content-Disposition": 'attachment; filename="night.csv"'}
        return Response(as_csv(found), media_type="text/csv; charset=utf-8", headers=headers)
    return document(request, as_document(found))
