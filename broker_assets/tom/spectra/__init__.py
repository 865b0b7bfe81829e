"""Spectra that are wanted, planned and reported."""
