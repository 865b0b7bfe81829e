"""What the science products have in common: control table, detector masks, time of measurement, triggers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding import masks, triggers
from broker_assets.telemetry.idb.stix_rules import TRIGGER_ACCUMULATORS
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.builders.measured import (
    COMPRESSION_ERROR,
    Measured,
    PacketSet,
    UnbuildableProduct,
)
from broker_assets.telemetry.products.files.tables import Column, Table

STEP: Final = 0.1
"""Seconds per unit of offsets and durations."""
WRONG_MASKS: Final = (659318490, 668863556)
"""First and last on-board second of measurements whose detector masks wrongly say that detectors 9 and 10 were on."""
WRONGLY_ON: Final = (8, 9)
"""Places of these detectors in the mask."""
DIFFERING_SCHEMES: Final = "Packets of the request carry different trigger schemes: trigger values may be incorrect"


@dataclass(frozen=True)
class Measurement:
    """The control table of a request and when it was measured."""

    control: Table
    start: int
    """On-board ticks from which offsets count."""

    @property
    def repaired(self) -> bool:
        """Whether the detector masks of this time are wrong."""
        return WRONG_MASKS[0] <= self.start >> 16 <= WRONG_MASKS[1]


def measurement(packets: PacketSet) -> Measurement:
    """The one control row of all packets of a request.

    Raises
    ------
    UnbuildableProduct
        If the packets belong to several requests.
    """
    coarse, fine = masks.measurement_time(packets.raw("NIX00402"))
    time = clock.ticks(coarse, fine)
    names = ("NIX00001", "NIX00002", "NIX00037")
    identity = np.column_stack([*(packets.raw(name).astype(np.int64) for name in names), time])
    if len(np.unique(identity, axis=0)) > 1:
        raise UnbuildableProduct("packets of several measurements in one sequence")
    reference, control, request = identity[0, :3]
    table: Table = {
        "tc_packet_id_ref": Column(np.array([reference], dtype=np.uint16), parameter="NIX00001"),
        "tc_packet_seq_control": Column(np.array([control], dtype=np.uint16), parameter="NIX00002"),
        "request_id": Column(np.array([request], dtype=np.uint32), parameter="NIX00037"),
        "time_stamp": Column(clock.seconds(time[:1]), "s", parameter="NIX00402"),
        "num_substructures": Column(packets.raw("NIX00403").astype(np.uint16)[None, :], parameter="NIX00403"),
        "index": Column(np.zeros(1, dtype=np.int64)),
        "packet": Column(packets.number[None, :]),
        "raw_file": Column(np.unique(packets.raw_file)[None, :]),
        "parent": Column(packets.parent[:1]),
    }
    return Measurement(table, int(time[0]))


def scheme_columns(packets: PacketSet, counts: str, trigger: str) -> Table:
    """Compression schemes of the first packet."""
    found: Table = {}
    for name, parameter in (("counts", counts), ("triggers", trigger)):
        found[f"compression_scheme_{name}_skm"] = packets.compressed(parameter).scheme_column(first=True)
    return found


def tenths(values: NDArray[Any]) -> NDArray[np.int64]:
    """Ticks of a number of 0.1 s."""
    return clock.from_seconds(values.astype(np.float64) * STEP)


def detector_masks(packets: PacketSet, repaired: bool) -> NDArray[np.uint8]:
    """(m, 32) detectors of each record of NIX00407, corrected where `repaired`."""
    found = masks.bits(packets.raw("NIX00407"), masks.DETECTORS)
    if repaired:
        found[:, WRONGLY_ON] = 0
    return found


def trigger_columns(
    packets: PacketSet,
    measured: Measured,
    rows: NDArray[np.int64],
    durations: NDArray[Any],
    groups: NDArray[Any],
    names: tuple[str, ...] = TRIGGER_ACCUMULATORS,
) -> Table:
    """Triggers with errors, un-scaled where the first packet says that they were divided.

    Parameters
    ----------
    packets : PacketSet
    measured : Measured
        The history and cards that describe un-scaling are added to it.
    rows : (r,) int64 array
        Records of the accumulators that become rows.
    durations : (r,) array
        Length of the time bins, 0.1 s.
    groups : (r,) or (r, 16) array
        Active trigger groups behind each value.
    names : tuple of str
        One parameter, or the 16 accumulators.

    Raises
    ------
    UnbuildableProduct
        If triggers were divided and the request table does not say by what.
    """
    columns = [packets.compressed(name) for name in names]
    schemes = columns[0].scheme
    if len(np.unique(schemes, axis=0)) > 1:
        measured.warn(DIFFERING_SCHEMES)
    if tuple(schemes[0].tolist()) == triggers.SCALED:
        factor = packets.trigger_factor
        if factor is None:
            request = int(packets.raw("NIX00037")[0])
            raise UnbuildableProduct(
                f"triggers of request {request} are scaled, but it is not in the table of requests"
            )
        stored = np.column_stack([column.raw[rows] for column in columns])
        bins = np.asarray(durations, dtype=np.float64)[:, None]
        shaped = np.asarray(groups)
        values, variance = triggers.unscale(stored, bins, shaped[:, None] if shaped.ndim == 1 else shaped, factor)
        measured.history.append(f"trigger descaled with {factor}")
        measured.cards.append(("TRIG_SCA", factor, "used trigger descale factor"))
    else:
        values = np.column_stack([column.values[rows] for column in columns]).astype(np.float64)
        variance = np.column_stack([column.variance[rows] for column in columns])
    if len(names) == 1:
        values, variance = values[:, 0], variance[:, 0]
    return {
        "triggers": Column(values, parameter=",".join(names)),
        "triggers_comp_err": Column(np.sqrt(variance).astype(np.float32), description=COMPRESSION_ERROR),
    }


def group_flags(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(r, 16) trigger groups with an active detector.

    Parameters
    ----------
    mask : (r, 32) uint8 array
        1 for each active detector.
    """
    first, second = (np.array(row) - 1 for row in triggers.GROUP_DETECTORS)
    return mask[:, first] | mask[:, second]
