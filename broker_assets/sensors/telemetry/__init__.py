"""What starts the runs of telemetry: files that arrive, inputs that change, days that are due."""
