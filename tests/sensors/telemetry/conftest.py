"""Packets and inputs for the sensors of telemetry."""

from telemetry_inputs import (
    flight_database,
    flight_inputs,
    flight_kernels,
    make_packet,
    odd_lightcurve,
    open_database,
    open_inputs,
    packet_pool,
)

__all__ = [
    "flight_database",
    "flight_inputs",
    "flight_kernels",
    "make_packet",
    "odd_lightcurve",
    "open_database",
    "open_inputs",
    "packet_pool",
]
