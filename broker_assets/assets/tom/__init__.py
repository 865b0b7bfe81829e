"""Assets of the target and observation manager."""
