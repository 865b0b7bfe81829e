"""Las Cumbres Observatory, or another observatory with the Observation Portal of the Observatory Control System.

Notes
-----
Requests are `requestgroups` of the portal (`/api/requestgroups/`), observations of a request are below
`/api/requests/<id>/observations/`, frames in the archive (`/frames/`); the header is `Authorization: Token …`.
https://developers.lco.global/
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import urlencode, urlsplit

from broker_assets.http import Answer, HttpClient, HttpError
from broker_assets.instants import instant
from broker_assets.tom.observations.facility import (
    BadRequest,
    Facility,
    Field,
    Order,
    Progress,
    Refused,
    RemoteFile,
    State,
    Unavailable,
)

PORTAL: Final = "https://observe.lco.global"
ARCHIVE: Final = "https://archive-api.lco.global"
SECONDS: Final = 30.0
_STATES: Final[dict[str, State]] = {
    "PENDING": "placed", "COMPLETED": "completed", "WINDOW_EXPIRED": "expired", "FAILURE_LIMIT_REACHED": "expired",
    "CANCELED": "cancelled",
}  # fmt: skip
"""Our states for those of the portal."""
_BLOCKS: Final = ("COMPLETED", "IN_PROGRESS", "PENDING", "FAILED", "ABORTED", "NOT_ATTEMPTED")
"""States of observations of a request, the most advanced first."""
_ELEMENTS: Final = {
    "epoch_of_elements": "epochofel", "inclination": "orbinc", "lng_asc_node": "longascnode",
    "arg_of_perihelion": "argofperih", "eccentricity": "eccentricity", "semimajor_axis": "meandist",
    "mean_anomaly": "meananom", "perihdist": "perihdist", "epoch_of_perihelion": "epochofperih",
    "mean_daily_motion": "dailymot",
}  # fmt: skip
"""The portal's names of orbital elements."""
_PAGES: Final = 20
"""Most pages of a list that are read."""


