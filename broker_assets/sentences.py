"""Messages of errors as sentences, for pages."""

from __future__ import annotations


def sentence(message: object) -> str:
    """A message with a capital letter at its beginning and a full stop at its end; names in it keep their case.

    Examples
    --------
    >>> sentence(ValueError("the name AGN is taken"))
    'The name AGN is taken.'
    >>> sentence("")
    '.'
    """
    text = f"{message}."
    return text[:1].upper() + text[1:]
