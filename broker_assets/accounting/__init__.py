"""What was read and what became of it: the ledger of the stream, its balance, the quarantine.

What was made from what is in `provenance`.
"""
