"""Memory of messages is kept where the C library can."""

from __future__ import annotations

import platform

from broker_assets.stream.memory import keep_freed_memory


def test_it_knows_whether_the_c_library_can() -> None:
    assert keep_freed_memory() is (platform.libc_ver()[0] == "glibc")
