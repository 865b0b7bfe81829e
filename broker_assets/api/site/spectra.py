"""Spectra as files: uploaded for a target or an object, plotted with lines at a redshift, versions, downloads."""

from __future__ import annotations

import io
from typing import Annotated, Any, Final

import psycopg
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from broker_assets.access.accounts import User
from broker_assets.access.refusals import NotTheOwner
from broker_assets.api.authentication import accounts_of
from broker_assets.api.site import owned
from broker_assets.api.site.forms import BadField, Chosen, Number, Sent, acting, attachment, missing, see
from broker_assets.api.site.frame import page, viewer_of
from broker_assets.api.site.owned_routes import Removable, add_removal
from broker_assets.numerals import real
from broker_assets.sentences import sentence
from broker_assets.tom.spectra import spectrum_store as store
from broker_assets.tom.spectra.spectrum_files import BadSpectrum
from broker_assets.tom.spectra.spectrum_store import Stored, UnknownSpectrum, Version
from broker_assets.tom.spectra.spectrum_svg import LINES, spectrum_svg
from broker_assets.tom.targets.readers import Reader
from broker_assets.tom.targets.store import UnknownTarget

router = APIRouter(prefix="/spectra/files", include_in_schema=False)

WIDE, NARROW = (1000, 400), (344, 280)
DRAWING: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cache-Control": "no-store",
}
"""Headers of a drawing that is a file of its own, with its style in it."""
Redshift = Annotated[str, Query(max_length=20)]
Elements = Annotated[list[str] | None, Query(max_length=20)]


def found_spectrum(connection: psycopg.Connection[Any], user: User | None, number: int) -> Stored:
    """A spectrum that the account may see; else HTTP 404."""
    try:
        return store.get(connection, Reader.of(user), number)
    except UnknownSpectrum:
        missing("spectrum", number)


def found_version(connection: psycopg.Connection[Any], number: int, version: int | None) -> Version:
    """A version of a spectrum; HTTP 404 if there is none."""
    try:
        return store.version_of(connection, number, version)
    except UnknownSpectrum:
        missing("version", version)


def redshift_of(text: str, stored: Stored) -> tuple[float, str]:
    """The redshift of lines, from the address or else of the spectrum; and what is wrong with the text."""
    if not text.strip():
        return stored.z or 0.0, ""
    try:
        found = real(text)
    except ValueError:
        return 0.0, f"Redshift: {text[:20]!r} is not a number."
    return (found, "") if -0.9 <= found <= 20 else (0.0, f"Redshift: {text[:20]} is not from -0.9 to 20.")


def drawn(version: Version, title: str, z: float, elements: list[str], size: tuple[int, int], *, alone: bool) -> str:
    """A version as SVG."""
    return spectrum_svg(
        version.wavelength, version.flux, unit=version.flux_unit, z=z, elements=elements, size=size,
        title=f"Spectrum {title}, {version.wavelength[0]:.0f} to {version.wavelength[-1]:.0f} Å", standalone=alone,
    )  # fmt: skip


@router.get("/")
def every(request: Request, said: str | None = None, object: Chosen = None) -> Response:  # noqa: A002
    """Spectra that the user may see; with `object`, those of the object, for which one can be added."""
    with accounts_of(request) as connection:
        found = store.search(connection, Reader.of(viewer_of(request).user), diaobjectid=object)
    return page(request, "spectra/every.html", found=found, said=owned.said(said), number=object)


