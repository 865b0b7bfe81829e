"""The state of telemetry and of its deliveries: facts, judgements, and an overview of both."""
