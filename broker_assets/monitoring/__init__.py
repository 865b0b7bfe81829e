"""Health and status of the platform, of streams, of telemetry and of deliveries, as data.

Facts and what they mean; what looks at both telemetry and publication belongs here. How it is shown is up to
`commands`, `api` and `checks`.
"""
