"""What commands say of lists with `--json`."""

from __future__ import annotations

import json
from typing import Any


def document(command: Any, *arguments: Any) -> Any:
    """What a command says with --json."""
    done = command(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)
