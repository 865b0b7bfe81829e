"""Parameters as in DALI: names in any case, in the address or a form; and errors as VOTables."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.responses import Response

from broker_assets.api.parameters import parameters
from broker_assets.database.table_formats import votable_error
from broker_assets.numerals import real

VOTABLE: Final = "application/x-votable+xml"
FORMS: Final[dict[str, str]] = {
    "votable": "votable", "application/x-votable+xml": "votable", "text/xml": "votable",
    "application/x-votable+xml;serialization=tabledata": "votable", "csv": "csv", "text/csv": "csv",
    "text/csv;header=present": "csv", "parquet": "parquet", "application/vnd.apache.parquet": "parquet",
}  # fmt: skip
"""Values of RESPONSEFORMAT."""


PATH: Final = "/api/vo"
"""Path of these interfaces."""


def base_of(request: Request) -> str:
    """Address of the server as the client wrote it, without a slash at the end."""
    return str(request.base_url).rstrip("/").removesuffix(PATH)


class VoError(Exception):
    """A request that is answered with an error.

    Parameters
    ----------
    message : str
        What is wrong.
    status : int
        HTTP status.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def answer(error: Exception) -> Response:
    """An error as a VOTable."""
    status = getattr(error, "status", 400)
    headers = {"Cache-Control": "no-store"}
    return Response(votable_error(str(error)), status, media_type=VOTABLE, headers=headers)


async def _upper(request: Request) -> dict[str, Any]:
    return {name.upper(): value for name, value in (await parameters(request)).items()}


Parameters = Annotated[dict[str, Any], Depends(_upper)]
"""Parameters of a request, by names in upper case."""


def form_of(given: dict[str, Any]) -> str:
    """The format of an answer.

    Raises
    ------
    VoError
        If there is no such format.
    """
    wanted = str(given.get("RESPONSEFORMAT") or given.get("FORMAT") or "votable").replace(" ", "").lower()
    if wanted not in FORMS:
        raise VoError(f"RESPONSEFORMAT {wanted[:60]} is not available; forms are votable, csv and parquet")
    return FORMS[wanted]


def rows_of(given: dict[str, Any], most: int) -> int:
    """MAXREC, capped at the row limit of the account.

    Raises
    ------
    VoError
        If it is not a whole number.
    """
    text = str(given.get("MAXREC", "")).strip()
    if not text:
        return most
    if not (text.isascii() and text.isdecimal()) or len(text) > 12:
        raise VoError(f"MAXREC must be a whole number, not {text[:40]!r}")
    return min(int(text), most)


def number_of(given: dict[str, Any], name: str, least: float, most: float) -> float:
    """A number within limits.

    Raises
    ------
    VoError
        If it is missing, not a number, or outside.
    """
    text = str(given.get(name, "")).strip()
    try:
        value = real(text)
    except ValueError:
        raise VoError(f"{name} must be a number of degrees, not {text[:40]!r}") from None
    if not least <= value <= most:
        raise VoError(f"{name} is {value:g}; it must be between {least:g} and {most:g}")
    return value
