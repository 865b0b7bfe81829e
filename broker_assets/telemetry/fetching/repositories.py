"""The newest tag of a git repository, checked out into a folder with its name in VERSION.TXT.

The folder is exchanged in one step when the checkout is complete. Git runs without prompts, hooks, submodules and
links; only common protocols are allowed.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from broker_assets.settings.sources import InputSource
from broker_assets.storage.atomic import exchange_folder, hidden_folder
from broker_assets.telemetry.fetching.files import VERSION, Fetched, Record
from broker_assets.telemetry.fetching.zips import FetchError

PREFIX: Final = "git+"
_STAGES: Final = {
    "dev": 0,
    "snapshot": 0,
    "a": 1,
    "alpha": 1,
    "b": 2,
    "beta": 2,
    "pre": 3,
    "preview": 3,
    "rc": 3,
}
"""Marks of pre-releases, and their order."""
_RELEASED: Final = 4
_PRE_RELEASE: Final = re.compile(
    r"(?<=\d)[-._]?(dev|snapshot|alpha|beta|preview|pre|rc|[ab](?=\d))(?![a-z])", re.IGNORECASE
)
"""Mark of a pre-release after a number: `v2.0.0-rc1`, `2.0b3`, `2.0.dev1`; `v1.2b` comes after `v1.2`."""
_LOOK_SECONDS: Final = 30.0
_ENVIRONMENT: Final = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
    "LC_ALL": "C",
}
_CONFIGURATION: Final = (
    "-c",
    f"core.hooksPath={os.devnull}",
    "-c",
    "core.symlinks=false",
    "-c",
    "advice.detachedHead=false",
)


def is_repository(source: InputSource) -> bool:
    """Whether a source is a git repository."""
    return source.url.startswith(PREFIX)


def newest_tag(source: InputSource) -> tuple[str, str]:
    """Name and commit of the newest tag of a repository, see `order`.

    Raises
    ------
    FetchError
        If the repository cannot be reached or has no tag that counts.
    """
    output = _git(["ls-remote", "--tags", "--", _address(source)], seconds=_LOOK_SECONDS)
    commits: dict[str, str] = {}
    for line in output.splitlines():
        commit, _, reference = line.partition("\t")
        # For an annotated tag, the line with its commit comes last.
        name = reference.removeprefix("refs/tags/").removesuffix("^{}")
        if _is_tag(name) and fnmatch.fnmatchcase(name, source.tags):
            commits[name] = commit
    if not commits:
        raise FetchError(f"{shown(source)} has no tag {source.tags}")
    newest = max(commits, key=order)
    return newest, commits[newest]


def order(tag: str) -> tuple[tuple[int, ...], int, tuple[int, ...], str]:
    """What tags are ordered by: their numbers; a pre-release is before the release that it prepares.

    Parameters
    ----------
    tag : str
        Name of the tag.

    Returns
    -------
    tuple
        Numbers of the release without zeros at the end; stage of a pre-release (0 for `dev` and `snapshot`, 1 for
        `alpha`, 2 for `beta`, 3 for `rc`), or 4 for a release; the numbers after the stage; the name.

    Examples
    --------
    >>> sorted(["v1.10.0", "v1.9.2", "v1.9", "v1.10.0-rc2", "v1.10.0-rc10"], key=order)
    ['v1.9', 'v1.9.2', 'v1.10.0-rc2', 'v1.10.0-rc10', 'v1.10.0']
    """
    mark = _PRE_RELEASE.search(tag)
    release, rest = (tag, "") if mark is None else (tag[: mark.start()], tag[mark.end() :])
    counted = list(_numbers(release))
    while counted and counted[-1] == 0:
        counted.pop()
    stage = _RELEASED if mark is None else _STAGES[mark[1].lower()]
    return tuple(counted), stage, _numbers(rest), tag


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d{1,18}", text))


def fetch_tag(source: InputSource, target: Path, record: Path) -> Fetched:
    """Check out the newest tag, unless it is present; also into the public folder.

    Raises
    ------
    FetchError
        If that fails, or the checkout exceeds a bound; the folders then stay as they were.
    """
    deadline = time.monotonic() + source.seconds
    tag, commit = newest_tag(source)
    version = f"{tag} {commit}"
    targets = [folder for folder in (target, source.public_folder) if folder is not None]
    stale = [folder for folder in targets if not _has(folder, tag) or Record.read(record).version != version]
    for folder in stale:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with hidden_folder(folder.parent, folder.name) as place:
            checkout = place / "checkout"
            arguments = ["clone", "--quiet", "--depth", "1", "--single-branch", "--no-recurse-submodules"]
            arguments += ["--branch", tag, "--", _address(source), str(checkout)]
            _git(arguments, seconds=max(1.0, deadline - time.monotonic()))
            found = _git(["-C", str(checkout), "rev-parse", "HEAD"], seconds=_LOOK_SECONDS).strip()
            if found != commit:
                raise FetchError(f"{shown(source)}: the tag {tag} moved from {commit} to {found} meanwhile")
            shutil.rmtree(checkout / ".git")
            _check_bounds(checkout, source)
            (checkout / VERSION).unlink(missing_ok=True)
            (checkout / VERSION).write_text(f"{tag}\n", encoding="utf-8")
            exchange_folder(checkout, folder)
    Record(version=version, fetched_at=datetime.now(UTC)).write(record)
    return Fetched(version=version, new=[str(folder) for folder in stale])


def shown(source: InputSource) -> str:
    """The URL without a password."""
    return re.sub(r"//[^/@]*@", "//", _address(source))


def _address(source: InputSource) -> str:
    return source.url.removeprefix(PREFIX)


def _is_tag(name: str) -> bool:
    """Whether git accepts a name as that of a tag and would not read it as an option."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,99}", name) is not None


def _has(folder: Path, tag: str) -> bool:
    try:
        return (folder / VERSION).read_text(encoding="utf-8").splitlines()[:1] == [tag]
    except (OSError, UnicodeDecodeError):
        return False


def _check_bounds(checkout: Path, source: InputSource) -> None:
    size = 0
    for number, path in enumerate(checkout.rglob("*"), start=1):
        if path.is_symlink():
            raise FetchError(f"{shown(source)} has a link: {path.relative_to(checkout)}")
        size += path.stat().st_size
        if number > source.files or size > source.total_bytes:
            raise FetchError(
                f"{shown(source)} has more than {source.files:,} files or {source.total_bytes:,} bytes, the limits"
            )


def _git(arguments: list[str], *, seconds: float) -> str:
    program = shutil.which("git")
    if program is None:
        raise FetchError("the program git is not installed")
    environment = {**os.environ, **_ENVIRONMENT}
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            [program, *_CONFIGURATION, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FetchError(f"git {arguments[0]} did not end within {seconds:.0f} s") from None
    if done.returncode != 0:
        said = re.sub(r"//[^/@\s]*@", "//", " ".join(done.stderr.split()))
        raise FetchError(f"git {arguments[0]} failed: {said[-300:]}")
    return done.stdout
