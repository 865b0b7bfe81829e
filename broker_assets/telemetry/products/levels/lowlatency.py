"""Level LL01: quick-look products of the low-latency machine of the ground segment.

A request is a folder ``request_YYYYMMDD_HHMMSS…`` with one telemetry file in its folder `telemetry`. Its products are
made in ``temporary/<request>`` of the output folder, which is then moved as a whole to `products` or `failed`. A
request is processed once, until there is a result with its name in one of the two. What a killed process left in
`temporary` is made again.
"""

from __future__ import annotations

import fcntl
import io
import logging
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits as astropy_fits

from broker_assets.storage.atomic import move_folder, replace_atomically
from broker_assets.telemetry.idb.database import DatabaseError
from broker_assets.telemetry.idb.database_versions import MissingDatabaseVersion
from broker_assets.telemetry.inputs.configuration import ConfigurationError
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.packets.files import UnknownFile
from broker_assets.telemetry.products.files import fits
from broker_assets.telemetry.products.files.fits import Card
from broker_assets.telemetry.products.files.headers import extensions, marked, software_version
from broker_assets.telemetry.products.files.tables import Column
from broker_assets.telemetry.products.kinds import KINDS
from broker_assets.telemetry.products.levels.level0 import Inputs, Problem, level0_of_day
from broker_assets.telemetry.products.levels.levelb import unique_packets
from broker_assets.telemetry.products.product import Product
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.storing import receive

logger = logging.getLogger(__name__)

LEVEL: Final = "LL01"
KEYS: Final = ((21, 6, 30), (21, 6, 34))
"""Light curve and flare flag; packets of other kinds are ignored."""
FAILED: Final = "failed"
TEMPORARY: Final = "temporary"
PRODUCTS: Final = "products"
REASON: Final = "reason.txt"
"""File in the folder of a failed request that says why it failed."""
_REQUEST: Final = re.compile(r"request_\d{8}_\d{6}.*")


class RequestFailed(ValueError):
    """A request cannot be answered; the message says why."""


@dataclass(frozen=True)
class Answer:
    """The result of a request."""

    name: str
    files: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    """Packets that were left out; the products are made without them."""
    reason: str | None = None
    """Why it failed."""


