"""Delivery of product files to archives under their rules, and copies of our archive in other stores.

What there is:

- `names`: names of files, and what the archive makes of them;
- `selection`: which files are due (levels, products, versions, waiting time, batch), as pure functions;
- `content`: what a product file holds: digests, rows, NaN, time coverage;
- `comparison`: whether a file looks worse than the one that the archive has;
- `decisions`: what becomes of one file, given the history;
- `copies`: the delivered copy of a file, with its own cards and valid checksums;
- `targets`: folders, SFTP servers and S3 buckets, read back after each write;
- `history`: what was decided, delivered, agreed, in PostgreSQL;
- `days`: by observation day, which files may be delivered and what the targets have;
- `delivery_status`: what each target has, what is due, what waits for an operator;
- `run`: the whole, `publish(connection, files, target, rules, …) -> Report`;
- `mirror`: a copy of our archive under our own names and paths.

Files of our own archive are only read. The package knows neither telemetry nor Dagster: reasons of requests and fresh
ephemeris cards come from functions that the caller passes.
"""
