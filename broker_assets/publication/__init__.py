"""Delivery of product files to archives under their rules, and copies of the local archive in other stores.

Modules:

- `names`: names of files, and how the archive interprets them;
- `selection`: which files are due (levels, products, versions, waiting time, batch), as pure functions;
- `content`: content of a product file: digests, rows, NaN, time coverage;
- `comparison`: whether a file looks worse than the one that the archive has;
- `decisions`: the decision on one file, given the history;
- `copies`: the delivered copy of a file, with additional cards and valid checksums;
- `targets`: folders, SFTP servers and S3 buckets, read back after each write;
- `history`: what was decided, delivered, agreed, in PostgreSQL;
- `days`: by observation day, which files may be delivered and what the targets have;
- `delivery_status`: what each target has, what is due, what waits for an operator;
- `run`: the complete process, `publish(connection, files, target, rules, …) -> Report`;
- `mirror`: a copy of our archive under our own names and paths.

Files of the local archive are only read. The package depends on neither telemetry nor Dagster: reasons of requests and
updated ephemeris cards come from functions passed by the caller.
"""
