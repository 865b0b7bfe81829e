"""Asks the REST interface of the broker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import requests

SECONDS = 30.0
"""Time limit of an answer."""
TRIES = 3


class BrokerError(Exception):
    """The broker does not answer, or refuses; the message is what it said."""


class Broker:
    """A broker.

    Parameters
    ----------
    url : str
        Its address.
    token : str, optional
        Token of an account.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self._url = url.rstrip("/") + "/api/v1"
        self._session = requests.Session()
        if token:
            self._session.headers["Authorization"] = f"Token {token}"

    def object(self, name: str) -> dict[str, Any] | None:
        """The object of a name; None if there is none."""
        try:
            found: dict[str, Any] = self._ask("GET", f"/objects/{quote(name, safe='')}")
        except BrokerError as error:
            if error.args[1:] == (404,):
                return None
            raise
        return found["diaObject"] | {"survey": found.get("survey")}

    def cone(self, ra: float, dec: float, radius: float, limit: int) -> list[dict[str, Any]]:
        """Objects in a cone, the nearest first."""
        question = {"ra": ra, "dec": dec, "radius": radius, "limit": limit, "format": "json"}
        return list(self._ask("GET", "/cone", params=question)["objects"])

    def passed(self, filter_id: int, since: str | None, limit: int) -> list[dict[str, Any]]:
        """Objects that a filter passed."""
        names: dict[str, None] = {}
        for row in self._results(filter_id, since):
            names[str(row["diaObjectId"])] = None
            if len(names) == limit:
                break
        if not names:
            return []
        return list(self._ask("POST", "/objects/search", json={"ids": list(names)})["objects"])

    def lightcurve(self, name: str) -> dict[str, Any]:
        """Points of an object."""
        found: dict[str, Any] = self._ask("GET", f"/objects/{quote(name, safe='')}/lightcurve")
        return found

    def _results(self, filter_id: int, since: str | None) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            question = {"first": since, "cursor": cursor, "limit": 1000, "format": "json"}
            found = self._ask("GET", f"/filters/{filter_id}/results", params=question)
            yield from found["results"]
            cursor = found["next"]
            if cursor is None:
                return

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        for attempt in range(1, TRIES + 1):
            try:
                answer = self._session.request(method, self._url + path, timeout=SECONDS, **options)
            except requests.RequestException as error:
                raise BrokerError(f"the broker does not answer: {type(error).__name__}") from None
            if answer.status_code not in (429, 503) or attempt == TRIES:
                break
            time.sleep(min(float(answer.headers.get("Retry-After", 1)), 5.0))
        if not answer.ok:
            try:
                said = answer.json().get("detail", "")
            except ValueError:
                said = ""
            raise BrokerError(f"the broker refuses: {said or answer.reason}", answer.status_code)
        return answer.json()
