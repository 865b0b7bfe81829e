"""How sending fails: the sink is out of reach, or it does not take a message."""

from __future__ import annotations


def storable(said: str) -> str:
    """What a receiver said, as a database can hold it: without NUL and without halves of characters.

    Examples
    --------
    >>> storable("no\\x00 \\ud800")
    'no� ?'
    """
    return said.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


class SinkUnavailableError(Exception):
    """The sink is out of reach, which says nothing about the message: it and those behind it wait.

    Parameters
    ----------
    reason : str
        What happened, without secrets.
    retry_after : float, optional
        Seconds that the sink asks to wait.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(storable(reason))
        self.retry_after = retry_after


class MessageRefusedError(Exception):
    """The sink does not take this message; others may pass.

    Parameters
    ----------
    reason : str
        What it said.
    final : bool
        Whether it will never be taken, so that another attempt is useless.
    """

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(storable(reason))
        self.final = final


class SinkError(ValueError):
    """A sink cannot be made or changed as asked; the message says why and what to do."""
