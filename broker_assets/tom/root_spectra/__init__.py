"""Spectra of root objects and of their host galaxies: requested, planned, reported, and wanted by version."""