class Lco(Facility):
    """A portal and its archive."""

    fields: ClassVar[tuple[Field, ...]] = (
        Field("proposal", "Proposal"),
        Field(
            "observation_type", "Priority", "choice", "NORMAL", choices=("NORMAL", "RAPID_RESPONSE", "TIME_CRITICAL")
        ),
        Field("configuration_type", "Kind", "choice", "EXPOSE", choices=("EXPOSE", "SPECTRUM", "REPEAT_EXPOSE")),
        Field("telescope_class", "Telescopes", "choice", "1m0", choices=("0m4", "1m0", "2m0", "4m0")),
        Field("instrument_type", "Instrument", default="1M0-SCICAM-SINISTRO"),
        Field("optical_element", "Filter, or slit, as filter=rp or slit=slit_1.6as", default="filter=rp"),
        Field("exposure_time", "Exposure, s", "number", least=0.01, most=86_400),
        Field("exposure_count", "Exposures", "whole", "1", 1, 1000),
        Field("start", "Not before, UTC", "time"),
        Field("end", "Not after, UTC", "time"),
        Field("max_airmass", "Airmass, at most", "number", "1.6", 1, 25),
        Field("min_lunar_distance", "Degrees from the Moon, at least", "number", "30", 0, 180),
        Field("ipp_value", "Intra-proposal priority", "number", "1.05", 0.5, 2),
    )

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._portal = (settings.url or PORTAL).rstrip("/")
        self._archive = (settings.archive_url or ARCHIVE).rstrip("/")

    def check(self, target: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """See `Facility.check`."""
        found = super().check(target, given)
        if found["end"] <= found["start"]:
            raise BadRequest("end: it is before the start")
        if not all(part.strip() for part in found["optical_element"].partition("=")):
            raise BadRequest(f"optical_element: write {found['optical_element'][:40]!r} as filter=rp")
        if target.get("ra") is None and not target.get("scheme"):
            raise BadRequest("target: it has neither a position nor orbital elements")
        return found

    def document(self, order: Order) -> dict[str, Any]:
        """The request in the form of the portal."""
        given = order.parameters
        kind, _, element = given["optical_element"].partition("=")
        instrument: dict[str, Any] = {
            # Older requests have it as a real number.
            "exposure_count": int(given["exposure_count"]),
            "exposure_time": given["exposure_time"],
            "optical_elements": {kind.strip(): element.strip()},
        }
        configuration: dict[str, Any] = {
            "type": given["configuration_type"],
            "instrument_type": given["instrument_type"],
            "target": _target(order.target),
            "instrument_configs": [instrument],
            "acquisition_config": {},
            "guiding_config": {},
            "constraints": {
                "max_airmass": given["max_airmass"],
                "min_lunar_distance": given["min_lunar_distance"],
            },
        }
        if given["configuration_type"] == "SPECTRUM":
            # For a slit: acquire the target in it, and follow the parallactic angle.
            instrument["rotator_mode"] = "VFLOAT"
            configuration["acquisition_config"] = {"mode": "WCS"}
            configuration["guiding_config"] = {"mode": "ON", "optional": False}
        if given["configuration_type"] == "REPEAT_EXPOSE":
            configuration["repeat_duration"] = given["exposure_time"] * given["exposure_count"]
        window = {name: given[name].replace("+00:00", "Z") for name in ("start", "end")}
        return {
            "name": order.name,
            "proposal": given["proposal"],
            "ipp_value": given["ipp_value"],
            "operator": "SINGLE",
            "observation_type": given["observation_type"],
            "requests": [
                {
                    "configurations": [configuration],
                    "windows": [window],
                    "location": {"telescope_class": given["telescope_class"]},
                }
            ],
        }

    def find(self, order: Order) -> str | None:
        """See `Facility.find`."""
        query = urlencode({"name": order.name, "proposal": order.parameters["proposal"]})
        for one in self._listed(f"{self._portal}/api/requestgroups/?{query}"):
            # The portal also finds parts of names.
            if one.get("name") == order.name:
                return _identifier(one)
        return None

    def place(self, order: Order) -> str:
        """See `Facility.place`."""
        document = self.document(order)
        valid = self._answer("POST", f"{self._portal}/api/requestgroups/validate/", document)
        if valid.status == 400 or (valid.ok and _json(valid).get("errors")):
            said = _json(valid, list_too=True)
            errors = said.get("errors", said) if isinstance(said, dict) else said
            raise Refused(f"the portal refuses it: {_flat(errors)}")
        _require(valid)
        answer = self._answer("POST", f"{self._portal}/api/requestgroups/", document)
        if answer.status == 400:
            raise Refused(f"the portal refuses it: {_flat(_json(answer, list_too=True))}")
        _require(answer)
        return _identifier(_json(answer))

    def look(self, order: Order) -> Progress:
        """See `Facility.look`."""
        group = self._get(f"{self._portal}/api/requestgroups/{order.remote}/")
        said = str(group.get("state", ""))
        blocks = [block for request in _requests(group) for block in self._observations(request)]
        blocks.sort(key=lambda one: (_rank(one.get("state")), str(one.get("start"))))
        best = blocks[0] if blocks and _rank(blocks[0].get("state")) < 3 else {}
        return Progress(_STATES.get(said, "placed"), said, _time(best.get("start")), _time(best.get("end")))

    def cancel(self, order: Order) -> None:
        """See `Facility.cancel`."""
        answer = self._answer("POST", f"{self._portal}/api/requestgroups/{order.remote}/cancel/", {})
        if answer.status == 400:
            raise Refused(f"the portal does not cancel it: {_flat(_json(answer, list_too=True))}")
        _require(answer)

    def products(self, order: Order) -> Sequence[RemoteFile]:
        """See `Facility.products`."""
        group = self._get(f"{self._portal}/api/requestgroups/{order.remote}/")
        found = []
        for request in _requests(group):
            query = urlencode({"request_id": request, "limit": 100})
            for frame in self._listed(f"{self._archive}/frames/?{query}"):
                remote = _identifier(frame)
                name = str(frame.get("filename") or frame.get("basename") or remote)
                found.append(RemoteFile(remote, name, str(frame.get("url") or "")))
        return found

    def fetch(self, file: RemoteFile, most: int) -> bytes:
        """See `Facility.fetch`."""
        if urlsplit(file.url).scheme not in ("http", "https"):
            raise Unavailable(f"the archive gives no address of {file.name}")
        # The address is signed, and belongs to a store that must not get our token.
        with HttpClient(timeout=SECONDS, largest=most, attempts=2, other_hosts=True) as client:
            try:
                answer = client.get(file.url)
            except HttpError as error:
                raise Unavailable(f"{file.name}: {error}") from None
        if not answer.ok:
            raise Unavailable(f"{file.name}: HTTP {answer.status}")
        return answer.content

    def _observations(self, request: str) -> list[dict[str, Any]]:
        answer = self._answer("GET", f"{self._portal}/api/requests/{request}/observations/")
        _require(answer)
        found = _json(answer, list_too=True)
        return _documents(found.get("results") if isinstance(found, dict) else found)

    def _listed(self, url: str) -> list[dict[str, Any]]:
        """All rows of a paged list."""
        rows: list[dict[str, Any]] = []
        following: str | None = url
        for _ in range(_PAGES):
            if following is None:
                break
            # A page contains the address of the next one: our token must not go to another host.
            if urlsplit(following)[:2] != urlsplit(url)[:2]:
                raise Unavailable(f"the list continues at another host, {urlsplit(following).netloc}")
            document = self._get(following)
            rows += _documents(document.get("results"))
            following = document.get("next")
            if not isinstance(following, str | None):
                raise Unavailable("its answer is not what is documented")
        return rows

    def _get(self, url: str) -> dict[str, Any]:
        answer = self._answer("GET", url)
        _require(answer)
        found: dict[str, Any] = _json(answer)
        return found

    def _answer(self, method: str, url: str, document: Any = None) -> Answer:
        try:
            headers = {"Authorization": f"Token {self.settings.revealed_token()}", "Accept": "application/json"}
        except ValueError as error:
            raise Unavailable(str(error)) from None
        # A request that changes something is sent once: the next attempt first asks whether it arrived.
        with HttpClient(headers=headers, timeout=SECONDS, attempts=1 if method == "POST" else 2) as client:
            try:
                return client.get(url) if method == "GET" else client.post(url, document=document)
            except HttpError as error:
                raise Unavailable(str(error)) from None


def _target(target: Mapping[str, Any]) -> dict[str, Any]:
    name = str(target["name"])[:50]
    if target.get("ra") is None or target.get("type") == "NON_SIDEREAL":
        elements = {_ELEMENTS[key]: value for key, value in target["elements"].items() if key in _ELEMENTS}
        return {"name": name, "type": "ORBITAL_ELEMENTS", "scheme": target["scheme"], **elements}
    return {
        "name": name,
        "type": "ICRS",
        "ra": target["ra"],
        "dec": target["dec"],
        "proper_motion_ra": target.get("pm_ra") or 0.0,
        "proper_motion_dec": target.get("pm_dec") or 0.0,
        "parallax": target.get("parallax") or 0.0,
        "epoch": target.get("epoch") or 2000.0,
    }


def _require(answer: Answer) -> None:
    if answer.status in (401, 403):
        raise Unavailable(f"it refuses our token (HTTP {answer.status}): ask an administrator")
    if not answer.ok:
        raise Unavailable(f"it answers with HTTP {answer.status}")


def _json(answer: Answer, *, list_too: bool = False) -> Any:
    try:
        found = answer.json()
    except ValueError:
        raise Unavailable(f"its answer (HTTP {answer.status}) is not JSON") from None
    if not isinstance(found, (dict, list) if list_too else dict):
        raise Unavailable("its answer is not what is documented")
    return found


def _requests(group: Mapping[str, Any]) -> list[str]:
    return [_identifier(one) for one in _documents(group.get("requests"))]


def _documents(found: Any) -> list[dict[str, Any]]:
    """A list of documents, or nothing in its place."""
    if found is not None and not (isinstance(found, list) and all(isinstance(one, dict) for one in found)):
        raise Unavailable("its answer is not what is documented")
    return found or []


def _identifier(document: Mapping[str, Any]) -> str:
    found = document.get("id")
    if not isinstance(found, int | str) or isinstance(found, bool) or found == "":
        raise Unavailable("its answer is not what is documented: there is no id")
    return str(found)


def _rank(state: Any) -> int:
    return _BLOCKS.index(state) if state in _BLOCKS else len(_BLOCKS)


def _time(text: Any) -> datetime.datetime | None:
    try:
        return instant(str(text)) if text else None
    except ValueError:
        return None


def _flat(errors: Any) -> str:
    """Nested errors on one line."""
    if isinstance(errors, dict):
        return "; ".join(f"{name}: {_flat(value)}" for name, value in errors.items() if value)[:2000]
    if isinstance(errors, list):
        return ", ".join(filter(None, map(_flat, errors)))[:2000]
    return str(errors)[:2000]
