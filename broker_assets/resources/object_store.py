"""The object store: the packet archive and every product that is a file.

It is a local folder or any store that fsspec supports; other modules need not know which.
"""

from __future__ import annotations

from upath import UPath

from broker_assets.settings import Settings


class ObjectStore:
    """A folder in an object store.

    Parameters
    ----------
    url : str
        fsspec URL (`file:///…`, `s3://bucket/prefix`).
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @classmethod
    def of(cls, settings: Settings) -> ObjectStore:
        """The store of the settings."""
        return cls(settings.archive)

    def path(self, *parts: str) -> UPath:
        """A path in the store.

        Examples
        --------
        >>> ObjectStore("memory://archive").path("2024-05-01", "a.avro").name
        'a.avro'
        """
        return UPath(self.url).joinpath(*parts)

    def __repr__(self) -> str:
        return f"ObjectStore({self.url})"
