"""`broker-assets watchlists` and `broker-assets areas`: lists that alerts are matched with, from files to hits.

`watchlists` and `areas` have the commands; what both need is in `options` (options), `files` (input), `tables` (output)
and `change` (ownership, and waiting until the platform has applied a change).
"""
