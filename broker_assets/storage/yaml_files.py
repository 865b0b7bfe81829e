"""YAML files that people write, read strictly: nothing of a file is ignored, and every failure is a YAML error."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml


class _Strict(yaml.SafeLoader):
    """The safe loader, without keys that occur twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        seen: set[str] = set()
        for key in keys:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value!r} occurs twice; all but one of them would be ignored", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(text: str) -> Any:
    """The content of a YAML file.

    Parameters
    ----------
    text : str
        The file.

    Raises
    ------
    yaml.YAMLError
        If it is not YAML, has a key twice in one mapping, a date that does not exist, or too many nested values.

    Examples
    --------
    >>> read_yaml("a: [1, 2]")
    {'a': [1, 2]}
    """
    try:
        return yaml.load(text, _Strict)  # noqa: S506 - a SafeLoader
    except (ValueError, OverflowError) as error:
        raise yaml.YAMLError(str(error)) from error
    except RecursionError as error:
        raise yaml.YAMLError("too many nested values") from error
