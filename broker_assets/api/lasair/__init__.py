"""The REST interface of Lasair, so that clients written for it work: same paths, parameters, shapes, errors and codes.

Its rules differ from those of our own interface: every status is 200, 400, 401, 403, 404 or 429, wrong values are named
in a dictionary by field, and booleans in forms are spelled as in Python.
"""

from broker_assets.api.lasair.routes import add_to

__all__ = ["add_to"]
