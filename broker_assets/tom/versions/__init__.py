"""Versions of the processing: several reductions of the same measurement side by side, and the objects above them."""
