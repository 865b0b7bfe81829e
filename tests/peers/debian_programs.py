"""Programs that tests need and that pip does not provide, with the Debian packages that do.

``python tests/peers/debian_programs.py`` installs the missing ones where it can (root, apt-get); elsewhere it reports
which tests will be skipped. `make test` runs it in parallel with the linters. The installation starts no service.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PACKAGES: dict[str, tuple[str, str]] = {
    "chromium": ("chromium", "pages in a browser"),
    "nginx": ("nginx", "the reverse proxy"),
    "stilts": ("stilts", "validation of the VO services"),
    "promtool": ("prometheus", "rules of Prometheus"),
    "pgbouncer": ("pgbouncer", "pooled connections"),
    "strace": ("strace", "slow disks"),
    "java": ("default-jre-headless", "Apache Kafka"),
    "mvn": ("maven", "Apache Kafka"),
}
"""Debian package of a program, and what its tests are about."""
ALIASES = {"chromium": ("chromium-browser", "google-chrome")}
"""Other names of a program."""
POLICY = Path("/usr/sbin/policy-rc.d")
"""Asked by Debian's packages before they start a service; 101 forbids it."""


def program_path(name: str) -> str | None:
    """Where a program is, also in the folders of administrators; None if nowhere."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
    return next((found for one in (name, *ALIASES.get(name, ())) if (found := shutil.which(one, path=path))), None)


def needed_program(name: str) -> str:
    """Where a program is; the test that asks is skipped where it is not installed."""
    found = program_path(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install {PACKAGES[name][0]})")
    return found


def missing_programs() -> dict[str, str]:
    """Debian packages of the programs that are not here, by program."""
    return {name: package for name, (package, _) in PACKAGES.items() if program_path(name) is None}


@contextmanager
def _no_service_starts() -> Iterator[None]:
    if POLICY.exists():  # as in most containers
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _apt(*arguments: str, seconds: int = 600) -> str:
    """Run apt-get; return an empty string, or the last line of its error message."""
    command = ["apt-get", "--quiet", "--yes", "-o", "DPkg::Lock::Timeout=120", *arguments]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"no end after {seconds} s"
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def install() -> dict[str, str]:
    """Install what is missing, one by one if not all are available; return why packages are still missing."""
    missing = missing_programs()
    if not missing:
        return {}
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return dict.fromkeys(missing, "only root installs packages, with apt-get")
    with _no_service_starts():
        problem = _apt("update")
        packages = sorted(set(missing.values()))
        if not problem and _apt("install", "--no-install-recommends", *packages):
            for name, package in missing.items():
                problem = _apt("install", "--no-install-recommends", package)
                missing[name] = problem
    return {name: problem or missing[name] for name in missing_programs()}


def main() -> None:
    """Install, and report what is still missing; the tests concerned are skipped, so this is not a failure."""
    for name, reason in install().items():
        package, subject = PACKAGES[name]
        print(f"{name} is missing: tests of {subject} are skipped ({reason}). Debian: apt-get install {package}")


if __name__ == "__main__":
    main()
