"""Packets and inputs for the sensors of telemetry."""

from telemetry_inputs import *  # noqa: F403 (the fixtures that it lists)
