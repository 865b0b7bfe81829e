"""`broker-assets tom`: the target and observation manager, with the names of options that its users know."""
