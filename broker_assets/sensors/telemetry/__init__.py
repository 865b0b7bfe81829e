"""Sensors that start the runs of telemetry: when files arrive, inputs change, or days are due."""
