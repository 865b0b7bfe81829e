"""From a match to a message: sinks of filters, the outbox, writing and sending messages, and their receipts.

Filters and annotations queue messages here. `resources.notifier` sends the platform's own alerts to operators, and
`publication` sends files to archives.
"""
