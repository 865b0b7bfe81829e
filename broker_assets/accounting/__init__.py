"""What was read, and what happened to it: the ledger of the stream, its balance, the quarantine.

What was made from what is in `provenance`.
"""
