"""Schemas of product files: the documents, what columns mean, changes, a file of every kind."""
