"""Packets to columns of values: plans and the compiled walk, decompression, masks, results."""
