"""Contents of the things that tests attack."""

from __future__ import annotations

SECRET = "k9unspeakable"
"""In every name and text that is private."""
SCRIPT = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>${7*7}{{7*7}}"
"""In every text that is public."""
OBJECT = 169_000_000_000_000_001
