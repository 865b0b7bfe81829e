"""Names of topics and of readers.

The topic of a public filter is named as in Lasair: `lasair_`, the owner, and the name of the filter reduced to the
characters that Kafka allows. Owner and name are not separated, so two filters may have the same name, and Kafka creates
no topic whose name differs from that of another in `.` and `_` only; the register of sinks gives it to the first, and
appends the number of the filter for the second. Private topics have another prefix, in
which the owner is written so that no owner's prefix is the beginning of another's, since access is granted by prefix.
"""

from __future__ import annotations

import re
from typing import Final

PUBLIC: Final = "lasair_"
"""Prefix of the topics that anybody may read."""
PRIVATE: Final = "private."
"""Prefix of all other topics, of the users that read them, and of their consumer groups."""

_OTHER: Final = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST: Final = 128
"""Longest reduced name, characters; of a longer one the first and the last part are kept."""
_LONGEST_TOPIC: Final = 249
"""Kafka's limit."""


def reduced(name: str) -> str:
    """A name with only letters, digits, `_`, `-` and `.`, at most 128 of them.

    Examples
    --------
    >>> reduced("My filter #1")
    'Myfilter1'
    """
    kept = _OTHER.sub("", name)
    return kept if len(kept) <= _LONGEST else kept[: _LONGEST // 2] + kept[-_LONGEST // 2 :]


def topic_name(owner: str, name: str, filterid: int, *, public: bool, taken: bool = False) -> str:
    """Topic of a filter.

    Parameters
    ----------
    owner, name, filterid : str, str, int
        The filter.
    public : bool
        Whether anybody may read it.
    taken : bool
        Whether another filter has the name that this one would have.

    Examples
    --------
    >>> topic_name("7", "My filter #1", 3, public=True)
    'lasair_7Myfilter1'
    >>> topic_name("ann.b", "SNe", 4, public=False, taken=True)
    'private.ann_2eb.SNe-4'
    """
    ending = reduced(name)
    if taken or not ending:
        ending = f"{ending}-{filterid}"
    beginning = PUBLIC + reduced(owner) if public else private_prefix(owner)
    room = _LONGEST_TOPIC - len(ending)
    return beginning[:room] + ending if public else beginning + ending


def private_prefix(owner: str) -> str:
    """Prefix of an owner's private topics and consumer groups; it ends with the only dot after `private.`.

    Examples
    --------
    >>> private_prefix("ann"), private_prefix("ann.b")
    ('private.ann.', 'private.ann_2eb.')
    """
    return f"{PRIVATE}{reader_name(owner)}."


def reader_name(owner: str) -> str:
    """User under which an owner reads private topics: letters, digits and `-`; other characters by their bytes.

    Examples
    --------
    >>> reader_name("ann"), reader_name("Zoë_1")
    ('ann', 'Zo_c3_ab_5f1')
    """
    return "".join(
        chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or byte == ord("-")) else f"_{byte:02x}"
        for byte in owner.encode()
    )
