"""Databases, packets and inputs for the tests of telemetry."""

from telemetry_inputs import *  # noqa: F403 (the fixtures that it lists)
