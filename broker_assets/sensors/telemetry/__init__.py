"""What starts the runs of telemetry: files that arrive, inputs that change, days whose time has come."""