@contextmanager
def only_one(output: Path) -> Iterator[None]:
    """The right to work on an output folder.

    Raises
    ------
    BlockingIOError
        If another process has it.
    """
    output.mkdir(parents=True, exist_ok=True)
    with (output / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def waiting(requests: Path, output: Path) -> list[Path]:
    """Requests without a result yet, by name."""
    done = {path.name for folder in (FAILED, PRODUCTS) for path in (output / folder).glob("*")}
    found = (path for path in requests.glob("request_*") if path.is_dir() and _REQUEST.fullmatch(path.name))
    return sorted(path for path in found if path.name not in done)


class Arrivals:
    """Waiting requests that are complete: those that have not changed since the last look.

    A request has one result, whatever is added to it later, and its files may be copied for longer than a moment.
    """

    def __init__(self) -> None:
        self._seen: dict[Path, frozenset[tuple[str, int, int]]] = {}

    def complete(self, requests: Path, output: Path) -> list[Path]:
        """Look at the requests that wait, and return those that the last look found as they are now, by name."""
        found = {request: _content(request) for request in waiting(requests, output)}
        complete = [request for request, content in found.items() if self._seen.get(request) == content]
        self._seen = found
        return complete


def _content(request: Path) -> frozenset[tuple[str, int, int]]:
    """Name, size and time of modification of everything in a request."""
    found = []
    for path in request.rglob("*"):
        with suppress(OSError):  # a temporary name that is gone
            status = path.stat()
            found.append((str(path.relative_to(request)), status.st_size, status.st_mtime_ns))
    return frozenset(found)


def answer_all(
    requests: Path, output: Path, inputs: Inputs, now: np.datetime64, *, chosen: Sequence[Path] | None = None
) -> list[Answer]:
    """Work on waiting requests, in the order of their names.

    Parameters
    ----------
    requests : Path
        Folder of requests.
    output : Path
        Folder in which `temporary`, `products` and `failed` are made; lock it with ``only_one``.
    inputs : Inputs
    now : datetime64
        UTC; its minute is the version of the products.
    chosen : sequence of Path, optional
        The requests; all that wait unless given.
    """
    # Left by a process that was killed: no other process can be using it, since the folder is locked.
    shutil.rmtree(output / TEMPORARY, ignore_errors=True)
    todo = waiting(requests, output) if chosen is None else chosen
    return [answer(request, output, inputs, now) for request in todo]


def answer(request: Path, output: Path, inputs: Inputs, now: np.datetime64) -> Answer:
    """Work on one request; a failure is reported, not raised.

    Raises
    ------
    OSError
        If the output folder cannot be written.
    """
    work = output / TEMPORARY / request.name
    work.mkdir(parents=True)
    try:
        found = _products(request, work, inputs, now)
    except RequestFailed as error:
        found = Answer(request.name, (), reason=str(error))
        (work / REASON).write_text(f"{error}\n", encoding="utf-8")
    move_folder(work, output / (PRODUCTS if found.reason is None else FAILED) / request.name)
    for problem in found.problems:
        logger.warning("%s: %s: %s", request.name, problem.what, problem.reason)
    if found.reason is None:
        logger.info("%s: %d products: %s", request.name, len(found.files), ", ".join(found.files))
    else:
        logger.error("%s failed: %s", request.name, found.reason)
    return found


def _products(request: Path, work: Path, inputs: Inputs, now: np.datetime64) -> Answer:
    telemetry = sorted((request / "telemetry").glob("*"))
    files = [path for path in telemetry if path.suffix.lower() == ".xml" and path.is_file()]
    if len(files) != 1:
        raise RequestFailed(f"its folder telemetry has {len(files)} XML files; one is needed")
    problems: list[Problem] = []
    names = []
    with tempfile.TemporaryDirectory(prefix="packets-", dir=work.parent) as folder, PacketStore(Path(folder)) as store:
        try:
            received = receive(files[0], store, inputs.databases)
            problems += [Problem(f"{bad.file}, byte {bad.position}", bad.reason) for bad in received.bad]
            for unit in sorted(received.touched.level0, key=lambda unit: (str(unit.key), unit.day)):
                if unit.key not in KEYS:
                    continue
                first = unit.day * clock.TICKS_PER_SECOND
                packets = unique_packets(store.of_days(unit.key, first, first + clock.TICKS_PER_DAY))
                for product in level0_of_day(KINDS[unit.key], packets, inputs, problems, unit.day):
                    name = _name(product, now)
                    if name in names:
                        problems.append(Problem(name, f"{len(product.time)} rows with other energies need this name"))
                        continue
                    _write(work / name, product, now)
                    names.append(name)
        except (UnknownFile, ConfigurationError, DatabaseError, MissingDatabaseVersion) as error:
            raise RequestFailed(str(error)) from error
    if not names:
        reasons = "; ".join(f"{problem.what}: {problem.reason}" for problem in problems[:5])
        raise RequestFailed(f"{files[0].name} gives no light curve and no flare flag; {reasons or 'it has none'}")
    return Answer(request.name, tuple(names), tuple(problems))


def _stamp(now: np.datetime64) -> str:
    return re.sub(r"\D", "", str(now.astype("datetime64[m]")))


def _name(product: Product, now: np.datetime64) -> str:
    span = f"{product.start >> 16:010d}-{product.end >> 16:010d}"
    return f"solo_{LEVEL}_stix-{product.kind.file_stem}_{span}_V{_stamp(now)}.fits"


def _write(path: Path, product: Product, now: np.datetime64) -> None:
    # The chain of files begins here: there is no level LB on that machine.
    parent = Column(np.full(len(product.control["parent"].values), ""))
    product = replace(product, level=LEVEL, control=product.control | {"parent": parent})
    tables = b"".join(fits.table_bytes(extension) for extension in extensions(product))
    replace_atomically(path, _primary(_cards(product, path.name, _stamp(now))) + tables, sync_name=False)


def _cards(product: Product, name: str, stamp: str) -> list[Card]:
    cards: list[Card] = [
        ("TELESCOP", "SOLO/STIX", "Telescope/Sensor name"),
        ("INSTRUME", "STIX", "Instrument name"),
        ("OBSRVTRY", "Solar Orbiter", "Satellite name"),
        ("FILENAME", name, ""),
        ("DATE", fits.now(), "FITS file creation date in UTC"),
        ("BLANK", 4294967295, "Value marking undefined pixels"),
        ("OBT_BEG", clock.text(product.start), ""),
        ("OBT_END", clock.text(product.end), ""),
        ("TIMESYS", "OBT", "System used for time keywords"),
        ("LEVEL", LEVEL, "Processing level of the data"),
        ("ORIGIN", "Solar Orbiter SOC, ESAC", "Location where file has been generated"),
        ("CREATOR", "STIX-LLDP", "FITS creation software"),
        ("VERSION", stamp, "Version of data product"),
        ("OBS_MODE", "Nominal", ""),
        ("VERS_SW", software_version(), "Software version"),
        ("COMPLETE", "", ""),
    ]
    axes = (("1", "YLIF-TAN"), ("2", "ZLIF-TAN"))
    cards += [(f"CRPIX{n}", 0.0, "Pixel coordinate of reference point") for n, _ in axes]
    cards += [(f"CDELT{n}", 2 / 3, "[deg] Coordinate increment at reference point") for n, _ in axes]
    cards += [(f"CTYPE{n}", name, "Coordinate type code") for n, name in axes]
    cards += [(f"CRVAL{n}", 0.0, "[deg] Coordinate value at reference point") for n, _ in axes]
    cards += [(f"CUNIT{n}", "deg", "Units of coordinate increment and value") for n, _ in axes]
    found = marked(product)
    comments: list[Card] = [("COMMENT", text, "") for text in found.comments]
    return [*cards, *found.cards, *comments, ("HISTORY", "Processed by broker_assets LL01", "")]


def _primary(cards: list[Card]) -> bytes:
    """The primary HDU: an image of 3 × 3 zeros, which readers of the low-latency archive expect."""
    hdu = astropy_fits.PrimaryHDU(np.zeros((3, 3), dtype=np.uint8))
    for keyword, value, comment in cards:
        if keyword == "HISTORY":
            hdu.header.add_history(value)
        else:
            hdu.header[keyword] = (value, comment)
    stream = io.BytesIO()
    astropy_fits.HDUList([hdu]).writeto(stream, checksum=True, output_verify="exception")
    return stream.getvalue()
