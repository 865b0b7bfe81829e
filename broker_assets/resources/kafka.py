"""Alert streams on Kafka: reading from known positions, and how far behind the positions are.

`KafkaSource` is the stream's `MessageSource` over confluent-kafka; `Kafka` is the resource that opens it for runs, each
stream on its own cluster, and answers the lag sensor. Only contact with the broker belongs here: positions live in the
ledger, and what is done with a message in `broker_assets.stream`.

The consumer never joins a group. It needs a group name nevertheless, for `mirror`, which repeats the positions
committed in the database for external monitoring tools that do not know our database.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from tenacity import Retrying, retry_if_exception, stop_after_delay

from broker_assets import backoff
from broker_assets.kafka_log import client_log
from broker_assets.settings import ClusterSettings, Settings, StreamLocation
from broker_assets.settings.stream import MIRROR_GROUP, SecretFileError
from broker_assets.stream.memory import keep_freed_memory
from broker_assets.stream.messages import (
    Message,
    OffsetOutOfRangeError,
    SourceError,
    SourceRefusedError,
    SourceUnavailableError,
    StreamEnds,
    TopicAbsentError,
)

log = logging.getLogger(__name__)

LARGEST_MESSAGE = 16 * 1024**2
"""Bytes; allows a packet of 10 MB with its batch framing."""

FETCH_BYTES = 2 * LARGEST_MESSAGE
"""Bytes requested from one broker at a time, over all partitions."""

QUEUE_KILOBYTES = 64 * 1024
"""Messages that librdkafka reads ahead, kB: limits the memory of a run besides its batches."""

_LISTENER_SECONDS = 0.5
"""Seconds in which a server accepts or refuses a connection."""
KEPT_SECONDS = 600.0
"""A kept source that is older than this is replaced."""

_REFUSALS = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._AUTHENTICATION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError._INVALID_ARG,
    }
)
_LEADER_MOVES = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})
"""A partition that was just created, or whose broker is restarting, has no leader for a moment."""
_OUT_OF_RANGE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})


def client_configuration(cluster: ClusterSettings, **properties: Any) -> dict[str, Any]:
    """The librdkafka properties of a client; ours give way to the user's, and the user's to `properties`.

    Raises
    ------
    SourceRefusedError
        If no bootstrap servers are configured, or a file with a secret cannot be read.

    Examples
    --------
    >>> client_configuration(ClusterSettings(bootstrap_servers="kafka:9092"), **{"group.id": "me"})["group.id"]
    'me'
    """
    if not cluster.bootstrap_servers:
        raise SourceRefusedError(
            "no Kafka broker is configured: set BROKER_KAFKA__BOOTSTRAP_SERVERS, or start the embedded one "
            "with `broker-assets up`"
        )
    try:
        given = cluster.properties()
    except SecretFileError as error:
        raise SourceRefusedError(f"credentials for Kafka at {cluster.bootstrap_servers} are missing: {error}") from None
    return {
        "bootstrap.servers": cluster.bootstrap_servers,
        "client.id": "broker-assets",
        "socket.connection.setup.timeout.ms": 5_000,
        "reconnect.backoff.max.ms": 2_000,
        **given,
        **properties,
    }


class KafkaSource:
    """Messages of one topic from explicit positions; see `broker_assets.stream.messages.MessageSource`.

    Parameters
    ----------
    cluster : ClusterSettings
        How to reach the broker.
    topic : str
        The topic.
    timeout : float
        Time limit for a request to the broker, seconds.
    read_ahead : bool
        Whether to fetch as much as memory allows (runs) or as little as possible (the lag sensor).
    """

    def __init__(self, cluster: ClusterSettings, topic: str, *, timeout: float = 10.0, read_ahead: bool = True) -> None:
        self.topic = topic
        self._servers = cluster.bootstrap_servers
        self._group = cluster.group or MIRROR_GROUP
        self._timeout = timeout
        self._trouble: KafkaError | None = None
        self._cause: KafkaError | None = None
        self._deferred: SourceError | None = None
        self._ends: dict[int, int] = {}
        self._assigned: tuple[int, ...] = ()
        self._closed = False
        configuration = client_configuration(
            cluster,
            **{
                "group.id": self._group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                # A position that is gone is a gap to be recorded, never silently jumped over.
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "max.partition.fetch.bytes": LARGEST_MESSAGE if read_ahead else 1024,
                "fetch.max.bytes": FETCH_BYTES,
                "receive.message.max.bytes": FETCH_BYTES + LARGEST_MESSAGE,
                "queued.max.messages.kbytes": QUEUE_KILOBYTES if read_ahead else 1024,
                "queued.min.messages": 20_000 if read_ahead else 1,
                "fetch.wait.max.ms": 100,
                # After an empty fetch the default waits half a second; a drained stream is the usual state.
                "fetch.error.backoff.ms": 100,
                # After its read-ahead was full librdkafka would wait a second before it fetches again.
                "fetch.queue.backoff.ms": 5,
                "error_cb": self._on_error,
            },
        )
        if read_ahead:
            # Before the client starts its threads, which allocate the messages.
            keep_freed_memory()
        # A property that does not exist, a certificate that cannot be read: of this stream alone.
        with self._explained():
            self._consumer = Consumer(configuration, logger=client_log(__name__))

    def assign(self, positions: Mapping[int, int]) -> None:
        """Read exactly these partitions, from these offsets on.

        Raises
        ------
        ValueError
            If an offset is negative: positions are absolute, never "beginning" or "end".
        """
        wrong = {partition: offset for partition, offset in positions.items() if offset < 0}
        if wrong:
            raise ValueError(f"positions are absolute offsets, not {wrong}")
        self._require_open()
        self._deferred = None
        self._ends.clear()
        self._assigned = tuple(sorted(positions))
        with self._explained():
            self._consumer.assign([TopicPartition(self.topic, *position) for position in sorted(positions.items())])

    def consume(self, max_messages: int, timeout: float) -> list[Message]:
        """Messages in order of offset within each partition; see `MessageSource.consume`."""
        self._require_open()
        if self._deferred is not None:
            deferred, self._deferred = self._deferred, None
            raise deferred
        messages: list[Message] = []
        deadline = time.monotonic() + timeout
        while len(messages) < max_messages and self._deferred is None:
            wait = deadline - time.monotonic()
            with self._explained():
                received = self._consumer.consume(max_messages - len(messages), max(wait, 0.0))
            for message in received:
                error = message.error()
                if error is None:
                    messages.append(_taken(message))
                    continue
                partition, offset = int(message.partition() or 0), int(message.offset() or 0)
                if error.code() == KafkaError._PARTITION_EOF:
                    self._ends[partition] = offset
                else:
                    # Messages received before it are returned first, the error is raised at the next call.
                    self._deferred = self._error(error, partition, offset)
            if received:
                self._trouble = None
            if not received or wait <= 0:
                break
        if messages:
            return messages
        if self._deferred is not None:
            deferred, self._deferred = self._deferred, None
            raise deferred
        if self._trouble is not None:
            self._require_broker()
        return []

    def beginning_offsets(self) -> dict[int, int]:
        """First offset that the broker still keeps, per assigned partition."""
        return {partition: self.watermarks(partition)[0] for partition in self._assigned}

    def end_offsets(self) -> dict[int, int]:
        """Offset after the last message, per assigned partition.

        The high watermark of the last fetch, if there was one: Tansu answers the direct query with a number that is
        too small.
        """
        return {partition: self._fetched_end(partition) or self.asked_end(partition) for partition in self._assigned}

    def asked_end(self, partition: int) -> int:
        """Offset after the last message of a partition according to the broker (ListOffsets)."""
        return self.watermarks(partition)[1]

    def fetched_ends(self, partitions: Iterable[int], *, timeout: float) -> dict[int, int]:
        """High watermarks from a fetch at the assigned positions; partitions without a timely answer are omitted.

        Received messages are discarded: this is for the lag sensor, which does not use them.
        """
        wanted = set(partitions)
        deadline = time.monotonic() + timeout
        # The end that the client remembers from an earlier fetch may be too small by now.
        heard: set[int] = set()
        while wanted - heard and time.monotonic() < deadline:
            received = self.consume(1, min(0.1, max(deadline - time.monotonic(), 0.0)))
            heard |= wanted & ({message.partition for message in received} | self._ends.keys())
        ends = {partition: self._fetched_end(partition) for partition in heard}
        return {partition: end for partition, end in ends.items() if end is not None}

    def partitions(self) -> list[int]:
        """Numbers of all partitions of the topic, ascending."""
        self._require_open()
        try:
            metadata = self._consumer.list_topics(self.topic, timeout=self._timeout)
        except KafkaException as exception:
            raise self._reason() or self._error(exception.args[0], -1, -1) from exception
        topic = metadata.topics.get(self.topic)
        if topic is None or not topic.partitions:
            error = topic.error if topic is not None else None
            raise TopicAbsentError(f"topic {self.topic!r} does not exist on {self._servers}: {error or 'unknown'}")
        return sorted(topic.partitions)

    def mirror(self, positions: Mapping[int, int]) -> None:
        """Repeat committed positions as offsets of the cluster's consumer group, for external monitoring.

        The platform does not read them, so a failure is only logged; a broker known to be unavailable is not contacted.
        """
        if not positions or self._closed or self._trouble is not None:
            return
        offsets = [TopicPartition(self.topic, *position) for position in sorted(positions.items())]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            log.warning("positions of %s were not mirrored to group %s: %s", self.topic, self._group, error)

    def rest(self) -> None:
        """Fetch nothing more until something is assigned; the connection stays."""
        self._assigned = ()
        self._consumer.unassign()

    def close(self) -> None:
        """Disconnect from the broker; closing twice is harmless."""
        if not self._closed:
            self._closed = True
            self._consumer.close()

    def _fetched_end(self, partition: int) -> int | None:
        """High watermark of the last fetch of a partition, None before the first."""
        # The later of the two: a message after the end-of-partition event moves the watermark only.
        low_high = self._consumer.get_watermark_offsets(TopicPartition(self.topic, partition), cached=True)
        fetched = low_high[1] if low_high is not None else -1
        end = max(fetched, self._ends.get(partition, -1))
        return end if end >= 0 else None

    def watermarks(self, partition: int, *, deadline: float | None = None) -> tuple[int, int]:
        """First offset kept and offset after the last message, according to the broker.

        Parameters
        ----------
        partition : int
            Any partition of the topic.
        deadline : float, optional
            Time (`time.monotonic`) by which the answer must have arrived, if that is sooner than the source's timeout.
        """
        self._require_open()
        asked = TopicPartition(self.topic, partition)
        seconds = self._timeout if deadline is None else min(self._timeout, max(deadline - time.monotonic(), 0.1))
        patience = Retrying(
            retry=retry_if_exception(_leader_moves),
            stop=stop_after_delay(seconds),
            wait=backoff.LEADER,
            reraise=True,
        )
        with self._explained():
            answer = patience(self._consumer.get_watermark_offsets, asked, timeout=seconds)
        if answer is None:
            raise SourceUnavailableError(self._unavailable("it did not report which offsets it keeps"))
        low, high = answer
        return low, high

    def _on_error(self, error: KafkaError) -> None:
        # Called for errors that concern no partition: brokers down, names that do not resolve, authentication.
        if error.code() in _REFUSALS:
            self._deferred = self._error(error, -1, -1)
        elif error.code() == KafkaError._ALL_BROKERS_DOWN or self._trouble is None:
            self._trouble = error
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._cause = error

    def _require_open(self) -> None:
        if self._closed:
            raise SourceRefusedError(f"the source of topic {self.topic!r} is closed")

    def _reason(self) -> SourceError | None:
        """Why a request was not answered, if the client knows: "no metadata" may hide a wrong password."""
        for _ in range(20):  # its newest events are queued behind the older ones
            self._consumer.poll(0)
        deferred, self._deferred = self._deferred, None
        reason = self._cause or self._trouble
        if deferred is None and reason is not None:
            return SourceUnavailableError(self._unavailable(reason.str()))
        return deferred

    def _require_broker(self) -> None:
        """Check whether the broker is back; librdkafka reports when it disappears, not when it returns."""
        trouble = self._trouble
        try:
            self._consumer.list_topics(self.topic, timeout=min(self._timeout, 2.0))
        except KafkaException:
            raise SourceUnavailableError(self._unavailable(str(trouble))) from None
        self._trouble = None

    def _unavailable(self, reason: str) -> str:
        return f"Kafka at {self._servers} does not answer for topic {self.topic!r}: {reason}"

    def _error(self, error: KafkaError, partition: int, offset: int) -> SourceError:
        if error.code() in _OUT_OF_RANGE:
            return OffsetOutOfRangeError(partition, offset)
        if error.code() in _REFUSALS:
            return SourceRefusedError(f"Kafka at {self._servers} refuses topic {self.topic!r}: {error.str()}")
        return SourceUnavailableError(self._unavailable(error.str()))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the client's exceptions into those of `MessageSource`."""
        try:
            yield
        except KafkaException as exception:
            raise self._error(exception.args[0], -1, -1) from exception


