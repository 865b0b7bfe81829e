"""SFTP to a real server: keys of hosts, time limits, and replacing of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from file_servers import PASSWORD, USER, SftpServer

from broker_assets.storage.sftp import CheckedSftp

Connect = Callable[..., CheckedSftp]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SftpServer]:
    folder = tmp_path / "served"
    folder.mkdir()
    with SftpServer(folder) as running:
        yield running


@pytest.fixture
def connect(server: SftpServer) -> Iterator[Connect]:
    opened: list[CheckedSftp] = []

    def one(**options: Any) -> CheckedSftp:
        login: dict[str, Any] = {"port": server.port, "username": USER, "password": PASSWORD, "allow_agent": False}
        # fsspec would give the connection of an earlier call.
        made = CheckedSftp("127.0.0.1", skip_instance_cache=True, **(login | {"look_for_keys": False} | options))
        opened.append(made)
        return made

    yield one
    for files in opened:
        files.close()


def test_an_unknown_host_is_refused(connect: Connect) -> None:
    with pytest.raises(paramiko.SSHException, match="not found in known_hosts"):
        connect()


def test_a_host_of_the_file_is_believed(connect: Connect, server: SftpServer, tmp_path: Path) -> None:
    files = connect(known_hosts=str(server.known_hosts(tmp_path / "known_hosts")))
    (server.folder / "there.txt").write_text("content")
    assert files.cat_file("/there.txt") == b"content"


def test_another_key_of_a_known_host_is_refused(connect: Connect, server: SftpServer, tmp_path: Path) -> None:
    """Whatever the policy for unknown hosts says: this is not the server that it was."""
    known = server.known_hosts(tmp_path / "known_hosts")
    server.stop()
    server.key = paramiko.ECDSAKey.generate()
    server.start()
    with pytest.raises(paramiko.BadHostKeyException):
        connect(known_hosts=str(known), host_key_policy="auto_add")


@pytest.mark.parametrize("can_replace", [True, False])
def test_files_are_replaced_with_and_without_the_extension(
    connect: Connect, server: SftpServer, can_replace: bool
) -> None:
    server.can_replace = can_replace
    files = connect(host_key_policy="auto_add")
    for name, content in (("old", "before"), ("new", "after"), ("third", "alone")):
        (server.folder / name).write_text(content)
    files.replace("/new", "/old")
    files.replace("/third", "/fourth")
    assert {path.name: path.read_text() for path in server.folder.iterdir()} == {"old": "after", "fourth": "alone"}


def test_a_server_that_says_nothing_is_given_up(connect: Connect, server: SftpServer) -> None:
    server.seconds_per_write = 5.0
    files = connect(host_key_policy="auto_add", answer_timeout=0.3)
    with files.ftp.open("/slow", "w") as file:
        file.set_pipelined(False)
        with pytest.raises(TimeoutError):
            file.write(b"x")
