"""What was made from what: versions, what must be rebuilt, and why a row is as it is.

What was read, and what happened to it, is in `accounting`.
"""
