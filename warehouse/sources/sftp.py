"""sftp://: drop boxes on an SSH server, whose host key is known and which knows our key."""

from __future__ import annotations

import posixpath
import stat
from pathlib import Path
from typing import Any

import asyncssh
from fsspec import AbstractFileSystem
from fsspec.asyn import sync
from sshfs.spec import SSHFileSystem

from warehouse.sources.boxes import BLOCK, DropBoxes
from warehouse.sources.source import CONNECT, Address, Credentials, SourceError

KEEPALIVE = 15  # seconds


class _Remote(SSHFileSystem):
    """sshfs with the two things that it lacks: a part of a file, and links that are seen as links."""

    async def _cat_file(self, path: str, start: int = 0, end: int = BLOCK, **kwargs: Any) -> bytes:
        async with self._pool.get() as channel, channel.open(path, "rb") as file:
            content: bytes = await file.read(end - start, start)
            return content

    async def _info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        async with self._pool.get() as channel:
            try:
                seen = await channel.lstat(path)
            except asyncssh.SFTPNoSuchFile:
                raise FileNotFoundError(path) from None
        return {**self._decode_attributes(seen), "name": path}

    async def _isdir(self, path: str) -> bool:
        async with self._pool.get() as channel:
            return bool(await channel.isdir(path))

    async def _write_whole(self, folder: str, name: str, content: bytes) -> None:
        async with self._pool.get() as channel:
            if not await channel.isdir(posixpath.dirname(folder)):
                raise FileNotFoundError(folder)
            if not await channel.lexists(folder):
                await channel.mkdir(folder)
            if not stat.S_ISDIR((await channel.lstat(folder)).permissions or 0):
                raise SourceError(f"{folder} is a link or a file; receipts go into a folder of the drop box itself")
            beside = f"{folder}/.{name}.tmp"
            if await channel.lexists(beside):  # of a delivery that broke off
                await channel.remove(beside)
            async with channel.open(beside, "xb") as file:  # made here, so it is no link that somebody put there
                await file.write(content)
            try:
                await channel.posix_rename(beside, f"{folder}/{name}")
            except asyncssh.SFTPOpUnsupported:  # then a name that is taken cannot be replaced in one step
                if await channel.exists(f"{folder}/{name}"):
                    await channel.remove(f"{folder}/{name}")
                await channel.rename(beside, f"{folder}/{name}")


class Sftp(DropBoxes):
    passing = (OSError, asyncssh.Error)

    def __init__(self, at: Address, credentials: Credentials) -> None:
        super().__init__(at)
        self.within = {"timeout": at.timeout}
        if not at.user:
            raise SourceError(f"{at.shown}: name the user to log in as: sftp://USER@{at.host}/…")
        pem = at.secret(credentials, "KEY")
        if pem is None:
            raise SourceError(
                f"{at.shown}: there is no key to log in with; name one in the URL (?credential=NAME) and give the private"
                " key itself as WALLCHART_CREDENTIAL_<NAME>_KEY"
            )
        try:
            self._key = asyncssh.import_private_key(pem, at.secret(credentials, "PASSPHRASE"))
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
            raise SourceError(
                f"{at.shown}: the private key of its credential cannot be read with its passphrase"
            ) from None
        self._known_hosts = Path(at.options.get("known_hosts", "~/.ssh/known_hosts")).expanduser()

    def connect(self) -> AbstractFileSystem:
        if not self._known_hosts.is_file():
            raise SourceError(
                f"host keys are held against {self._known_hosts}, which is not there; write it with ssh-keyscan and compare"
                " its fingerprint with what the host's keeper says"
            )
        try:
            return _Remote(
                self.at.host,
                port=self.at.port or 22,
                username=self.at.user,
                client_keys=[self._key],
                known_hosts=str(self._known_hosts),
                # nothing of the person's own who runs it
                config=None, agent_path=None, password=None, gss_host=None, preferred_auth="publickey",
                connect_timeout=CONNECT, login_timeout=CONNECT, keepalive_interval=KEEPALIVE,
                timeout=self.at.timeout, skip_instance_cache=True,
                sftp_client_kwargs={"path_errors": "surrogateescape"},
            )  # fmt: skip
        except asyncssh.HostKeyNotVerifiable:
            raise SourceError(
                f"the key of host {self.at.host} is not the one in {self._known_hosts}, or none is there; nothing was sent."
                " Ask the host's keeper whether it was changed"
            ) from None
        except (asyncssh.PermissionDenied, PermissionError):
            raise SourceError(f"host {self.at.host} does not accept the key of user {self.at.user}") from None

    def modified_ns(self, info: dict[str, Any]) -> int:
        return int(info["mtime"].timestamp()) * 1_000_000_000  # SFTP has whole seconds

    def write(self, fs: Any, folder: str, name: str, content: bytes) -> None:
        sync(fs.loop, fs._write_whole, folder, name, content, **self.within)

    def close(self) -> None:
        if self._fs is not None:
            self._fs.loop.call_soon_threadsafe(self._fs.client.abort)
        super().close()
