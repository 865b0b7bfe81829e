"""From a match to a message: sinks of filters, the outbox, how messages are written and sent, and what became of them.

Filters and annotations queue messages here; what they find is their matter. The platform's own alerts to operators are
sent by `resources.notifier`, files to archives by `publication`.
"""
