"""The web interface of DESC's TOM, so that its clients work: same paths, bodies, shapes and errors.

Its rules differ from those of our own interface: bodies are JSON whatever their content type, even with GET; 32-bit
floats have the fewest digits that identify them; errors are plain text, some of them with status 500.
"""

from broker_assets.api.tom.routes import add_to

__all__ = ["add_to"]
