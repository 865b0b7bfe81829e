"""The web interface of DESC's FASTDB, below `/fastdb`, so that its client works: same paths, bodies and answers.

It is an application of its own because its errors differ from all others here: its client takes only 200 as success,
gives up at 409 and 422, and repeats the request for 25 s after any other status. Every mistake of a client is therefore
answered with 422.
"""

from broker_assets.api.fastdb.routes import add_to

__all__ = ["add_to"]
