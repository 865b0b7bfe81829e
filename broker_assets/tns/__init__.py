"""The Transient Name Server feed."""