@router.post("/")
def upload(request: Request, form: Sent) -> Response:
    """Store a spectrum of a target or object."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        try:
            number = _whole(form, "target", "Target")
            about = {name: form.text(name) for name in ("title", "facility", "mjd", "z")}
            added = store.add(
                connection, user, form.file or form.text("lines").encode(), form.file_name or "pasted.txt",
                targetid=number, diaobjectid=_whole(form, "object", "Object"),
                about=about | {"public": form.ticked("public")},
            )  # fmt: skip
        except UnknownTarget:
            missing("target", form.text("target"))
        except (BadSpectrum, BadField) as error:
            raise HTTPException(
                422, f"{sentence(error)} Nothing is stored; correct the file and send it again."
            ) from None
        owned.note(connection, user, "spectrum stored", added.spectrumid, form.file_name)
    return see(f"/spectra/files/{added.spectrumid}/", said="made")


@router.get("/{number}/")
def one(
    request: Request, number: Number, version: Chosen = None, z: Redshift = "", element: Elements = None,
    said: str | None = None,
) -> Response:  # fmt: skip
    """A spectrum, drawn, with its versions."""
    user = viewer_of(request).user
    with accounts_of(request) as connection:
        found = found_spectrum(connection, user, number)
        shown = found_version(connection, number, version)
        versions = store.history(connection, number)
    chosen = [name for name in element or [] if name in LINES]
    redshift, wrong = redshift_of(z, found)
    return page(
        request, "spectra/one.html", 422 if wrong else 200, found=found, shown=shown, versions=versions, lines=LINES,
        chosen=chosen, z=redshift, trouble=wrong, said=owned.said(said), path=f"/spectra/files/{number}/",
        svg=drawn(shown, found.title, redshift, chosen, WIDE, alone=False), drawn_query=request.url.query,
        narrow=drawn(shown, found.title, redshift, chosen, NARROW, alone=False),
        mine=user is not None and user.username == found.owner,
    )  # fmt: skip


@router.get("/{number}/plot.svg")
def plot(
    request: Request, number: Number, version: Chosen = None, z: Redshift = "", element: Elements = None
) -> Response:
    """The drawing as a file."""
    with accounts_of(request) as connection:
        found = found_spectrum(connection, viewer_of(request).user, number)
        shown = found_version(connection, number, version)
    redshift, _ = redshift_of(z, found)
    chosen = [name for name in element or [] if name in LINES]
    return Response(
        drawn(shown, found.title, redshift, chosen, WIDE, alone=True), media_type="image/svg+xml", headers=DRAWING
    )


@router.get("/{number}/points.csv")
def points(request: Request, number: Number, version: Chosen = None) -> Response:
    """The points that were read from the file."""
    with accounts_of(request) as connection:
        found = found_spectrum(connection, viewer_of(request).user, number)
        shown = found_version(connection, number, version)
    return attachment(as_csv(shown), "text/csv", f"{found.title}-{shown.version}.csv")


@router.get("/{number}/file/")
def file(request: Request, number: Number, version: Chosen = None) -> Response:
    """The file as it was uploaded."""
    with accounts_of(request) as connection:
        found_spectrum(connection, viewer_of(request).user, number)
        found_version(connection, number, version)
        name, content = store.file_of(connection, number, version)
    return attachment(content, "application/octet-stream", name)


@router.post("/{number}/versions/")
def add_version(request: Request, number: Number, form: Sent) -> Response:
    """Store another file of a spectrum."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        found_spectrum(connection, user, number)
        try:
            added = store.add_version(connection, user, number, form.file, form.file_name, form.text("remark"))
        except NotTheOwner as error:
            raise HTTPException(403, sentence(error)) from None
        except BadSpectrum as error:
            raise HTTPException(422, f"{sentence(error)} The existing versions are kept.") from None
        owned.note(connection, user, "spectrum changed", number, f"version {added.version}")
    return see(f"/spectra/files/{number}/", said="saved", version=added.version)


def as_csv(version: Version) -> str:
    """Points of a version as CSV."""
    out = io.StringIO()
    out.write(f"wavelength[Angstrom],flux[{version.flux_unit}]")
    out.write(",uncertainty\n" if version.uncertainty is not None else "\n")
    columns = [version.wavelength, version.flux, *([version.uncertainty] if version.uncertainty is not None else [])]
    for row in zip(*(column.tolist() for column in columns), strict=True):
        out.write(",".join(map(repr, row)) + "\n")
    return out.getvalue()


def _whole(form: Any, name: str, what: str) -> int | None:
    return form.whole(name, least=1, most=2**63 - 1, what=what) if form.text(name) else None


def _described(connection: psycopg.Connection[Any], found: Stored) -> tuple[str, str]:
    return found.title, f"with {found.versions} version{'s' if found.versions != 1 else ''}"


def _remove(connection: psycopg.Connection[Any], user: User, number: int, found: Stored) -> None:
    try:
        store.remove(connection, user, number)
    except NotTheOwner as error:
        raise HTTPException(403, sentence(error)) from None


add_removal(router, Removable("spectrum", "/spectra/files/", found_spectrum, _described, _remove))
