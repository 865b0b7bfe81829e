"""Sources of packet schemas: a schema registry over HTTP, or a folder of Avro schema files.

Both are a `SchemaSource`. An unknown schema is the packet's fault (`SchemaNotFound`: the packet is quarantined); a
registry that does not answer is not (`RegistryUnavailable`: the batch stops and is retried, so that good packets are
never discarded because a server was unavailable).
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable
from urllib.parse import quote

from broker_assets.http import HttpClient, HttpError
from broker_assets.packets.named_types import AvroSchema, SchemaNotFound, names_used, schema_id_of, spell_out
from broker_assets.packets.schema import SchemaError, full_name
from broker_assets.storage.atomic import replace_atomically

__all__ = [
    "AvroSchema",
    "FirstOf",
    "NoSchemas",
    "RegistryUnavailable",
    "SchemaFolder",
    "SchemaNotFound",
    "SchemaRegistry",
    "SchemaSource",
    "rubin_schema_folder",
    "schema_source",
]

UNKNOWN_SECONDS: Final = 30.0
"""An id unknown to the registry is not requested again before this time, since damaged packets have random ids."""

UNKNOWN_KEPT: Final = 10_000
"""Number of such ids that are remembered."""


class RegistryUnavailable(ConnectionError):
    """The registry did not answer, and the schema is not in the cache."""


@runtime_checkable
class SchemaSource(Protocol):
    """Interface used by the framings."""

    def by_id(self, schema_id: int) -> AvroSchema:
        """The schema of an id of the Confluent wire format; raises `SchemaNotFound` or `RegistryUnavailable`."""
        ...

    def for_topic(self, topic: str | None) -> AvroSchema:
        """The schema of the bare datums of a topic; raises `SchemaNotFound` or `RegistryUnavailable`."""
        ...


class SchemaFolder:
    """Schemas from one `.avsc` file, or from all below a folder.

    Parts of a schema may be in separate files, as for Rubin and ELAsTiCC (`7/1/lsst.v7_1.alert.avsc` next to
    `lsst.v7_1.diaSource.avsc`). The id of a packet schema is that of Rubin's registry: 100 × major + minor of the
    version in its name (`lsst.v9_0` is 900, `lsst.v7_1` is 701), or the whole name of its file (`42.avsc` is 42).

    Parameters
    ----------
    path : path of a file or folder

    Raises
    ------
    SchemaNotFound
        If there is no such file or folder, no schema in it, or a file that is not JSON.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        files = [self.path] if self.path.is_file() else sorted(self.path.rglob("*.avsc"))
        if not files:
            raise SchemaNotFound(f"no Avro schema (*.avsc) at {self.path}")
        contents = {file: _load(file) for file in files}
        if self.path.is_file():
            # The parts of a single named file are next to it.
            beside = {file: _load(file) for file in sorted(self.path.parent.glob("*.avsc")) if file != self.path}
        else:
            beside = {}
        self._named: dict[str, Any] = {}
        for content in [*beside.values(), *contents.values()]:
            for part in content if isinstance(content, list) else [content]:
                if isinstance(part, dict) and "name" in part:
                    self._named[full_name(part, None)] = part
        used = {name for file, content in contents.items() for name in _names_used(file, content)}
        roots = {
            file: content
            for file, content in contents.items()
            if isinstance(content, list) or (content.get("type") == "record" and full_name(content, None) not in used)
        }
        alerts = {file: content for file, content in roots.items() if file.stem.split(".")[-1] == "alert"}
        self._roots = alerts or roots or contents
        self._resolved: dict[Path, AvroSchema] = {}

    def by_id(self, schema_id: int) -> AvroSchema:
        """The packet schema of a registry id.

        Raises
        ------
        SchemaNotFound
            If the folder has none.
        """
        for file in self._roots:
            if schema_id_of(file.stem) == schema_id:
                return self._resolve(file)
        raise SchemaNotFound(f"no schema with id {schema_id} in {self.path}")

    def for_topic(self, topic: str | None) -> AvroSchema:
        """The schema in `<topic>.avsc` or `<topic>-value.avsc`, else the only packet schema.

        Raises
        ------
        SchemaNotFound
            If several schemas are possible; the message names them.
        """
        for file in self._roots:
            if topic is not None and file.stem in (topic, f"{topic}-value"):
                return self._resolve(file)
        if len(self._roots) == 1:
            return self._resolve(next(iter(self._roots)))
        names = ", ".join(sorted(file.stem for file in self._roots))
        raise SchemaNotFound(
            f"several packet schemas in {self.path} and none named after topic {topic!r}; choose one file of: {names}"
        )

    def schemas(self) -> dict[str, AvroSchema]:
        """All packet schemas by the name of their file, without extension."""
        return {file.stem: self._resolve(file) for file in self._roots}

    def _resolve(self, file: Path) -> AvroSchema:
        if file not in self._resolved:
            try:
                self._resolved[file] = spell_out(_load(file), self._named)
            except SchemaError as error:
                raise SchemaNotFound(f"cannot read the schema {file}: {error}") from error
        return self._resolved[file]


