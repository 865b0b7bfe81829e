"""Catalogues of objects with their light curves in HATS layout, updated night by night.

`tiles` divides the sky, `rows` reads the objects of a night, `collection` writes catalogue and margins.
"""
