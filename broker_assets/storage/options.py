"""Options of fsspec file systems that are not text, although settings give them as text."""

from __future__ import annotations

from typing import Final

NUMBERS: Final = frozenset({"port", "timeout", "banner_timeout", "auth_timeout", "answer_timeout"})
"""Options that are numbers."""
SWITCHES: Final = frozenset({"anon", "use_ssl", "allow_agent", "look_for_keys", "compress"})
"""Options that are true or false."""
