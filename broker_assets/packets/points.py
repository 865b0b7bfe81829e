"""The points of the histories of packets before they are read in full: which there are, and when they were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.database.point_identity import WITHDRAWN, Hashes, PointKind, identities


@dataclass(frozen=True)
class Points:
    """Points of histories; arrays of equal length."""

    packet: NDArray[np.int64]
    """Packet that has the point."""
    kind: NDArray[np.int8]
    """See `PointKind`."""
    diaobjectid: NDArray[np.int64]
    identity: Hashes
    """Hash of what identifies the point within its object."""
    midpointmjdtai: NDArray[np.float64]
    withdrawn: NDArray[np.bool_]
    """Whether the packet says that the survey withdrew the point."""
    end: NDArray[np.int32]
    """Byte of the payload after the point, by which it can be skipped."""

    def __len__(self) -> int:
        return len(self.packet)

    @classmethod
    def of(
        cls,
        kind: PointKind,
        packet: NDArray[np.int64],
        diaobjectid: NDArray[np.int64],
        midpointmjdtai: NDArray[np.float64],
        columns: dict[str, Any] | pa.Table,
        end: NDArray[np.int32],
    ) -> Self:
        """Points of one kind, from the columns that identify them; see `point_identity.identities`.

        Parameters
        ----------
        kind : PointKind
            Kind of all points.
        packet : (n,) int64 array
            Row of the packet of each point.
        diaobjectid : (n,) int64 array
            Its object.
        midpointmjdtai : (n,) float64 array
            MJD TAI, days.
        columns : dict or Table
            Columns of n rows that identify a point of the kind.
        end : (n,) int32 array
            See the attribute.
        """
        names = columns.column_names if isinstance(columns, pa.Table) else columns
        return cls(
            packet,
            np.full(len(packet), kind, np.int8),
            diaobjectid,
            identities(kind, columns),
            midpointmjdtai,
            np.asarray(pc.is_valid(columns[WITHDRAWN])) if WITHDRAWN in names else np.zeros(len(packet), bool),
            end,
        )

    @classmethod
    def empty(cls) -> Self:
        """No points."""
        ids = np.zeros(0, np.int64)
        return cls(
            ids,
            np.zeros(0, np.int8),
            ids,
            np.zeros(0, np.uint64),
            np.zeros(0),
            np.zeros(0, bool),
            np.zeros(0, np.int32),
        )

    @classmethod
    def concatenated(cls, parts: Sequence[Points]) -> Self:
        """All points of several parts, in their order."""
        kept = [part for part in parts if len(part)] or [cls.empty()]
        if len(kept) == 1:
            (one,) = kept
            return cls(*(getattr(one, item.name) for item in fields(cls)))
        return cls(*(np.concatenate([getattr(part, item.name) for part in kept]) for item in fields(cls)))

    def take(self, rows: NDArray[Any]) -> Points:
        """Select points by indices or a mask."""
        return Points(*(getattr(self, item.name)[rows] for item in fields(self)))
