"""SFTP with verified host keys and time limits, based on fsspec's file system."""

from __future__ import annotations

from typing import Any

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem

CONNECT_SECONDS = 15.0
"""Seconds to connect, and for the server's greeting."""
ANSWER_SECONDS = 60.0
"""Seconds for an answer."""


class CheckedSftp(SFTPFileSystem):  # type: ignore[misc]  # fsspec has no types
    """SFTP to a host whose key is known.

    Parameters
    ----------
    host : str
    known_hosts : str, optional
        File of known keys in addition to those of the system and the user.
    host_key_policy : str
        `reject` (default) or `auto_add`, which accepts any key.
    answer_timeout : float
        Seconds after which a silent server counts as unavailable.
    **options
        Options of `paramiko.SSHClient.connect`: port, username, password, key_filename, ….
    """

    def __init__(
        self,
        host: str,
        *,
        known_hosts: str | None = None,
        host_key_policy: str = "reject",
        answer_timeout: float = ANSWER_SECONDS,
        **options: Any,
    ) -> None:
        self._known_hosts = known_hosts
        self._answer_timeout = answer_timeout
        limits = {"timeout": CONNECT_SECONDS, "banner_timeout": CONNECT_SECONDS, "auth_timeout": 2 * CONNECT_SECONDS}
        super().__init__(host, host_key_policy=host_key_policy, **(limits | options))

    def _connect(self) -> None:
        self.client = paramiko.SSHClient()
        self.client.load_system_host_keys()
        if self._known_hosts is not None:
            self.client.load_system_host_keys(self._known_hosts)
        self.client.set_missing_host_key_policy(self.host_key_policy)
        try:
            self.client.connect(self.host, **self.ssh_kwargs)
            self.ftp = self.client.open_sftp()
            self.ftp.get_channel().settimeout(self._answer_timeout)
        except BaseException:
            self.client.close()
            raise

    def replace(self, old: str, new: str) -> None:
        """Rename; an existing file is replaced, atomically if the server supports that."""
        try:
            self.ftp.posix_rename(old, new)
        except OSError as error:
            # Servers without posix-rename@openssh.com answer "Operation unsupported" without an error number.
            if "nsupported" not in str(error):
                raise
            if self.exists(new):
                self.ftp.remove(new)
            self.ftp.rename(old, new)

    def close(self) -> None:
        """Close the connection."""
        self.client.close()
