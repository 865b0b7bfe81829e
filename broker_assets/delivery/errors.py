"""How sending fails: the sink is unavailable, or it refuses a message."""

from __future__ import annotations


def storable(said: str) -> str:
    """A receiver's answer in a form that the database accepts: without NUL and unpaired surrogates.

    Examples
    --------
    >>> storable("no\\x00 \\ud800")
    'no� ?'
    """
    return said.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


class SinkUnavailableError(Exception):
    """The sink is unavailable, whatever the message: it and those behind it wait.

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
    """The sink refuses this message, but may accept others.

    Parameters
    ----------
    reason : str
        Its answer.
    final : bool
        Whether it will never be accepted, so that another attempt is useless.
    """

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(storable(reason))
        self.final = final


class SinkError(ValueError):
    """A sink cannot be created or changed as requested; the message says why and what to do."""
