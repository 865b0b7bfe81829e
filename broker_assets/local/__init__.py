"""The one-machine platform: embedded PostgreSQL and Kafka, their supervisor and the sample stream."""
