"""Processing versions: several reductions of the same measurements side by side, and root objects above them."""
