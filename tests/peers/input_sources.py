"""Sources of inputs on this machine: zip files of kernels, and a git repository with tags."""

from __future__ import annotations

import os
import stat
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path


def zipped(path: Path, entries: Mapping[str, bytes], *, link: str | None = None) -> Path:
    """A zip file; with a link if one is named."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        if link is not None:
            info = zipfile.ZipInfo(link)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
    return path


def git(folder: Path, *arguments: str) -> None:
    """Run git without the configuration of the machine."""
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b.c",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b.c",
    }
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, env=environment)


def repository(folder: Path, files: Mapping[str, str], tag: str, *, annotated: bool = False) -> Path:
    """A commit with these files and a tag, in a repository that is made if absent."""
    if not (folder / ".git").is_dir():
        folder.mkdir(parents=True)
        git(folder, "init", "--quiet", "--initial-branch", "main")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", tag)
    git(folder, "tag", *(["-a", "-m", tag] if annotated else []), tag)
    return folder
