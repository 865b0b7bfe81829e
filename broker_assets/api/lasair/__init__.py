"""The REST interface of Lasair, so that clients written for it work: same paths, parameters, shapes, errors and codes.

Its rules differ from those of our own interface: every answer is 200, 400, 401, 403, 404 or 429, a value that is wrong
is named in a dictionary of fields, and the booleans of a form are Python's words.
"""

from broker_assets.api.lasair.routes import add_to

__all__ = ["add_to"]
