"""`broker-assets publish`."""
