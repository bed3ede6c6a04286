"""A drop folder on an SFTP server, through AsyncSSH. The server has to show a key that is known.

What is fetched and what becomes of it is the business of `remote`.
"""

from __future__ import annotations

import asyncio
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from connectors.base import ConnectorError, Source
from connectors.files.options import FilesOptions, RemoteOptions
from connectors.files.remote import RemoteFile

if TYPE_CHECKING:
    import asyncssh

_CONNECT_SECONDS, _KEEPALIVE_SECONDS = 15, 15
#: Kind and key, in a line of known_hosts or of a .pub file.
_HOST_KEY = re.compile(r"\S*(?:ssh|ecdsa)-\S+ +\S+")


@contextmanager
def folder(source: Source, options: FilesOptions) -> Iterator[Directory]:
    """Opens a folder `sftp://user@host:port/folder`; `sftp://user@host/~/folder` begins at the user's own.

    Raises:
        ConnectorError: it cannot be read.
    """
    import asyncssh

    url = urlsplit(options.path or "")
    with asyncio.Runner() as runner:
        try:
            connection = runner.run(_connect(source, options))
            try:
                client = runner.run(_client(connection))
                path = unquote(url.path) or "/"
                yield Directory(runner, client, path[3:] or "." if path.startswith("/~") else path)
            finally:
                connection.close()
                runner.run(connection.wait_closed())
        except asyncssh.HostKeyNotVerifiable as error:
            raise ConnectorError(_unknown_host(runner, url.hostname or "", url.port or 22, error)) from None
        except (OSError, TimeoutError, asyncssh.Error, asyncssh.KeyImportError) as error:
            raise ConnectorError(_sentence(url.hostname or "", url.port or 22, error)) from error


class Directory:
    """A folder of an SFTP server."""

    def __init__(self, runner: asyncio.Runner, client: asyncssh.SFTPClient, path: str) -> None:
        self._runner, self._client, self._path = runner, client, path.rstrip("/") or "/"

    def files(self) -> Iterator[RemoteFile]:
        """Gives all files in the folder and below; links to folders are not followed."""
        yield from self._runner.run(self._walk(""))

    def fetch(self, name: str, target: Path) -> None:
        """Copies one file.

        Raises:
            FileNotFoundError: it is gone.
            PermissionError: the user may not read it.
        """
        import asyncssh

        try:
            self._runner.run(self._client.get(self._at(name), str(target), follow_symlinks=True))
        except asyncssh.SFTPNoSuchFile as error:
            raise FileNotFoundError(name) from error
        except asyncssh.SFTPPermissionDenied as error:
            raise PermissionError(name) from error

    def look(self, name: str) -> RemoteFile | None:
        """Gives what a file is now."""
        import asyncssh

        try:
            found = self._runner.run(self._client.stat(self._at(name)))
        except asyncssh.SFTPNoSuchFile:
            return None
        return _file(name, found)

    async def _walk(self, below: str) -> list[RemoteFile]:
        found: list[RemoteFile] = []
        for entry in await self._client.readdir(self._at(below)):
            name = entry.filename if isinstance(entry.filename, str) else entry.filename.decode(errors="replace")
            if name in (".", ".."):
                continue
            inner, attributes = f"{below}/{name}" if below else name, entry.attrs
            mode = attributes.permissions or 0
            if stat.S_ISDIR(mode):
                found += await self._walk(inner)
                continue
            if stat.S_ISLNK(mode):
                if not await self._client.isfile(self._at(inner)):
                    continue
                attributes = await self._client.stat(self._at(inner))
            if stat.S_ISREG(attributes.permissions or 0):
                found.append(_file(inner, attributes))
        return found

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}" if name else self._path


def _file(name: str, attributes: Any) -> RemoteFile:
    return RemoteFile(name=name, size=attributes.size or 0, mtime_ns=(attributes.mtime or 0) * 1_000_000_000)


async def _connect(source: Source, options: FilesOptions) -> asyncssh.SSHClientConnection:
    import asyncssh

    url, remote = urlsplit(options.path or ""), options.remote or RemoteOptions()
    given: dict[str, Any] = {}
    if remote.password is not None:
        given |= {"password": remote.password.get_secret_value(), "client_keys": None}
    if remote.key_file is not None:
        phrase = remote.passphrase.get_secret_value() if remote.passphrase else None
        given["client_keys"] = [asyncssh.read_private_key(str(source.root / remote.key_file), phrase)]
    if remote.host_key is not None:
        found = _HOST_KEY.search(remote.host_key)
        given["known_hosts"] = ([asyncssh.import_public_key(found[0] if found else remote.host_key)], [], [])
    return await asyncssh.connect(
        url.hostname or "",
        url.port or 22,
        username=unquote(url.username or ""),
        config=None,
        agent_path=None,
        connect_timeout=_CONNECT_SECONDS,
        login_timeout=_CONNECT_SECONDS,
        keepalive_interval=_KEEPALIVE_SECONDS,
        **given,
    )


async def _client(connection: asyncssh.SSHClientConnection) -> asyncssh.SFTPClient:
    return await connection.start_sftp_client()


def _unknown_host(runner: asyncio.Runner, host: str, port: int, error: Exception) -> str:
    import asyncssh

    key = runner.run(asyncssh.get_server_host_key(host, port, config=None))
    shown = key.export_public_key().decode().strip() if key else "none"
    return (
        f"the server's key is not the one that is known ({error}). It shows '{shown}'; if its administrator says that "
        "this is right, set it as remote.host_key."
    )


def _sentence(host: str, port: int, error: BaseException) -> str:
    import asyncssh

    said = " ".join(str(error).split()) or type(error).__name__
    advice = "it cannot be read; see what it said"
    match error:
        case asyncssh.PermissionDenied():
            advice = "the server refuses this user with this password or key; correct the user in path or mend .env"
        case asyncssh.SFTPNoSuchFile() | asyncssh.SFTPNoSuchPath():
            advice = "there is no such folder; correct path or let the other side make it"
        case asyncssh.SFTPPermissionDenied():
            advice = "the user may not read it; let the other side allow it"
        case asyncssh.KeyImportError() | asyncssh.KeyEncryptionError():
            advice = "the key cannot be read; correct remote.key_file, remote.passphrase or remote.host_key"
        case FileNotFoundError():
            advice = "the key file is not there; correct remote.key_file"
        case ConnectionRefusedError():
            advice = f"no SFTP server answers on {host}:{port}; correct host and port in path"
        case TimeoutError() | asyncssh.ConnectionLost():
            advice = f"{host}:{port} does not answer any more; let its firewall admit this machine, and load again"
        case OSError() if "not known" in said or "resolution" in said:
            advice = f"the host {host} is not known; correct it in path"
    return f"{advice}. It said: {said}."
