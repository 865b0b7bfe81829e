"""The one-machine platform: embedded PostgreSQL and Kafka, their supervisor and the sample stream."""

import os as _os

# Must be set before gRPC is imported, here and in the daemon and all others, which inherit it: gRPC's fork handlers
# wait, sometimes for ever, for its threads to become idle. Nothing here forks without executing another program, for
# which they are useless.
_os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
