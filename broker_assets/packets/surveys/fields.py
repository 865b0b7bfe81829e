"""The fields of a packet schema, each with a dotted name."""

from __future__ import annotations

from broker_assets.packets.named_types import AvroSchema
from broker_assets.packets.schema import Array, AvroType, Record, Union, resolve


def leaf_fields(schema: AvroSchema) -> dict[str, tuple[str, ...]]:
    """The fields of a packet that contain values, named as in the compiled reader.

    Parameters
    ----------
    schema : dict
        Packet schema; a record.

    Returns
    -------
    dict of str to tuple of str
        Path of each array of records ("" is the packet itself) to the dotted names of its leaves, in wire order.

    Examples
    --------
    >>> source = {"type": "record", "name": "s", "fields": [{"name": "flux", "type": "float"}]}
    >>> leaf_fields({"type": "record", "name": "a", "fields": [
    ...     {"name": "source", "type": source},
    ...     {"name": "previous", "type": ["null", {"type": "array", "items": "s"}]}]})
    {'': ('source.flux',), 'previous': ('flux',)}
    """
    found: dict[str, list[str]] = {"": []}
    _collect(resolve(schema), "", "", found)
    return {path: tuple(names) for path, names in found.items()}


def qualified(path: str, name: str) -> str:
    """One name for a field of the packet or of an array in it.

    Examples
    --------
    >>> qualified("", "diaSource.ra"), qualified("prvDiaSources", "ra")
    ('diaSource.ra', 'prvDiaSources.ra')
    """
    return f"{path}.{name}" if path else name


def _collect(kind: AvroType, path: str, name: str, found: dict[str, list[str]]) -> None:
    if isinstance(kind, Union):
        kind = kind.nullable or kind
    if isinstance(kind, Record):
        for member in kind.fields:
            _collect(member.type, path, f"{name}.{member.name}" if name else member.name, found)
        return
    if isinstance(kind, Array):
        items = kind.items.nullable or kind.items if isinstance(kind.items, Union) else kind.items
        if isinstance(items, Record):
            child = qualified(path, name)
            found.setdefault(child, [])
            _collect(items, child, "", found)
            return
    found[path].append(name)
