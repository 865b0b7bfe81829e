"""The client: a method for each request; tables are `Rows`, documents are dictionaries."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet
import requests

from broker_assets.backoff import CLIENT, pause_after
from broker_assets.client.events import Event, read_events
from broker_assets.client.problems import BrokerProblem, BrokerUnreachable
from broker_assets.client.rows import Rows
from broker_assets.http import asked_to_wait

DEFAULT_URL: Final = "http://127.0.0.1:8000"
MEDIA_TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "votable": "application/x-votable+xml",
}
"""Media type of each form of an answer."""
_LONGEST_WAIT: Final = 60.0
_MAY_PASS: Final = frozenset({408, 429, 502, 503, 504})
"""Statuses that say nothing about the request: the server, or a proxy before it, is busy or restarting."""
_MISTAKES: Final = (
    requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL,
    requests.exceptions.InvalidHeader,
)  # fmt: skip
"""Failures that another attempt would not change."""


class Client:
    """Sends requests to a broker.

    Parameters
    ----------
    url : str, optional
        Address of the server, which begins with `http://` or `https://`; default: the environment variable
        `BROKER_URL`, else that of this machine.
    token : str, optional
        Token of an account; default: the environment variable `BROKER_TOKEN`. What is public needs none.
    timeout : float
        Seconds without a byte from the server after which a request fails.
    retries : int
        How often a request that only reads is tried again when the server is busy or restarting, or the connection
        breaks.

    Raises
    ------
    ValueError
        If the address is not one of HTTP.
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, timeout: float = 60.0, retries: int = 3
    ) -> None:
        self._root = (url or os.environ.get("BROKER_URL") or DEFAULT_URL).rstrip("/").removesuffix("/api/v1")
        if not self._root.lower().startswith(("http://", "https://")):
            raise ValueError(f"not the address of a broker: {self._root!r}; it begins with http:// or https://")
        self.url = self._root + "/api/v1"
        self.timeout = timeout
        self.retries = retries
        self._session = requests.Session()
        given = token or os.environ.get("BROKER_TOKEN")
        if given:
            self._session.headers["Authorization"] = f"Token {given}"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close connections."""
        self._session.close()

    # Objects and light curves

    def object(self, name: int | str) -> dict[str, Any]:
        """All that is known of an object, by diaObjectId, ZTF name or TNS name."""
        return self._document("GET", f"/objects/{_part(name)}")

    def objects(self, names: Sequence[int | str], *, columns: Sequence[str] | None = None) -> Rows:
        """Some objects; unknown ones are left out, with a warning."""
        return self._rows(
            "POST", "/objects/search", reads=True, json={"ids": list(names), "columns": columns and list(columns)}
        )

    def all_objects(self, **question: Any) -> Rows:
        """All objects, up to the row limit of the account; `survey`, `since`, `least`, `columns`, `limit`."""
        return self._rows("GET", "/objects", params=question)

    def cone(self, ra: float, dec: float, radius: float, *, limit: int = 1000, columns: str | None = None) -> Rows:
        """Objects within `radius` arcsec of a position (degrees, ICRS), the nearest first."""
        question = {"ra": ra, "dec": dec, "radius": radius, "limit": limit, "columns": columns}
        return self._rows("GET", "/cone", params=question)

    def lightcurve(self, name: int | str, **question: Any) -> Rows:
        """Points of an object; `parts`, `as_of`, `since`, `until` (MJD TAI), `joint`."""
        return self._rows("GET", f"/objects/{_part(name)}/lightcurve", params=question)

    def lightcurves(self, names: Sequence[int | str], **question: Any) -> Rows:
        """Points of many objects; the same options. Unknown objects are left out, with a warning."""
        return self._rows("POST", "/lightcurves", reads=True, json={"ids": list(names), **question})

    def features(self, name: int | str) -> Rows:
        """Features of the alerts of an object."""
        return self._rows("GET", f"/objects/{_part(name)}/features")

    def context(self, name: int | str) -> dict[str, Any]:
        """What an object is near to."""
        return self._document("GET", f"/objects/{_part(name)}/context")

    def annotations(self, name: int | str) -> list[dict[str, Any]]:
        """What annotators say about an object."""
        return list(self._document("GET", f"/objects/{_part(name)}/annotations")["annotations"])

    # Alerts

    def packet(self, source: int) -> dict[str, Any]:
        """The packet of a source, without its cutouts."""
        return self._document("GET", f"/sources/{source}/packet")

    def packet_avro(self, source: int) -> bytes:
        """The packet of a source as an Avro container."""
        return self._ask("GET", f"/sources/{source}/packet.avro").content

    def cutout(self, source: int, kind: str = "science", *, form: str = "fits") -> bytes:
        """A cutout: science, template or difference, as FITS or PNG."""
        return self._ask("GET", f"/sources/{source}/cutouts/{kind}.{form}").content

    # Lists and filters

    def watchlists(self) -> list[dict[str, Any]]:
        """Watchlists that the account may see."""
        return list(self._document("GET", "/watchlists")["watchlists"])

    def watchlist_hits(self, number: int) -> Rows:
        """Objects in the cones of a watchlist."""
        return self._rows("GET", f"/watchlists/{number}/hits")

    def make_watchlist(self, name: str, cones: str, **settings: Any) -> dict[str, Any]:
        """Create a watchlist from lines `RA, Dec[, name[, radius]]`; `radius`, `description`, `public`."""
        return self._document("POST", "/watchlists", json={"name": name, "cones": cones, **settings})

    def areas(self) -> list[dict[str, Any]]:
        """Areas that the account may see."""
        return list(self._document("GET", "/areas")["areas"])

    def area_hits(self, number: int) -> Rows:
        """Objects in an area."""
        return self._rows("GET", f"/areas/{number}/hits")

    def filters(self) -> list[dict[str, Any]]:
        """Filters that the account may see."""
        return list(self._document("GET", "/filters")["filters"])

    def check(self, definition: str) -> dict[str, Any]:
        """Check a filter; a wrong one raises `BrokerProblem` with line and column in `errors`."""
        return self._document("POST", "/filters/check", reads=True, json={"definition": definition})

    def query(self, definition: str, *, limit: int = 1000) -> Rows:
        """Rows of a filter over all objects as they are now; needs an account."""
        asked = {"definition": definition, "limit": limit}
        found = self._document("POST", "/filters/try", reads=True, json=asked)
        if found.get("more"):
            _warn(len(found["rows"]))
        objects = pa.array([int(one) for one in found["diaObjectIds"]], pa.int64())
        columns = {"diaObjectId": objects} | {
            name: _column([row[name] for row in found["rows"]]) for name in found["columns"] if name != "diaObjectId"
        }
        return Rows(pa.table(columns))

    def adql(self, query: str, *, limit: int | None = None) -> Rows:
        """Rows of an ADQL query; for one that needs longer than 15 s, use `pyvo` with `/api/vo/tap/async`.

        Raises
        ------
        BrokerProblem
            If the query is not accepted, with what is wrong.
        """
        form = {"LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": "parquet"}
        if limit is not None:
            form["MAXREC"] = str(limit)
        answer = self._ask("POST", "/tap/sync", base=self._root + "/api/vo", reads=True, data=form)
        with _understood(answer):
            found = pyarrow.parquet.read_table(pa.BufferReader(answer.content))
        return _limited(answer, found)

    def coverage(self, order: int = 6) -> dict[str, Any]:
        """The part of the sky with stored objects: a MOC of cells of an order, with its version."""
        return self._document("GET", "/coverage", params={"order": order})

    def events(
        self, filters: Sequence[int] = (), *, follow: Sequence[str] = ("matches", "progress"), last: str | None = None
    ) -> Generator[Event, None, None]:
        """Events as they happen, without end.

        If the connection is interrupted, or the server restarts, it connects again as often as need be, and continues
        after the last event. Only the first connection fails if the server cannot be reached.

        Parameters
        ----------
        filters : sequence of int
            Filter numbers; by default those of the account.
        follow : sequence of str
            matches, progress, or both.
        last : str, optional
            Identifier of the last event already received; without it, events begin now.

        Yields
        ------
        Event

        Raises
        ------
        BrokerProblem
            If the account may not, or may no longer, read the filters.
        """
        question: dict[str, Any] = {"filter": list(filters), "follow": list(follow)}
        failures, connected = 0, False
        while True:
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
            try:
                with self._ask("GET", "/events", params=question, headers=headers, stream=True) as answer:
                    connected = True
                    for event in read_events(line.decode() for line in answer.iter_lines(chunk_size=1)):
                        failures = 0
                        if event.name == "end":
                            raise BrokerProblem(403, {"detail": event.data["detail"]})
                        last = event.identifier or last
                        if event.name:
                            yield event
            except (BrokerUnreachable, requests.RequestException):
                if not connected:
                    raise
            except BrokerProblem as error:
                if error.status not in _MAY_PASS or not connected:
                    raise
            # Also after a stream that ended in order, as it does every hour: a server may end each at once.
            failures += 1
            time.sleep(min(pause_after(failures, CLIENT), _LONGEST_WAIT))

    def results(self, number: int, **question: Any) -> Rows:
        """Alerts that passed a filter; `first` and `last` night."""
        return self._rows("GET", f"/filters/{number}/results", params=question)

    def deliveries(self, number: int, **question: Any) -> Rows:
        """Messages of a filter of the account, the newest first."""
        return self._rows("GET", f"/filters/{number}/deliveries", params=question)

    # Telemetry

    def products(self, **question: Any) -> Rows:
        """Product files; `level`, `family`, `kind`, `version`, `first`, `last`, `name`, `current`."""
        return self._rows("GET", "/products", params=question)

    def download(self, product: int, path: str | Path) -> Path:
        """Download a product file; an interrupted download continues where it ended."""
        target = Path(path)
        about = self._document("GET", f"/products/{product}")
        part = target.with_name(f".{target.name}.{about['digest'][:16]}.part")
        begun = part.stat().st_size if part.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begun}-"} if begun else {})
        if begun > about["size"]:
            part.unlink()
            begun, headers = 0, {"Accept-Encoding": "identity"}
        if begun < about["size"] or not begun:
            with (
                self._ask("GET", f"/products/{product}/file", headers=headers, stream=True) as answer,
                part.open("ab" if answer.status_code == 206 else "wb") as written,
                contextlib.suppress(requests.RequestException),  # what has arrived is kept
            ):
                for piece in answer.iter_content(1 << 18):
                    written.write(piece)
        received = part.stat().st_size
        if received != about["size"]:
            if received > about["size"]:
                part.unlink()  # what is there cannot be continued
            raise BrokerUnreachable(
                f"{received} of {about['size']} bytes of {about['name']} arrived; download it again"
            )
        part.replace(target)
        return target

    # Provenance

    def why(self, table: str, **row: Any) -> list[dict[str, Any]]:
        """Where rows of a table come from: `why("diasources", diasourceid=8)`."""
        return list(self._json("GET", f"/why/rows/{_part(table)}", params=row))

    def freeze(self, **question: Any) -> dict[str, Any]:
        """Freeze an answer so that it can be cited: `ids` or `cone`, `parts`, `as_of`, `features`, `title`."""
        return self._document("POST", "/snapshots", json=question)

    def snapshot(self, identifier: str) -> bytes:
        """The bytes of a frozen answer."""
        return self._ask("GET", f"/snapshots/{_part(identifier)}/content").content

    def status(self) -> dict[str, Any]:
        """The state of the platform."""
        return self._document("GET", "/status")

    def pages(self, path: str, name: str, **question: Any) -> Iterator[dict[str, Any]]:
        """All rows of a list, page by page: `pages("/publications", "publications")`."""
        cursor: str | None = None
        while True:
            found = self._document("GET", path, params={**question, "cursor": cursor})
            yield from found[name]
            cursor = found["next"]
            if cursor is None:
                return

    def raw(self, path: str, form: str | None = None, *, method: str = "GET", **options: Any) -> requests.Response:
        """An answer as it is sent: in a form (json, csv, arrow, parquet or votable), or in that of the address.

        Its parts come as they are read; `requests.RequestException` says that it is not complete.

        Raises
        ------
        ValueError
            If there is no such form.
        BrokerProblem
            If the answer is not available in it.
        """
        if form is None:
            return self._ask(method, path, stream=True, **options)
        if form not in MEDIA_TYPES:
            raise ValueError(f"there is no form {form!r}: {', '.join(MEDIA_TYPES)}")
        # Not every address has the parameter `format`.
        answer = self._ask(method, path, headers={"Accept": MEDIA_TYPES[form]}, stream=True, **options)
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        if kind != MEDIA_TYPES[form] and "format=" not in path:
            answer.close()
            raise BrokerProblem(406, {"detail": f"{path} answers with {kind or 'nothing'}, not with {form}"})
        return answer

    def _rows(self, method: str, path: str, **options: Any) -> Rows:
        answer = self._ask(method, path, headers={"Accept": MEDIA_TYPES["arrow"]}, **options)
        with _understood(answer), pa.ipc.open_stream(answer.content) as reader:
            found = reader.read_all()
        return _limited(answer, found)

    def _document(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        found = self._json(method, path, **options)
        if not isinstance(found, dict):
            raise BrokerUnreachable(f"{self.url} answers with something else than a document: is the address right?")
        return found

    def _json(self, method: str, path: str, **options: Any) -> Any:
        answer = self._ask(method, path, **options)
        with _understood(answer):
            return answer.json()

    def _ask(
        self, method: str, path: str, *, base: str | None = None, reads: bool | None = None, **options: Any
    ) -> requests.Response:
        """Send a request; one that only reads (by default GET) is tried again."""
        attempts = 1 + (self.retries if reads or (reads is None and method == "GET") else 0)
        for attempt in range(1, attempts + 1):
            wait: float | None = None
            try:
                answer = self._session.request(method, (base or self.url) + path, timeout=self.timeout, **options)
            except _MISTAKES as error:
                raise BrokerUnreachable(f"{self.url}: {error}") from error
            except requests.RequestException as error:
                if attempt == attempts:
                    raise BrokerUnreachable(f"{self.url} does not answer: {error}") from error
            else:
                if answer.ok:
                    return answer
                if answer.status_code not in _MAY_PASS or attempt == attempts:
                    break
                wait = asked_to_wait(answer.headers.get("Retry-After"))
                answer.close()
            time.sleep(min(pause_after(attempt, CLIENT) if wait is None else wait, _LONGEST_WAIT))
        try:
            document = answer.json()
        except ValueError:
            document = {"detail": answer.text[:500]}
        raise BrokerProblem(answer.status_code, document if isinstance(document, dict) else {"detail": str(document)})


@contextlib.contextmanager
def _understood(answer: requests.Response) -> Iterator[None]:
    """Report an answer of something else than a broker, such as the log-in page of a network."""
    try:
        yield
    except (ValueError, pa.ArrowException) as error:
        kind = answer.headers.get("Content-Type", "no content type")
        raise BrokerUnreachable(
            f"{answer.url} answers with {kind}, which is not what a broker answers: is the address right? ({error})"
        ) from error


def unknown_in(answer: requests.Response) -> str:
    """Names that a table lacks because they are unknown to the broker, as a text; empty without any."""
    return unquote(answer.headers.get("X-Unknown", ""))


def _limited(answer: requests.Response, found: pa.Table) -> Rows:
    """The rows of an answer, with a warning if it lacks what was asked for, or may lack others."""
    unknown = unknown_in(answer)
    if unknown:
        warnings.warn(f"unknown, and left out: {unknown}", stacklevel=3)
    limit = answer.headers.get("X-Row-Limit", "")
    if limit.isdecimal() and found.num_rows >= int(limit):
        _warn(int(limit))
    return Rows(found)


def _warn(limit: int) -> None:
    warnings.warn(f"the answer has {limit} rows, the most that were allowed; there may be more", stacklevel=4)


def _part(name: int | str) -> str:
    """A name as one part of an address, whatever signs it has."""
    return quote(str(name), safe="")


def _column(values: list[Any]) -> pa.Array:
    """Values of JSON as a column; numbers that no column of Arrow holds together are texts."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
