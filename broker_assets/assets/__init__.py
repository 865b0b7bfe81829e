"""Definitions of the assets: one module per family, thin shells over the domain code."""
