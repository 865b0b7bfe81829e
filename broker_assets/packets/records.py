"""Divides the block of a container into its records.

A block does not say where its records end: they must be read one after the other. The compiled walk does this within
its limits and without creating values, so a value that cannot be represented does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator

from broker_assets.packets.container import Block, ContainerError, ContainerHeader
from broker_assets.packets.named_types import AvroSchema
from broker_assets.packets.reader import PacketReader


class RecordSplitter:
    """Divides blocks of one schema.

    Parameters
    ----------
    schema : dict
        Schema of the records.

    Raises
    ------
    SchemaError
        If the schema is malformed or cannot be read.
    """

    def __init__(self, schema: AvroSchema) -> None:
        self._schema = schema
        self._reader: PacketReader | None = None

    def datums(self, content: bytes, header: ContainerHeader, block: Block) -> Iterator[bytes]:
        """The records of a block.

        Parameters
        ----------
        content : bytes
            The container.
        header, block : ContainerHeader, Block
            Its header, and the block.

        Raises
        ------
        ContainerError
            If the block is damaged; the records before the damage have been yielded.
        """
        buffer, start, end = block.datums(content, header)
        if block.records == 1:
            yield buffer[start:end]
            return
        if block.records > end - start:
            raise ContainerError(
                f"the block at byte {block.position} claims {block.records} records in {end - start} bytes"
            )
        if self._reader is None:
            self._reader = PacketReader(self._schema, {"": []}, to_end=True)
        for _ in range(block.records):
            following = self._reader.end_of_datum(buffer, start, end)
            if isinstance(following, str):
                raise ContainerError(f"a record of the block at byte {block.position} cannot be read: {following}")
            yield buffer[start:following]
            start = following