def _leader_moves(exception: BaseException) -> bool:
    return isinstance(exception, KafkaException) and exception.args[0].code() in _LEADER_MOVES


def _taken(message: Any) -> Message:
    return Message(
        partition=message.partition(),
        offset=message.offset(),
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value() or b"",
    )


class Kafka:
    """The resource: opens sources, and finds where topics end; each stream on its own cluster.

    Parameters
    ----------
    locations : iterable of StreamLocation
        The streams.
    keep : bool
        Whether the connections over which the end of a stream is queried are kept for the next query, as in the process
        that evaluates sensors.
    """

    def __init__(self, locations: Iterable[StreamLocation], *, keep: bool = False) -> None:
        self._locations = {location.name: location for location in locations}
        self._kept = KeptSources() if keep else None

    @classmethod
    def of(cls, settings: Settings, *, keep: bool = False) -> Self:
        """Kafka for the streams and the notices of the settings."""
        return cls(settings.locations(), keep=keep)

    def source(self, name: str) -> KafkaSource:
        """A source of a stream for a run; the caller closes it.

        Raises
        ------
        SourceRefusedError
            If no stream has this name, or its settings name no broker.
        """
        location = self._location(name)
        return KafkaSource(location.cluster, location.topic)

    def ends(self, name: str, positions: Mapping[int, int], *, timeout: float = 5.0) -> StreamEnds:
        """Where every partition of a stream ends; see `stream_ends`."""
        location = self._location(name)
        if self._kept is not None:
            return self._kept.ends(location, positions, timeout=timeout)
        return stream_ends(location.cluster, location.topic, positions, timeout=timeout)

    def source_at(self, location: StreamLocation) -> KafkaSource:
        """A source of a topic that the settings do not list, such as that of an annotator; the caller closes it."""
        return KafkaSource(location.cluster, location.topic)

    def ends_at(self, location: StreamLocation, positions: Mapping[int, int], *, timeout: float = 5.0) -> StreamEnds:
        """Where every partition of such a topic ends; see `stream_ends`."""
        return stream_ends(location.cluster, location.topic, positions, timeout=timeout)

    def topics_at(self, location: StreamLocation, *, timeout: float = 5.0) -> list[str]:
        """Names of all topics of the cluster of a location; see `listed_topics`."""
        return listed_topics(location.cluster, timeout=timeout)

    def _location(self, name: str) -> StreamLocation:
        location = self._locations.get(name)
        if location is None:
            known = ", ".join(self._locations) or "none"
            raise SourceRefusedError(f"no stream is called {name!r}; configured: {known}")
        return location


