"""Addresses of folders, as settings and commands give them. Nothing here opens a connection."""

from __future__ import annotations

from pathlib import Path


def folder_url(place: str | Path) -> str:
    """fsspec URL of a folder: a path of this machine, also a relative one, becomes an absolute URL.

    Addresses of files are stored in the database, and read by processes that run in other folders. Characters are not
    escaped, as `Path.as_uri` does: fsspec takes them as they are, and `%20` as a folder of that name.

    Parameters
    ----------
    place : str or Path
        URL, or path of this machine.

    Examples
    --------
    >>> folder_url("s3://bucket/archive"), folder_url("/data/my archive")
    ('s3://bucket/archive', 'file:///data/my archive')
    """
    text = str(place)
    return text if "://" in text or "::" in text else f"file://{Path(text).expanduser().absolute()}"
