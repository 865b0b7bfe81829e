"""Packets and inputs for the assets of telemetry."""

from telemetry_inputs import *  # noqa: F403 (the fixtures that it lists)
