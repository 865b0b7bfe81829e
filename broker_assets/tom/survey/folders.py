"""Alerts in folders named by night, as in the first campaign, and sending them.

A place has a folder or a tar file for each night: `NITE60282`, `60282`, `2023-12-04` or `20231204`, with `.tar` or
`.tar.gz`. Its files are datums, `.avro` or `.avro.gz`; they are sent by the time in their names
(`alert_mjd60282.1234_obj5_src9.avro.gz`), or, if they have none, by that of their detection. Several places count as
one: the files of a night are sent together, and of copies of a file one is sent. Alerts that are also in the tables are
marked there.
"""

from __future__ import annotations

import datetime
import gzip
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from broker_assets.database.engine import connect
from broker_assets.packets.reader import PacketReader
from broker_assets.tom.survey import journal
from broker_assets.tom.survey.fits_tables import DamagedFile
from broker_assets.tom.survey.kafka_topics import Outgoing, Topics, alert_number
from broker_assets.tom.survey.nights import named_night
from broker_assets.tom.survey.schemas import alert_schema
from broker_assets.tom.survey.sending import BatchSender, Pace, Prepared, SendReport, Step, Stop

Connection = psycopg.Connection[Any]
LARGEST: Final = 16 * 1024**2
"""Largest alert, bytes."""
_ARCHIVES: Final = (".tar", ".tar.gz", ".tgz")
_MJD: Final = re.compile(r"mjd(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class AlertFile:
    """A file with an alert."""

    path: Path
    """The file, or the archive that contains it."""
    member: str | None
    """Its name in the archive."""

    @property
    def name(self) -> str:
        """Its name without folders."""
        return Path(self.member or self.path).name


def folder_nights(places: Sequence[Path]) -> dict[int, list[Path]]:
    """Folders and archives of nights, by integer MJD, ascending.

    Raises
    ------
    FileNotFoundError
        If a place is not a folder.
    """
    found: dict[int, list[Path]] = {}
    for place in places:
        if not place.is_dir():
            raise FileNotFoundError(2, "No such folder", str(place))
        for path in sorted(place.iterdir()):
            ending = next((one for one in _ARCHIVES if path.name.endswith(one)), "") if path.is_file() else ""
            if path.is_file() and not ending:
                continue
            day = named_night(path.name.removesuffix(ending))
            if day is not None:
                found.setdefault(day, []).append(path)
    return dict(sorted(found.items()))


def campaign_nights(
    first: int, begin: datetime.datetime, nights_a_day: int, now: datetime.datetime, *, last: int | None = None
) -> range:
    """Nights of the simulation that are due at a time in a campaign.

    Parameters
    ----------
    first : int
        First night of the simulation, integer MJD.
    begin : datetime
        When the campaign begins.
    nights_a_day : int
        Nights of the simulation for each day of the campaign.
    now : datetime
        The present.
    last : int, optional
        Last night of the simulation.

    Examples
    --------
    >>> begin = datetime.datetime(2022, 9, 28, 7, tzinfo=datetime.UTC)
    >>> campaign_nights(60274, begin, 10, begin + datetime.timedelta(days=2))
    range(60294, 60304)
    """
    days = (now - begin).days
    start = first + days * nights_a_day
    end = start + nights_a_day
    return range(max(start, first), max(first, end if last is None else min(end, last + 1)))


class NightFiles:
    """The alerts of a night, in the order in which they are sent.

    Parameters
    ----------
    paths : sequence of Path
        Folders and archives of the night.
    version : str
        Version of the schema, for files without a time in their name.

    Raises
    ------
    DamagedFile
        If an archive or an alert cannot be read; the message says which one.
    """

    def __init__(self, paths: Sequence[Path], version: str) -> None:
        self._archives: dict[Path, tarfile.TarFile] = {}
        self._stack = ExitStack()
        files = self._once([file for path in paths for file in self._listed(path)])
        times = {file: _MJD.search(file.name) for file in files}
        if all(times.values()):
            key = {file: float(found[1]) for file, found in times.items() if found is not None}
        else:
            key = dict(zip(files, _times([self.read(file) for file in files], files, version), strict=True))
        self.files = sorted(files, key=lambda file: (key[file], file.name, str(file.path)))

    def __len__(self) -> int:
        return len(self.files)

    def read(self, file: AlertFile) -> bytes:
        """The datum in a file.

        Raises
        ------
        DamagedFile
            If it cannot be read, or is too large.
        """
        where = f"{file.path}: {file.member}" if file.member else str(file.path)
        try:
            if file.member is None:
                stream: Any = file.path.open("rb")
            else:
                stream = self._archives[file.path].extractfile(file.member)
            with stream:
                raw: Any = gzip.GzipFile(fileobj=stream) if file.name.endswith(".gz") else stream
                content = raw.read(LARGEST + 1)
        except (OSError, EOFError, tarfile.TarError, zlib.error, KeyError) as error:
            raise DamagedFile(f"{where} cannot be read: {error}") from None
        if len(content) > LARGEST:
            raise DamagedFile(f"{where} has more than {LARGEST} bytes")
        return bytes(content)

    def prepared(self, start: int, stop: int, topic: str) -> list[Prepared]:
        """Messages of some of the files.

        Raises
        ------
        DamagedFile
            If one of them is not an alert.
        """
        made: list[Prepared] = []
        for file in self.files[start:stop]:
            value = self.read(file)
            try:
                made.append(Prepared(alert_number(value), [Outgoing(topic, value)]))
            except ValueError as error:
                raise DamagedFile(f"{file.path}: {file.name} is not an alert: {error}") from None
        return made

    def close(self) -> None:
        """Close the archives."""
        self._stack.close()

    def _listed(self, path: Path) -> Iterator[AlertFile]:
        if path.is_dir():
            yield from (AlertFile(file, None) for file in path.rglob("*") if file.is_file() and _is_alert(file.name))
            return
        try:
            archive = self._stack.enter_context(tarfile.open(path))  # noqa: SIM115 - the stack closes it
            self._archives[path] = archive
            yield from (
                AlertFile(path, member.name) for member in archive if member.isfile() and _is_alert(member.name)
            )
        except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
            raise DamagedFile(f"{path} is not a tar file: {error}") from None

    def _once(self, files: Sequence[AlertFile]) -> list[AlertFile]:
        """Files without copies: a night may be there as an archive and unpacked, and in two places."""
        known: dict[str, AlertFile] = {}
        for file in files:
            first = known.setdefault(file.name.removesuffix(".gz"), file)
            if first is not file and self.read(first) != self.read(file):
                raise DamagedFile(f"{first.path} and {file.path} have two different alerts {file.name}: remove one")
        return list(known.values())


def _is_alert(name: str) -> bool:
    return name.endswith((".avro", ".avro.gz"))


def _times(values: Sequence[bytes], files: Sequence[AlertFile], version: str) -> list[float]:
    reader = PacketReader(alert_schema(version), {"": ["diaSource.midPointTai"]})
    read = reader.read(values)
    if read.failures:
        failure = read.failures[0]
        raise DamagedFile(f"{files[failure.packet].path}: {files[failure.packet].name}: {failure.reason}")
    times: list[float] = read.tables[""]["diaSource.midPointTai"].to_pylist()
    return times


def send_folders(
    database_url: str,
    topics: Topics,
    places: Sequence[Path],
    topic: str,
    *,
    nights: range | None = None,
    version: str = "0.9.1",
    pace: Pace = Pace(),
    stop: Stop = lambda: False,
    progress: Callable[[int, SendReport], None] = lambda night, report: None,
    step: Step = lambda _: None,
) -> SendReport:
    """Send the alerts of unfinished nights, each to its end.

    Parameters
    ----------
    database_url : str
        SQLAlchemy URL of the broker's database, which keeps what was sent.
    topics : Topics
        Kafka.
    places : sequence of Path
        See the docstring of the module.
    topic : str
        Kafka topic.
    nights : range, optional
        Integer MJD of the nights; default: all.
    version, pace, stop, step
        See `sending.send_alerts`.
    progress : callable
        Called after each batch with the night.

    Raises
    ------
    SenderBusy, SendFailed, psycopg.OperationalError
        See `sending.send_alerts`.
    DamagedFile, FileNotFoundError
        If a file cannot be read; what was sent before it stays sent.
    """
    place = ";".join(sorted(str(one.resolve()) for one in places))
    total = SendReport()
    with (
        connect(database_url, application="broker-assets survey", autocommit=True) as connection,
        journal.sole_sender(connection, place),
    ):
        for day, paths in folder_nights(places).items():
            if (nights is not None and day not in nights) or stop():
                continue
            _, over = journal.sent_files(connection, place, str(day))
            if over:
                continue
            report = _send_night(connection, topics, place, day, paths, topic, version, pace, stop, progress, step)
            total.alerts += report.alerts
            total.recovered += report.recovered
            total.seconds += report.seconds
            for name, number in report.messages.items():
                total.messages[name] = total.messages.get(name, 0) + number
    return total


def _send_night(
    connection: Connection,
    topics: Topics,
    place: str,
    day: int,
    paths: Sequence[Path],
    topic: str,
    version: str,
    pace: Pace,
    stop: Stop,
    progress: Callable[[int, SendReport], None],
    step: Step,
) -> SendReport:
    def mark(within: Connection, alerts: Sequence[int]) -> None:
        journal.mark_files(within, place, str(day), len(alerts))
        journal.mark_alerts(within, alerts)

    with ExitStack() as stack:
        files = NightFiles(paths, version)
        stack.callback(files.close)
        sender = BatchSender(connection, topics, f"{place} {day}", mark, pace, step=step)
        stack.callback(sender.finish)
        begin, _ = journal.sent_files(connection, place, str(day))

        def remake(alerts: Sequence[int], messages: int) -> list[Prepared]:
            # The files under way are those after the ones that were sent.
            wanted = set(alerts)
            return [one for one in files.prepared(begin, begin + messages, topic) if one.alert in wanted]

        sender.recover(remake)
        start, _ = journal.sent_files(connection, place, str(day))
        while start < len(files) and not stop():
            batch = files.prepared(start, start + pace.batch, topic)
            sender.send(batch)
            start += len(batch)
            progress(day, sender.report)
        if start >= len(files):
            with connection.transaction():
                journal.mark_files(connection, place, str(day), 0, over=True)
        return sender.report
