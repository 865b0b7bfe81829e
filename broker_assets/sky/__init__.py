"""Positions on the sphere: cones, areas and sky maps, and the indices that match them."""
