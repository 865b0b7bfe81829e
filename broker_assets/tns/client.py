"""Requests to TNS: bulk files and single objects, within its rules.

TNS requires a POST with the API key as a form field and a marker of the bot as user agent, limits the number of
requests, and answers 429 with the time to wait (TNS, "Bulk CSV downloads" and "API" help pages).
"""

from __future__ import annotations

import datetime
import json
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from broker_assets import backoff
from broker_assets.http import Answer, HttpClient, HttpError, HttpUnavailableError, retry_after

BULK_URL = "https://www.wis-tns.org/system/files/tns_public_objects/"
SEARCH_URL = "https://www.wis-tns.org/api/get/"

LONGEST_WAIT = 300.0
"""Seconds; a longer `Retry-After` ends the attempt, and the next tick of the schedule tries again."""
TRIES = 5
LARGEST_FILE = 256 * 1024**2
"""Bytes of a bulk file, zipped: many times that of all objects (20 MB in 2026)."""


class TnsRefusedError(PermissionError):
    """TNS does not accept the key or the marker (401, 403): trying again would not help."""


class TnsUnavailableError(ConnectionError):
    """TNS cannot be reached or answers with an error; try again later."""


class TnsNotFoundError(LookupError):
    """TNS has no such file or object."""


@dataclass(frozen=True)
class Bot:
    """The bot in whose name requests are made."""

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

    Raises
    ------
    ValueError
        If both are given, or the hour is not between 0 and 23.

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
        The bot in whose name requests are made.
    bulk_url, search_url : str
        URLs of TNS, or of a mirror or a test peer.
    wait : callable
        Waits for a number of seconds.
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
        self._http = HttpClient(
            headers={"User-Agent": bot.marker},
            timeout=timeout,
            largest=LARGEST_FILE,
            attempts=TRIES,
            wait=backoff.TNS,
            longest_wait=LONGEST_WAIT,
            asked_to_wait=asked_to_wait,
            sleep=wait,
        )

    def __enter__(self) -> TnsClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

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
            What TNS says about it, under the names of its API.

        Raises
        ------
        TnsRefusedError, TnsUnavailableError, TnsNotFoundError
            As their names say.
        """
        question = {"objname": name, "objid": "", "photometry": "0", "spectra": "0"}
        form = {"api_key": self._bot.key, "data": json.dumps(question)}
        found = self._data(self._post(self._search_url + "object", form), name)
        rows = [found] if isinstance(found, dict) else found
        if not rows:
            raise TnsNotFoundError(f"TNS has no object {name}")
        if len(rows) > 1:
            # A list may have other objects, too; the name is a key of TNS, so only one of them has it.
            rows = [row for row in rows if str(row.get("objname", row.get("name"))) == name]
        if len(rows) != 1:
            raise TnsUnavailableError(f"TNS answered {name} with {len(rows)} objects of this name; try again later")
        return rows[0]

    def near(self, ra: float, dec: float, radius: float) -> list[dict[str, Any]]:
        """Ask for the objects near a position.

        Parameters
        ----------
        ra, dec : float
            ICRS, degrees.
        radius : float
            arcsec.

        Returns
        -------
        list of dict
            Objects under the names of TNS's API, at least `objname`; empty if there are none.

        Raises
        ------
        TnsRefusedError, TnsUnavailableError, TnsNotFoundError
            As their names say; the last if there is no such service at the URL.
        """
        question = {"ra": f"{ra:.7f}", "dec": f"{dec:+.7f}", "radius": f"{radius:g}", "units": "arcsec"}
        form = {"api_key": self._bot.key, "data": json.dumps(question)}
        asked = f"{ra} {dec:+}"
        answer = self._post(self._search_url + "search", form)
        try:
            found = self._data(answer, asked)
        except TnsNotFoundError:
            return []
        if isinstance(found, dict) or not all(str(row.get("objname") or "").strip() for row in found):
            raise TnsUnavailableError(
                f"TNS answered {asked} with something other than a list of objects: {found!r:.200}"
            )
        return found

    def _data(self, answer: Answer, asked: str) -> dict[str, Any] | list[dict[str, Any]]:
        """What TNS found: an object or a list of objects.

        TNS answers some errors with HTTP 200, and says in the document what they are.
        """
        try:
            document = _finite(answer.json())
        except ValueError as error:
            raise TnsUnavailableError(f"TNS answered {asked} with something that is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise TnsUnavailableError(f"TNS answered {asked} with something other than a document: {document!r:.200}")
        code, said = str(document.get("id_code") or 200), str(document.get("id_message") or "no reason")[:200]
        if code in {"401", "403"}:
            raise TnsRefusedError(f"TNS refuses {asked} ({code}, {said}): check the API key and the bot")
        if code == "404":
            raise TnsNotFoundError(f"TNS has no object {asked}")
        if code != "200" or "data" not in document:
            raise TnsUnavailableError(f"TNS answers {asked} with {code}, {said}")
        data = document["data"]
        if isinstance(data, dict) and "reply" in data:
            data = data["reply"]
        if (not data and not isinstance(data, bool | int)) or _is_no_result(data):
            raise TnsNotFoundError(f"TNS has no object {asked}")
        rows = data if isinstance(data, list) else [data]
        if not all(isinstance(row, dict) for row in rows):
            raise TnsUnavailableError(f"TNS answered {asked} with something other than an object: {data!r:.200}")
        return data  # type: ignore[no-any-return]

    def _post(self, url: str, form: dict[str, str]) -> Answer:
        try:
            answer = self._http.post(url, form=form)
        except HttpUnavailableError as error:
            if error.retry_after is not None and error.retry_after > LONGEST_WAIT:
                raise TnsUnavailableError(
                    f"TNS asks to wait {error.retry_after:.0f} s before {url} ({error}); try again later"
                ) from error
            raise TnsUnavailableError(f"TNS does not answer {url} after {TRIES} tries; the last: {error}") from error
        except HttpError as error:
            raise TnsUnavailableError(f"TNS gives no usable answer to {url}: {error}") from error
        if answer.status in {401, 403}:
            raise TnsRefusedError(
                f"TNS refuses {url} (HTTP {answer.status}): check the API key and that bot "
                f"{self._bot.bot_id} is named {self._bot.name!r} there"
            )
        if answer.status == 404:
            raise TnsNotFoundError(f"TNS has no {url}")
        if answer.status != 200:
            raise TnsUnavailableError(f"TNS answers {url} with HTTP {answer.status}")
        return answer


def _is_no_result(data: Any) -> bool:
    """Whether an answer has messages in the place of values: TNS's "110: No results found", for each field asked for.

    Examples
    --------
    >>> _is_no_result({"name": {"110": {"message": "No results found.", "message_id": 110}}})
    True
    >>> _is_no_result({"objname": "2026abc", "object_type": {"name": "SN Ia", "id": 3}})
    False
    """
    return isinstance(data, dict) and all(
        isinstance(value, dict) and value and all(number.isdecimal() for number in value) for value in data.values()
    )


def _finite(value: Any) -> Any:
    """A document without NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def asked_to_wait(answer: Answer) -> float | None:
    """Seconds that TNS asks clients to wait: `Retry-After`, or TNS's own header fields about its limits."""
    asked = retry_after(answer)
    waits = [] if asked is None else [asked]
    for name, remaining in answer.headers.items():
        limit = name.lower().removesuffix("-remaining")  # x-rate-limit, x-cone-rate-limit, …
        if limit != name.lower() and limit.endswith("rate-limit") and remaining.strip() == "0":
            reset = answer.headers.get(f"{limit}-reset", "").strip()
            if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", reset, re.ASCII):
                waits.append(float(reset))
    return max(waits, default=None)