def _load(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise SchemaNotFound(f"cannot read the schema {file}: {error}") from error


def _names_used(file: Path, content: Any) -> set[str]:
    try:
        return names_used(content)
    except SchemaError as error:
        raise SchemaNotFound(f"cannot read the schema {file}: {error}") from error


class SchemaRegistry:
    """Client of a schema registry that speaks Confluent's protocol; safe for several threads.

    Schemas never change once they have an id, so each is requested once and kept in a folder; those in the folder are
    available even when the registry is not.

    Parameters
    ----------
    url : str
        Base URL of the registry.
    cache_folder : path, optional
        Folder where schemas are kept between processes; None keeps them in memory only.
    credentials : (user, password), optional
        Basic authentication.
    ca_file : path, optional
        CA certificates (PEM) to verify that of the registry; default: those of the system.
    timeout : float
        Time limit of a request, seconds.
    attempts : int
        Number of attempts of a request before `RegistryUnavailable`.
    """

    def __init__(
        self,
        url: str,
        cache_folder: str | os.PathLike[str] | None = None,
        *,
        credentials: tuple[str, str] | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        timeout: float = 10.0,
        attempts: int = 4,
    ) -> None:
        self.url = url.rstrip("/")
        # Ids belong to one registry: another URL must not find the schemas of this one.
        identity = hashlib.sha256(self.url.encode()).hexdigest()[:12]
        self._folder = Path(cache_folder) / identity if cache_folder is not None else None
        self._known: dict[str, AvroSchema] = {}
        self._unknown: dict[str, float] = {}
        self._lock = threading.Lock()
        self._http = HttpClient(
            headers={"Accept": "application/vnd.schemaregistry.v1+json"},
            credentials=credentials,
            ca_file=ca_file,
            timeout=timeout,
            attempts=attempts,
        )

    def by_id(self, schema_id: int) -> AvroSchema:
        """The schema of an id.

        Raises
        ------
        SchemaNotFound
            If the registry does not have the id.
        RegistryUnavailable
            If it does not answer, and the schema is not in the cache.
        """
        return self._schema(f"id-{schema_id}", lambda: self._fetch(f"/schemas/ids/{schema_id}"))

    def for_topic(self, topic: str | None) -> AvroSchema:
        """The latest schema of the subject `<topic>-value`, its name in Confluent's topic-name strategy.

        The latest may change: it is requested once per process, and the copy on disk is only used when the registry is
        unavailable.

        Raises
        ------
        SchemaNotFound
            If there is no topic, or no such subject.
        RegistryUnavailable
            If the registry does not answer, and the schema is not in the cache.
        """
        if topic is None:
            raise SchemaNotFound("the topic is needed to find the schema of a bare datum in the registry")
        return self._schema(
            f"subject-{hashlib.sha256(topic.encode()).hexdigest()[:16]}",
            lambda: self._fetch(f"/subjects/{quote(f'{topic}-value', safe='')}/versions/latest"),
            cache_first=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _schema(self, key: str, fetch: Callable[[], AvroSchema], *, cache_first: bool = True) -> AvroSchema:
        with self._lock:
            if key in self._known:
                return self._known[key]
            if time.monotonic() - self._unknown.get(key, -UNKNOWN_SECONDS) < UNKNOWN_SECONDS:
                raise SchemaNotFound(f"the registry at {self.url} has no schema {key}")
            schema = self._cached(key) if cache_first else None
            if schema is None:
                try:
                    schema = fetch()
                except SchemaNotFound:
                    if len(self._unknown) >= UNKNOWN_KEPT:
                        self._unknown.clear()
                    self._unknown[key] = time.monotonic()
                    raise
                except RegistryUnavailable:
                    schema = None if cache_first else self._cached(key)
                    if schema is None:
                        raise
                else:
                    self._keep(key, schema)
            self._known[key] = schema
            return schema

    def _fetch(self, path: str) -> AvroSchema:
        answer = self._get(path)
        if answer.get("schemaType", "AVRO") != "AVRO":
            raise SchemaNotFound(f"{self.url}{path} is a schema of type {answer['schemaType']}, not Avro")
        named: dict[str, Any] = {}
        try:
            self._follow(answer.get("references") or (), named)
            return spell_out(json.loads(answer["schema"]), named)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise SchemaNotFound(f"{self.url}{path} is not a readable schema: {error}") from error

    def _follow(self, references: Sequence[Mapping[str, Any]], named: dict[str, Any]) -> None:
        for reference in references:
            if reference["name"] in named:
                continue
            named[reference["name"]] = None  # ends cycles
            answer = self._get(f"/subjects/{quote(reference['subject'], safe='')}/versions/{reference['version']}")
            self._follow(answer.get("references") or (), named)
            content = json.loads(answer["schema"])
            named[reference["name"]] = content
            if isinstance(content, dict) and "name" in content:
                named[full_name(content, None)] = content

    def _get(self, path: str) -> Mapping[str, Any]:
        try:
            found = self._http.get(self.url + path)
            if found.status in (401, 403):
                raise RegistryUnavailable(f"{self.url} refuses our credentials (status {found.status})")
            if found.status in (404, 422):
                raise SchemaNotFound(f"{self.url} has no {path.lstrip('/')} (status {found.status})")
            if not found.ok:
                raise RegistryUnavailable(f"{self.url} answers {path} with status {found.status}")
            answer = found.json()
        except (HttpError, ValueError) as error:
            raise RegistryUnavailable(f"the schema registry at {self.url} does not answer {path}: {error}") from error
        if not isinstance(answer, dict) or "schema" not in answer:
            raise RegistryUnavailable(f"{self.url}{path} answered something that is not a schema")
        return answer

    def _cached(self, key: str) -> AvroSchema | None:
        if self._folder is None:
            return None
        try:
            schema: AvroSchema = json.loads((self._folder / f"{key}.avsc").read_bytes())
        except (OSError, ValueError):
            return None  # missing, or damaged by a crash of the machine: request it again
        return schema

    def _keep(self, key: str, schema: AvroSchema) -> None:
        if self._folder is not None:
            replace_atomically(self._folder / f"{key}.avsc", json.dumps(schema))


class NoSchemas:
    """A source without schemas, for containers, which contain their schema."""

    def by_id(self, schema_id: int) -> AvroSchema:
        """Raise `SchemaNotFound`."""
        raise SchemaNotFound(f"no schema registry and no folder of schemas is configured to look up id {schema_id}")

    def for_topic(self, topic: str | None) -> AvroSchema:
        """Raise `SchemaNotFound`."""
        raise SchemaNotFound(f"no schema is configured for the bare datums of topic {topic!r}")


class FirstOf:
    """Several sources, queried in order until one has the schema."""

    def __init__(self, *sources: SchemaSource) -> None:
        self._sources = sources

    def by_id(self, schema_id: int) -> AvroSchema:
        """The schema of an id from the first source that has it."""
        return self._first(lambda source: source.by_id(schema_id))

    def for_topic(self, topic: str | None) -> AvroSchema:
        """The schema of a topic from the first source that has it."""
        return self._first(lambda source: source.for_topic(topic))

    def _first(self, ask: Callable[[SchemaSource], AvroSchema]) -> AvroSchema:
        reasons = []
        for source in self._sources:
            try:
                return ask(source)
            except SchemaNotFound as error:
                reasons.append(str(error))
        raise SchemaNotFound("; ".join(reasons) or "no source of schemas")


def rubin_schema_folder() -> Path | None:
    """Folder of Rubin's alert schemas, if the optional package `lsst-alert-packet` is installed.

    Only its data files are used; none of its code is imported.
    """
    try:
        folder = Path(str(metadata.distribution("lsst-alert-packet").locate_file("lsst/alert/packet/schema")))
    except metadata.PackageNotFoundError:
        return None
    return folder if folder.is_dir() else None


def schema_source(
    registry: str | SchemaSource | None = None, schemas: str | os.PathLike[str] | None = None
) -> SchemaSource:
    """The source of schemas according to the settings of a stream.

    Parameters
    ----------
    registry : str or SchemaSource, optional
        URL or client of a schema registry.
    schemas : path, optional
        File or folder of schemas, which is asked before the registry.

    Returns
    -------
    SchemaSource
        If neither is given, Rubin's own schemas if their package is installed.
    """
    sources: list[SchemaSource] = []
    if schemas is not None:
        sources.append(SchemaFolder(schemas))
    if registry is not None:
        sources.append(SchemaRegistry(registry) if isinstance(registry, str) else registry)
    if not sources and (rubin := rubin_schema_folder()) is not None:
        sources.append(SchemaFolder(rubin))
    if not sources:
        return NoSchemas()
    return sources[0] if len(sources) == 1 else FirstOf(*sources)
