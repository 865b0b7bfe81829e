"""From a message to a committed batch: consume, decode, archive, match, commit.

The same code reprocesses nights and retries what was in quarantine. What belongs here knows one batch of alerts and its
transaction. What packets mean is said in `packets`, what is matched in `sky`, what is counted in `accounting`; what
starts a run is in `jobs` and `sensors`.
"""
