"""`broker-assets telemetry`."""
