"""SQL that users write: run at once, or queued."""
