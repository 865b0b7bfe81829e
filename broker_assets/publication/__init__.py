"""Delivery of products to an archive under strict version rules."""
