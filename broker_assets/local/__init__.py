"""The one-machine platform: embedded PostgreSQL and Kafka, their supervisor and the sample stream."""

import os as _os

# Before gRPC is imported, here and (they inherit it) in the daemon and all others: its fork handlers wait, now and then
# for ever, for its threads to rest. Nothing here forks without running another program, for which they are of no use.
_os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
