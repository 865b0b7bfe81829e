"""Output of list commands with `--json`."""

from __future__ import annotations

import json
from typing import Any


def document(command: Any, *arguments: Any) -> Any:
    """Output of a command with `--json`."""
    done = command(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)
