"""From a message to a committed batch: consume, decode, archive, match, commit.

The same code reprocesses nights and retries quarantined messages. What belongs here concerns one batch of alerts and
its transaction. The meaning of packets is defined in `packets`, matching in `sky`, counting in `accounting`; `jobs` and
`sensors` start runs.
"""
