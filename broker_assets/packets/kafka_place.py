"""The place in Kafka from which an archived packet was received."""

from __future__ import annotations

from broker_assets.packets.archive import ArchiveError, read_archive_header
from broker_assets.provenance.why import Place


def kafka_place(url: str, position: int, length: int) -> Place:
    """Partition and offset of a packet, from the header of its archive file.

    Parameters
    ----------
    url : str
        Archive file.
    position, length : int
        First byte and size of the packet's block.

    Returns
    -------
    Place
        Holds the problem instead, if the file cannot be read or has no such packet.
    """
    try:
        header = read_archive_header(url)
    except (ArchiveError, OSError) as error:
        return Place(problem=str(error))
    row = int(header.positions.searchsorted(position))
    if row == len(header.positions) or header.positions[row] != position or header.lengths[row] != length:
        return Place(problem=f"{url}: no packet of {length} bytes at byte {position}")
    return Place(int(header.partitions[row]), int(header.offsets[row]))
