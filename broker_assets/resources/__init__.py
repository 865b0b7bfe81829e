"""Handles to external systems: database, Kafka, object store, notifier."""
