"""The web interface of DESC's TOM, so that its clients work: same paths, bodies, shapes and expected errors.

Its rules differ from those of our own interface: bodies are JSON whatever their content type says, also of GET; 32-bit
floats have the fewest digits that stand for them; errors are texts, of which some must be 500.
"""

from broker_assets.api.tom.routes import add_to

__all__ = ["add_to"]
