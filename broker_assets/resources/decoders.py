"""Decoders of the streams, with the schemas given by the settings."""

from __future__ import annotations

import threading
from collections.abc import Callable

from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import RegistryUnavailable, SchemaRegistry, SchemaSource, schema_source
from broker_assets.settings import RegistrySettings, Settings, StreamSettings
from broker_assets.settings.stream import SecretFileError


class Decoders:
    """Creates decoders of the streams.

    Parameters
    ----------
    settings : Settings
        Where the schemas are; those from a registry are kept in `<home>/schemas`, by its address, so that the streams
        continue while the registry is unavailable.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._registries: dict[tuple[str, tuple[str, str] | None, str | None], SchemaRegistry] = {}

    def factory(self, stream: StreamSettings) -> Callable[[], AlertDecoder]:
        """A function that creates the decoder of a stream; called again after a failure.

        Schemas are looked up when they are first needed, not here: there is no network access.
        """

        def make() -> AlertDecoder:
            return AlertDecoder(
                stream.survey,
                stream.framing,
                self.schemas(stream),
                topic=stream.topic,
                batch_bytes=self._settings.drain.batch_bytes,
                message_bytes=self._settings.drain.message_bytes,
            )

        return make

    def schemas(self, stream: StreamSettings) -> SchemaSource:
        """Where the schemas of a stream are.

        Raises
        ------
        RegistryUnavailable
            If a file with the registry's credentials cannot be read.
        """
        registry = self._settings.location(stream).cluster.registry
        return schema_source(self._registry(registry), stream.schemas)

    def _registry(self, settings: RegistrySettings) -> SchemaRegistry | None:
        """The client of a registry, the same for every stream that reads it with the same credentials."""
        if settings.url is None:
            return None
        try:
            credentials = settings.credentials()
        except SecretFileError as error:
            raise RegistryUnavailable(f"credentials for the registry at {settings.url} are missing: {error}") from None
        ca_file = str(settings.ca_file) if settings.ca_file is not None else None
        with self._lock:
            key = (settings.url, credentials, ca_file)
            if key not in self._registries:
                self._registries[key] = SchemaRegistry(
                    settings.url, self._settings.home / "schemas", credentials=credentials, ca_file=ca_file
                )
            return self._registries[key]
