"""State that contexts of Dagster leave in a process when they are not closed in order; uses private names.

A context that a test builds enters an instance of its own and leaves it when it is garbage-collected. The variable that
names the storage of definitions is then set back to its former value: the storage of an instance that has ended, from
which no definitions can be loaded.
"""

from __future__ import annotations

import sys

MODULE = "dagster._core.storage.defs_state.base"


def forget_ended_instance() -> None:
    """Prevent tests from loading definitions through the storage of an instance that an earlier test has ended."""
    module = sys.modules.get(MODULE)
    if module is None:
        return
    storage = module._current_storage.get()
    if storage is None:
        return
    instance = storage._instance_weakref
    if instance is None or instance() is None:
        module._current_storage.set(None)
