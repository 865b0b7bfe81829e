"""Spectra of root objects and of their host galaxies: asked for, planned, reported, wanted by version."""
