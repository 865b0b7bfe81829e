"""State that contexts of Dagster leave in a process when they are not closed in order; uses private names.

A context that a test builds enters an instance of its own and leaves it when it is garbage-collected, perhaps in the
middle of another test. The variable that names the storage of definitions is then set back to its former value: the
storage of an instance that has ended, from which no definitions can be loaded.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar, Token
from typing import Any

MODULE = "dagster._core.storage.defs_state.base"


class StorageOfLivingInstance:
    """The variable of Dagster, but for the storage of an instance that has ended, which counts as none."""

    def __init__(self, variable: ContextVar[Any]) -> None:
        self.variable = variable

    def get(self) -> Any:
        """The storage."""
        storage = self.variable.get()
        instance = None if storage is None else storage._instance_weakref
        return None if instance is None or instance() is None else storage

    def set(self, storage: Any) -> Token[Any]:
        """Set it."""
        return self.variable.set(storage)

    def reset(self, token: Token[Any]) -> None:
        """Set it back."""
        self.variable.reset(token)


def forget_ended_instances() -> None:
    """Prevent tests from loading definitions through the storage of an instance that another test has ended."""
    module = sys.modules.get(MODULE)
    if module is None:
        return
    names = vars(module)
    if not isinstance(names["_current_storage"], StorageOfLivingInstance):
        names["_current_storage"] = StorageOfLivingInstance(names["_current_storage"])
