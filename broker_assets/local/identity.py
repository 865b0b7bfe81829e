"""Becoming an unprivileged user between fork and exec, with permission to pass closed folders if necessary.

Root's folders (`/root`, those of `mktemp`) are closed to other users. PostgreSQL refuses to run as root, and an
unprivileged user could not reach its programs and data below such a folder. Instead of opening the folder, which does
not belong to us, the server gets one capability: to pass through folders (CAP_DAC_READ_SEARCH) or, if a container has
only the wider one, CAP_DAC_OVERRIDE. See capabilities(7).
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path

PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
"""From linux/prctl.h."""

SECBIT_NO_SETUID_FIXUP = 1 << 2
"""From linux/securebits.h."""

CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_SETPCAP = 8
"""From linux/capability.h."""

CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@dataclass(frozen=True)
class Identity:
    """User as which a child runs."""

    name: str
    """Name for messages."""
    uid: int
    gid: int
    capability: int | None = None
    """The single capability that it keeps."""

    def assume(self) -> None:
        """Become this user permanently; called in the child, before exec.

        Raises
        ------
        OSError
            If the kernel refuses; the child must then not continue.
        """
        if self.capability is not None:
            # Keeps the capabilities across the change of user; otherwise access(2), with which PostgreSQL checks its
            # own programs, would ignore them.
            _checked(_libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
        os.setgroups([])
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)
        if self.capability is not None:
            bit = 1 << self.capability
            header = _Header(CAPABILITY_VERSION_3, 0)
            sets = (_Sets * 2)(_Sets(bit, bit, bit), _Sets(0, 0, 0))
            _checked(_libc.capset(ctypes.byref(header), ctypes.byref(sets)))
            _checked(_libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, self.capability, 0, 0))


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses a capability")


def passing_capability() -> int | None:
    """The narrowest capability that lets this process's children through closed folders, or None.

    Only a privileged process on Linux has one to pass on.
    """
    if sys.platform != "linux":
        return None
    sets: dict[str, int] = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("CapPrm", "CapBnd"):
            sets[name] = int(value, 16)
    available = sets.get("CapPrm", 0) & sets.get("CapBnd", 0)
    if not available >> CAP_SETPCAP & 1:  # needed to keep any across the change of user
        return None
    return next((number for number in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if available >> number & 1), None)


def closed_to(folder: Path, uid: int, gid: int) -> Path | None:
    """The first folder on the path to `folder` that a user (without further groups) cannot enter, or None."""
    for path in [*reversed(folder.parents), folder]:
        status = path.stat()
        shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
        if uid != 0 and not status.st_mode >> shift & 0o1:
            return path
    return None
