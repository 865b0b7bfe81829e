"""Health and status of the platform, of streams, of telemetry and of deliveries, as data.

Facts and their meaning belong here, including whatever examines both telemetry and publication. How they are shown is
up to `commands`, `api` and `checks`.
"""
