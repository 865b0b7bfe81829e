"""Handles to the outside: database, Kafka, object store, notifier."""
