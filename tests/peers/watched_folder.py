"""A folder behind a file system of its own, `watched://`, which notices when it is listed or a file is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

PROTOCOL = "watched"


class WatchedFolder(LocalFileSystem):  # type: ignore[misc]
    """The local file system, with actions of the test in between."""

    protocol = PROTOCOL
    before_listing: Callable[[], object] | None = None
    before_reading: Callable[[Path], object] | None = None
    after_reading: Callable[[Path], object] | None = None

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).removeprefix(f"{PROTOCOL}://"))

    def walk(self, *arguments: Any, **options: Any) -> Any:
        if (happens := type(self).before_listing) is not None:
            happens()
        return super().walk(*arguments, **options)

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        place = Path(self._strip_protocol(path))
        if (happens := type(self).before_reading) is not None:
            happens(place)
        with super().open(path, mode, **options) as file:
            content = file.read()
        if (happens := type(self).after_reading) is not None:
            happens(place)
        return BytesIO(content)


@contextmanager
def watched(
    folder: Path,
    *,
    before_listing: Callable[[], object] | None = None,
    before_reading: Callable[[Path], object] | None = None,
    after_reading: Callable[[Path], object] | None = None,
) -> Iterator[str]:
    """The URL of a folder in which something happens before it is listed, or before or after a file is read."""
    fsspec.register_implementation(PROTOCOL, WatchedFolder, clobber=True)
    hooks = {"before_listing": before_listing, "before_reading": before_reading, "after_reading": after_reading}
    for name, happens in hooks.items():
        setattr(WatchedFolder, name, None if happens is None else staticmethod(happens))
    try:
        yield f"{PROTOCOL}://{folder}"
    finally:
        for name in hooks:
            setattr(WatchedFolder, name, None)
