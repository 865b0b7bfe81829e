"""The state of telemetry and of what is delivered of it: facts, judgements, and one page of both."""
