"""A class for any name that is imported; accessing it raises an error: there is no such table."""

from __future__ import annotations

import re
import types

from tom_rows import Model


def __getattr__(name: str) -> type[Model]:
    if not re.fullmatch(r"[A-Z]\w*", name):
        raise AttributeError(name)
    table = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    body = {"__module__": __name__, "__doc__": f"Table {table}."}
    found: type[Model] = types.new_class(name, (Model,), {"table": table}, lambda space: space.update(body))
    globals()[name] = found
    return found