def listed_topics(cluster: ClusterSettings, *, timeout: float = 5.0) -> list[str]:
    """Names of all topics of a cluster that are shown to our user.

    Raises
    ------
    SourceUnavailableError, SourceRefusedError
        If Kafka cannot be reached, or has no servers in the settings.
    """
    client = Consumer(
        client_configuration(cluster, **{"group.id": cluster.group or MIRROR_GROUP}), logger=client_log(__name__)
    )
    try:
        return sorted(client.list_topics(timeout=timeout).topics)
    except KafkaException as error:
        raise SourceUnavailableError(
            f"Kafka at {cluster.bootstrap_servers} does not list its topics: {error.args[0].str()}"
        ) from None
    finally:
        client.close()


def stream_ends(
    cluster: ClusterSettings, topic: str, positions: Mapping[int, int], *, timeout: float = 5.0
) -> StreamEnds:
    """Where every partition of a topic ends.

    Asks the broker first; partitions that seem drained are then probed by a fetch from their position, because an
    answer that is too small (Tansu) must not hide messages. On Apache Kafka the probe costs one empty fetch.

    Parameters
    ----------
    cluster : ClusterSettings
        How to reach the broker.
    topic : str
        The topic.
    positions : mapping of partition to offset
        Committed positions.
    timeout : float
        Approximate time limit for the whole call, seconds.

    Raises
    ------
    SourceUnavailableError, SourceRefusedError
        If the broker is unavailable, or does not have the topic.
    """
    # First, since it names what is wrong with the settings.
    source = KafkaSource(cluster, topic, timeout=timeout, read_ahead=False)
    try:
        _require_listener(cluster, topic)
        return ends_of(source, positions, timeout=timeout)
    finally:
        source.close()


