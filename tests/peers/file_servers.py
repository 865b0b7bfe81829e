"""Real servers on loopback to which files are delivered: SFTP (paramiko's server) and S3 (moto's HTTP server).

Both bind a free port, serve a folder or a bucket of their own, and can be made to fail: damaged bytes, a quota, a slow
or an absent server.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import paramiko

USER, PASSWORD = "archive", "only for tests"


class _Handle(paramiko.SFTPHandle):
    """An open file; writing goes through the faults of the server."""

    def __init__(self, server: SftpServer, path: Path, flags: int) -> None:
        super().__init__(flags)
        self._server = server
        self._path = path

    def stat(self) -> Any:
        return paramiko.SFTPAttributes.from_stat(os.stat(self._path))

    def write(self, offset: int, data: bytes) -> Any:
        faults = self._server
        if faults.seconds_per_write:
            time.sleep(faults.seconds_per_write)
        faults.writes += 1
        if faults.quota is not None and faults.used() + len(data) > faults.quota:
            return paramiko.SFTP_FAILURE
        if faults.damage is not None and faults.damage(self._path.name) and data:
            data = bytes([data[0] ^ 1]) + data[1:]
        return super().write(offset, data)


class _Files(paramiko.SFTPServerInterface):
    """Files below the folder of the server."""

    def __init__(self, server: Any, *args: Any, **options: Any) -> None:
        super().__init__(server, *args, **options)
        self._served: SftpServer = server.served

    def _path(self, path: str) -> Path:
        return self._served.folder / self.canonicalize(path).lstrip("/")

    def _try(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def list_folder(self, path: str) -> Any:
        def entries() -> list[Any]:
            return [paramiko.SFTPAttributes.from_stat(item.stat(), item.name) for item in os.scandir(self._path(path))]

        return self._try(entries)

    def stat(self, path: str) -> Any:
        return self._try(lambda: paramiko.SFTPAttributes.from_stat(os.stat(self._path(path))))

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        def opened() -> Any:
            target = self._path(path)
            descriptor = os.open(target, flags, 0o644)
            handle = _Handle(self._served, target, flags)
            handle.filename = str(target)
            mode = "r+b" if flags & os.O_RDWR else "wb" if flags & os.O_WRONLY else "rb"
            stream = os.fdopen(descriptor, mode, buffering=0)
            handle.readfile = handle.writefile = stream
            return handle

        return self._try(opened)

    def remove(self, path: str) -> Any:
        return self._try(lambda: os.remove(self._path(path))) or paramiko.SFTP_OK

    def rename(self, oldpath: str, newpath: str) -> Any:
        if self._path(newpath).exists():
            # As in the protocol (version 3): an existing file is not replaced.
            return paramiko.SFTP_FAILURE
        return self._try(lambda: os.rename(self._path(oldpath), self._path(newpath))) or paramiko.SFTP_OK

    def posix_rename(self, oldpath: str, newpath: str) -> Any:
        if not self._served.can_replace:
            return paramiko.SFTP_OP_UNSUPPORTED
        return self._try(lambda: os.replace(self._path(oldpath), self._path(newpath))) or paramiko.SFTP_OK

    def mkdir(self, path: str, attr: Any) -> Any:
        return self._try(lambda: os.mkdir(self._path(path))) or paramiko.SFTP_OK

    def rmdir(self, path: str) -> Any:
        return self._try(lambda: os.rmdir(self._path(path))) or paramiko.SFTP_OK


class _Login(paramiko.ServerInterface):
    """Lets one user in, by password."""

    def __init__(self, served: SftpServer) -> None:
        self.served = served

    def check_auth_password(self, username: str, password: str) -> int:
        right = username == USER and password == PASSWORD
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


class SftpServer:
    """An SFTP server of a folder, on a free port of 127.0.0.1.

    Attributes
    ----------
    damage : function of a file name, or None
        Whether the next bytes written to this file are damaged on the way.
    quota : int or None
        Bytes that all files together may have.
    seconds_per_write : float
        How slow the server is.
    can_replace : bool
        Whether it knows `posix-rename@openssh.com`.
    writes : int
        How many writes it has seen.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damage: Callable[[str], bool] | None = None
        self.quota: int | None = None
        self.seconds_per_write = 0.0
        self.can_replace = True
        self.writes = 0
        self.key = paramiko.ECDSAKey.generate()
        self._transports: list[paramiko.Transport] = []
        self._port = 0

    def used(self) -> int:
        """Bytes that the files have."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    @property
    def port(self) -> int:
        return self._port

    def url(self, folder: str = "") -> str:
        """URL of a folder of the server."""
        return f"sftp://127.0.0.1:{self._port}/{folder}"

    @property
    def options(self) -> dict[str, str]:
        """What a client needs besides the URL; the key of the host is not checked."""
        return {"username": USER, "password": PASSWORD, "host_key_policy": "auto_add"}

    def known_hosts(self, path: Path) -> Path:
        """Write a file that names this server and its key."""
        path.write_text(f"[127.0.0.1]:{self._port} {self.key.get_name()} {self.key.get_base64()}\n")
        return path

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; a server that was stopped has its port again."""
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self._port))
        self._listener.listen(16)
        self._port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port and all connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for transport in self._transports:
            transport.close()
        self._transports.clear()
        self._thread.join(10)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files)
            self._transports.append(transport)
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                # With an event it does not wait for the client, which may be slow or gone.
                transport.start_server(event=threading.Event(), server=_Login(self))


class S3Server:
    """An S3 server with an empty bucket, on a free port of 127.0.0.1.

    The state of moto is one per process: a server of a test has a bucket of its own name.
    """

    def __init__(self, bucket: str) -> None:
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        self.bucket = bucket
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)

    @property
    def endpoint(self) -> str:
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"

    @property
    def options(self) -> dict[str, str]:
        """What a client needs besides the URL."""
        return {"endpoint_url": self.endpoint, "key": "testing", "secret": "testing"}

    def url(self, folder: str = "") -> str:
        """URL of a folder of the bucket."""
        return f"s3://{self.bucket}/{folder}".rstrip("/")

    def client(self) -> Any:
        """A client that is not the one under test."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            region_name="us-east-1",
        )

    def files(self) -> dict[str, bytes]:
        """Every object of the bucket."""
        client = self.client()
        found = client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {item["Key"]: client.get_object(Bucket=self.bucket, Key=item["Key"])["Body"].read() for item in found}

    def __enter__(self) -> Self:
        self._server.start()
        self.client().create_bucket(Bucket=self.bucket)
        return self

    def __exit__(self, *_: object) -> None:
        client = self.client()
        for name in self.files():
            client.delete_object(Bucket=self.bucket, Key=name)
        client.delete_bucket(Bucket=self.bucket)
        self._server.stop()
