"""How the packets of a stream are read: its decoder, with the schemas that its settings name."""

from __future__ import annotations

from collections.abc import Callable

from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import schema_source
from broker_assets.settings import Settings, StreamSettings


class Decoders:
    """Makes decoders of the streams.

    Parameters
    ----------
    settings : Settings
        Where the schemas are; those that a registry gave are kept in `<home>/schemas`, so that the stream goes on
        while the registry is away.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def factory(self, stream: StreamSettings) -> Callable[[], AlertDecoder]:
        """A function that makes the decoder of a stream; called again after a failure.

        Schemas are looked up when they are met, not here: nothing is asked of the network.
        """

        def make() -> AlertDecoder:
            schemas = schema_source(
                stream.registry_url, stream.schemas, cache_folder=self._settings.home / "schemas" / stream.topic
            )
            return AlertDecoder(stream.survey, stream.framing, schemas, topic=stream.topic)

        return make