def _require_listener(cluster: ClusterSettings, topic: str) -> None:
    """Stop at once if every server of a cluster refuses connections; its client would try until the time limit.

    Servers with TLS are left to the client: they would write a line about each connection that is closed at once.
    """
    if (cluster.security_protocol or "").endswith("SSL"):
        return
    servers = [server.strip() for server in (cluster.bootstrap_servers or "").split(",") if server.strip()]
    for server in servers:
        host, _, port = server.rpartition("://")[2].rpartition(":")
        if not host or not (port.isascii() and port.isdecimal()):
            return
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_LISTENER_SECONDS).close()
        except ConnectionRefusedError:
            continue
        except (OSError, OverflowError, UnicodeError):
            pass  # the client finds out, and knows more ways
        return
    if servers:
        raise SourceUnavailableError(
            f"Kafka at {cluster.bootstrap_servers} does not answer for topic {topic!r}: connection refused"
        )


def ends_of(source: KafkaSource, positions: Mapping[int, int], *, timeout: float) -> StreamEnds:
    """The same as `stream_ends`, over a source that may be used again."""
    deadline = time.monotonic() + timeout
    partitions = source.partitions()
    watermarks = {partition: source.watermarks(partition, deadline=deadline) for partition in partitions}
    ends = {partition: high for partition, (_, high) in watermarks.items()}
    beginnings = {partition: low for partition, (low, _) in watermarks.items()}
    starts = {partition: positions.get(partition, beginnings[partition]) for partition in partitions}
    drained = {partition: starts[partition] for partition in partitions if ends[partition] <= starts[partition]}
    if drained:
        source.assign(drained)
        try:
            probed = source.fetched_ends(drained, timeout=max(deadline - time.monotonic(), 0.2))
        except OffsetOutOfRangeError:
            # The topic was recreated and ends before our position; the drain run detects and reports it.
            probed = {}
        finally:
            source.rest()
        ends |= {partition: max(end, ends[partition]) for partition, end in probed.items()}
    return StreamEnds(topic=source.topic, ends=ends, beginnings=beginnings)


class KeptSources:
    """Sources kept for repeated queries of where streams end, safe to use from several threads.

    Connecting costs a cluster and us three times as much as the answer. A source that could not answer is replaced, and
    so is an old one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, float], tuple[float, KafkaSource]] = {}
        self._process = os.getpid()

    def ends(self, location: StreamLocation, positions: Mapping[int, int], *, timeout: float) -> StreamEnds:
        """Where every partition of a stream ends; see `stream_ends`."""
        if self._process != os.getpid():
            # The clients' threads stayed in the process from which this one was forked.
            return stream_ends(location.cluster, location.topic, positions, timeout=timeout)
        key = (location.name, timeout)
        with self._lock:
            since, source = self._idle.pop(key, (0.0, None))
        if source is not None and time.monotonic() - since > KEPT_SECONDS:
            source.close()
            source = None
        if source is None:
            _require_listener(location.cluster, location.topic)
            since = time.monotonic()
            source = KafkaSource(location.cluster, location.topic, timeout=timeout, read_ahead=False)
        try:
            found = ends_of(source, positions, timeout=timeout)
        except BaseException:
            source.close()
            raise
        with self._lock:
            if key not in self._idle:
                self._idle[key] = (since, source)
                return found
        source.close()
        return found
