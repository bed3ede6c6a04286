"""A drop folder in S3 or in storage that speaks the same language, through the client that Arrow brings along.

What is fetched and what becomes of it is the business of `remote`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.base import ConnectorError
from connectors.files.options import FilesOptions, RemoteOptions
from connectors.files.remote import RemoteFile

if TYPE_CHECKING:
    from pyarrow import fs

_CONNECT_SECONDS, _REQUEST_SECONDS, _ATTEMPTS = 15, 60, 5
_ADVICE = (
    ("NO_SUCH_BUCKET", "there is no such bucket; correct path"),
    ("INVALID_ACCESS_KEY_ID", "the access key is not known there; correct remote.access_key in .env"),
    ("SIGNATURE_DOES_NOT_MATCH", "the secret key is wrong; correct remote.secret_key in .env"),
    ("INVALID_CLIENT_TOKEN_ID", "the session token is not known there; correct remote.session_token in .env"),
    ("EXPIRED", "the session token has ended; put a new one into .env"),
    (
        "ACCESS_DENIED",
        "the key may not read it; let it have s3:ListBucket on the bucket and s3:GetObject on what is in it",
    ),
    ("PermanentRedirect", "the bucket is in another region; set remote.region"),
    ("AuthorizationHeaderMalformed", "the bucket is in another region; set remote.region"),
    ("NETWORK_CONNECTION", "the service does not answer; correct remote.endpoint, or see to the network"),
)


@contextmanager
def folder(options: FilesOptions) -> Iterator[Bucket]:
    """Opens a folder `s3://bucket/prefix`.

    Raises:
        ConnectorError: it cannot be read.
    """
    from pyarrow import fs

    place = (options.path or "").removeprefix("s3://").strip("/")
    try:
        yield Bucket(fs.S3FileSystem(**_given(options.remote or RemoteOptions())), place)
    except OSError as error:
        raise ConnectorError(_sentence(str(error))) from error


class Bucket:
    """A folder in a bucket; `place` is the bucket with the prefix."""

    def __init__(self, client: fs.S3FileSystem, place: str) -> None:
        self._client, self._place = client, place

    def files(self) -> Iterator[RemoteFile]:
        """Gives all objects below the prefix."""
        from pyarrow import fs

        try:
            found = self._client.get_file_info(fs.FileSelector(self._place, recursive=True))
        except FileNotFoundError:
            return  # a prefix that nothing has
        for info in found:
            if info.type == fs.FileType.File:
                yield self._file(info)

    def fetch(self, name: str, target: Path) -> None:
        """Copies one object."""
        with self._client.open_input_stream(f"{self._place}/{name}") as remote, target.open("wb") as local:
            shutil.copyfileobj(remote, local, 4 * 1024 * 1024)

    def look(self, name: str) -> RemoteFile | None:
        """Gives what an object is now."""
        from pyarrow import fs

        (info,) = self._client.get_file_info([f"{self._place}/{name}"])
        return self._file(info) if info.type == fs.FileType.File else None

    def _file(self, info: Any) -> RemoteFile:
        return RemoteFile(name=info.path[len(self._place) + 1 :], size=info.size, mtime_ns=info.mtime_ns)


def _given(remote: RemoteOptions) -> dict[str, Any]:
    """What Arrow's client is told. Without a key it uses the identity that the machine has in AWS."""
    from pyarrow import fs

    given: dict[str, Any] = {
        "connect_timeout": _CONNECT_SECONDS,
        "request_timeout": _REQUEST_SECONDS,
        "retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        "anonymous": remote.anonymous,
    }
    for name, secret in (
        ("access_key", remote.access_key),
        ("secret_key", remote.secret_key),
        ("session_token", remote.session_token),
    ):
        if secret is not None:
            given[name] = secret.get_secret_value()
    if remote.region:
        given["region"] = remote.region
    if remote.endpoint:
        scheme, _, host = remote.endpoint.rpartition("://")
        given |= {"endpoint_override": host, "scheme": scheme or "https"}
    return given


def _sentence(said: str) -> str:
    advice = next((advice for sign, advice in _ADVICE if sign in said), "it cannot be read; see what it said")
    return f"{advice}. It said: {' '.join(said.split())}."
