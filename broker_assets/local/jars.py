"""The jars of Apache Kafka: from `KAFKA_HOME`, or downloaded by Maven into a cache of the user."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

from broker_assets.local.processes import LocalPlatformError, tail
from broker_assets.storage.atomic import new_folder, remove_abandoned

OLDEST_JAVA = 17
"""Minimum Java version of the Kafka 4 server (Kafka's compatibility page)."""

POM = Path(str(files("broker_assets.local"))) / "kafka_jars" / "pom.xml"
LOGGING = POM.with_name("log4j2.yaml")


def kafka_version() -> str:
    """Version of Apache Kafka in the packaged pom.

    Examples
    --------
    >>> kafka_version().split(".")[0]
    '4'
    """
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    version = ElementTree.parse(POM).findtext("m:dependencies/m:dependency/m:version", namespaces=space)  # noqa: S314 - our own file
    if version is None:
        raise LocalPlatformError(f"{POM} names no version of Kafka")
    return version


def java_program() -> Path | None:
    """The `java` of `JAVA_HOME` or of the path, or None."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return Path(home) / "bin" / "java"
    found = shutil.which("java")
    return Path(found) if found else None


def java_version(program: Path) -> int | None:
    """Major version that a `java` program reports, or None if it does not run."""
    try:
        result = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_java_version(result.stderr + result.stdout)


def parse_java_version(text: str) -> int | None:
    """Major version in the output of `java -version`.

    Examples
    --------
    >>> parse_java_version('openjdk version "17.0.15" 2025-04-15')
    17
    >>> parse_java_version('java version "1.8.0_292"')
    8
    """
    match = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if match is None:
        return None
    major = int(match[1])
    return int(match[2]) if major == 1 and match[2] else major


def cache_folder() -> Path:
    """Cache folder of the user; `XDG_CACHE_HOME` moves it.

    Raises
    ------
    LocalPlatformError
        If the user has none, and the one in the temporary folder belongs to another user, whose programs would be run.
    """
    root = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(root) if root else Path.home() / ".cache") / "broker_assets"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or one that is read-only
        folder = Path(tempfile.gettempdir()) / f"broker_assets-{os.geteuid()}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise LocalPlatformError(
                f"{folder} belongs to another user, or others may write to it: remove it, or set XDG_CACHE_HOME"
            ) from None
    return folder


def kafka_jars() -> Path:
    """Folder of the Kafka jars: `KAFKA_HOME/libs`, the cache, or downloaded by Maven into the cache.

    Raises
    ------
    LocalPlatformError
        If they are not available; the message says what is missing.
    """
    home = os.environ.get("KAFKA_HOME")
    if home:
        libraries = Path(home) / "libs"
        if not list(libraries.glob("kafka_2.*.jar")):
            raise LocalPlatformError(f"KAFKA_HOME is {home}, but {libraries} contains no kafka_2.*.jar")
        return libraries
    # The name includes the version and the pom's content: a changed pom is resolved again.
    digest = f"{kafka_version()}-{_digest(POM)}"
    libraries = cache_folder() / f"kafka-{digest}"
    if libraries.is_dir():
        return libraries
    maven = shutil.which("mvn")
    if maven is None:
        raise LocalPlatformError(
            "Maven (mvn) is missing, which is needed to download Apache Kafka; install it or set KAFKA_HOME"
        )
    _resolve(maven, libraries)
    return libraries


def jars_are_at_hand() -> bool:
    """Whether `kafka_jars` would return without downloading anything."""
    home = os.environ.get("KAFKA_HOME")
    return bool(home) or (cache_folder() / f"kafka-{kafka_version()}-{_digest(POM)}").is_dir()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def _resolve(maven: str, libraries: Path) -> None:
    remove_abandoned(libraries.parent)
    with tempfile.TemporaryDirectory(prefix="kafka-jars-") as scratch, new_folder(libraries) as target:
        log = Path(scratch) / "maven.log"
        # Maven writes `target/` next to the pom, which may be in a read-only installation.
        pom = shutil.copy(POM, Path(scratch) / "pom.xml")
        command = [maven, "-B", "-q", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={target}"]
        with log.open("wb") as output:
            try:
                result = subprocess.run(command, stdout=output, stderr=output, timeout=900, check=False)  # noqa: S603
            except subprocess.TimeoutExpired:
                raise LocalPlatformError("Maven did not download Apache Kafka within 15 minutes") from None
        if result.returncode != 0 or not list(target.glob("kafka_2.*.jar")):
            raise LocalPlatformError(f"Maven could not download Apache Kafka {kafka_version()}:\n{tail(log)}")
