"""`broker-assets delivery`: where the matches of filters go, and what became of them.

`application` has the commands about messages; `sinks`, `contacts` and `readers` are groups of their own.
"""
