"""Catalogues of objects with their light curves in the layout of HATS, brought up to date night by night.

`tiles` divides the sky, `rows` reads the objects of a night, `collection` writes catalogue and margins.
"""
