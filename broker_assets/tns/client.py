"""Asking TNS: bulk files and single objects, within its rules.

TNS wants a POST with the API key as a form field and a marker of the bot as user agent, limits the number of requests,
and answers 429 with the time to wait (TNS, "Bulk CSV downloads" and "API" help pages).
"""

from __future__ import annotations

import datetime
import email.utils
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

BULK_URL = "https://www.wis-tns.org/system/files/tns_public_objects/"
SEARCH_URL = "https://www.wis-tns.org/api/get/"

LONGEST_WAIT = 300.0
"""Seconds; a longer `Retry-After` ends the attempt, and the next schedule tries again."""
TRIES = 5


class TnsRefusedError(PermissionError):
    """TNS does not accept the key or the marker (401, 403): trying again would not help."""


class TnsUnavailableError(ConnectionError):
    """TNS cannot be reached or answers with an error; try again later."""


class TnsNotFoundError(LookupError):
    """TNS has no such file or object."""


@dataclass(frozen=True)
class Bot:
    """Who asks."""

    key: str
    """API key; a secret."""
    bot_id: int
    """Number of the bot at TNS."""
    name: str
    """Name of the bot at TNS."""

    @property
    def marker(self) -> str:
        """User agent in the form that TNS demands.

        Examples
        --------
        >>> Bot("secret", 7, "broker").marker
        'tns_marker{"tns_id":7,"type":"bot","name":"broker"}'
        """
        described = json.dumps({"tns_id": self.bot_id, "type": "bot", "name": self.name}, separators=(",", ":"))
        return f"tns_marker{described}"

    def __repr__(self) -> str:
        return f"Bot(key='***', bot_id={self.bot_id}, name={self.name!r})"


def bulk_name(*, day: datetime.date | None = None, hour: int | None = None) -> str:
    """Name of a bulk file: everything, one UTC day, or one UTC hour of the last day.

    Examples
    --------
    >>> bulk_name(), bulk_name(day=datetime.date(2026, 11, 20)), bulk_name(hour=7)
    ('tns_public_objects.csv.zip', 'tns_public_objects_20261120.csv.zip', 'tns_public_objects_07.csv.zip')
    """
    if day is not None and hour is not None:
        raise ValueError("give a day or an hour, not both")
    if hour is not None and not 0 <= hour <= 23:
        raise ValueError(f"hour {hour} is not between 0 and 23")
    part = f"_{day:%Y%m%d}" if day is not None else f"_{hour:02d}" if hour is not None else ""
    return f"tns_public_objects{part}.csv.zip"


class TnsClient:
    """Requests to TNS.

    Parameters
    ----------
    bot : Bot
        Who asks.
    bulk_url, search_url : str
        Where; another address for a mirror or a test peer.
    wait : callable
        How to wait some seconds.
    timeout : float
        Seconds for one request.
    """

    def __init__(
        self,
        bot: Bot,
        *,
        bulk_url: str = BULK_URL,
        search_url: str = SEARCH_URL,
        wait: Callable[[float], None] = time.sleep,
        timeout: float = 120.0,
    ) -> None:
        self._bot = bot
        self._bulk_url = bulk_url.rstrip("/") + "/"
        self._search_url = search_url.rstrip("/") + "/"
        self._wait = wait
        self._client = httpx.Client(headers={"user-agent": bot.marker}, timeout=timeout, follow_redirects=True)

    def __enter__(self) -> TnsClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def bulk_file(self, name: str) -> bytes:
        """Fetch a bulk file; see `bulk_name`.

        Raises
        ------
        TnsRefusedError, TnsUnavailableError, TnsNotFoundError
            As their names say; the message names the file.
        """
        return self._post(self._bulk_url + name, {"api_key": self._bot.key}).content

    def single_object(self, name: str) -> dict[str, Any]:
        """Ask for one object by its name without prefix.

        Returns
        -------
        dict
            What TNS says of it, as its API names it.

        Raises
        ------
        TnsRefusedError, TnsUnavailableError, TnsNotFoundError
            As their names say.
        """
        question = {"objname": name, "objid": "", "photometry": "0", "spectra": "0"}
        form = {"api_key": self._bot.key, "data": json.dumps(question)}
        found: dict[str, Any] = self._data(self._post(self._search_url + "object", form), name)
        if not found:
            raise TnsNotFoundError(f"TNS has no object {name}")
        return found

    def near(self, ra: float, dec: float, radius: float) -> list[dict[str, Any]]:
        """Ask for the objects near a position.

        Parameters
        ----------
        ra, dec : float
            ICRS, degrees.
        radius : float
            arcsec.
        """
        question = {"ra": f"{ra:.7f}", "dec": f"{dec:+.7f}", "radius": f"{radius:g}", "units": "arcsec"}
        form = {"api_key": self._bot.key, "data": json.dumps(question)}
        found: list[dict[str, Any]] = self._data(self._post(self._search_url + "search", form), f"{ra} {dec:+}")
        return found

    def _data(self, response: httpx.Response, asked: str) -> Any:
        try:
            answer = response.json()
        except ValueError as error:
            raise TnsUnavailableError(f"TNS answered {asked} with something that is not JSON: {error}") from error
        data = answer.get("data") if isinstance(answer, dict) else None
        if isinstance(data, dict) and "reply" in data:
            data = data["reply"]
        if not data and data != []:
            raise TnsNotFoundError(f"TNS has no object {asked}")
        return data

    def _post(self, url: str, form: dict[str, str]) -> httpx.Response:
        reason = ""
        asked: float | None = None
        for attempt in range(TRIES):
            if attempt:
                self._wait(asked if asked is not None else min(2.0**attempt, 60.0))
            asked = None
            try:
                response = self._client.post(url, data=form)
            except httpx.TransportError as error:
                reason = f"{type(error).__name__}: {error}"
                continue
            if response.status_code == 429 or response.status_code >= 500:
                reason = f"HTTP {response.status_code}"
                asked = _retry_after(response)
                if asked is not None and asked > LONGEST_WAIT:
                    raise TnsUnavailableError(
                        f"TNS asks to wait {asked:.0f} s before {url} ({reason}); try again later"
                    )
                continue
            if response.status_code in {401, 403}:
                raise TnsRefusedError(
                    f"TNS refuses {url} (HTTP {response.status_code}): check the API key and that bot "
                    f"{self._bot.bot_id} is named {self._bot.name!r} there"
                )
            if response.status_code == 404:
                raise TnsNotFoundError(f"TNS has no {url}")
            if response.status_code != 200:
                raise TnsUnavailableError(f"TNS answers {url} with HTTP {response.status_code}")
            return response
        raise TnsUnavailableError(f"TNS does not answer {url} after {TRIES} tries; the last: {reason}")


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the server asks to wait: `Retry-After` as number or date, or TNS's own limit headers."""
    written = response.headers.get("retry-after")
    if written is None:
        remaining, reset = response.headers.get("x-rate-limit-remaining"), response.headers.get("x-rate-limit-reset")
        written = reset if remaining == "0" else None
    if written is None:
        return None
    try:
        return max(0.0, float(written))
    except ValueError:
        pass
    try:
        until = email.utils.parsedate_to_datetime(written)
    except ValueError:
        return None
    return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())
