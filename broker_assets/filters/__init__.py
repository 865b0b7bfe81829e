"""Filters: users' SQL, checked, translated, run over batches and over all objects, and explained."""
