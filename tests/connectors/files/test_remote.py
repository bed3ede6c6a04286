"""Drop folders in S3 (moto) and behind SFTP (OpenSSH, and AsyncSSH's server for passwords), all on loopback."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from connectors.base import ConnectorError, Source
from connectors.files import CONNECTOR
from connectors.files import remote as remote_module
from tests.absent import mend_by_package, skip_without

A = "id,name\n001,Ann\n002,Bob\n"


class There(Protocol):
    """The other side: a folder that files are put into."""

    options: dict[str, Any]

    def put(self, name: str, content: str, at: int = 0) -> None: ...

    def remove(self, name: str) -> None: ...


@dataclass
class Bucket:
    """A bucket of moto's server."""

    client: Any
    options: dict[str, Any]

    def put(self, name: str, content: str, at: int = 0) -> None:
        self.client.put_object(Bucket="shop", Key=f"exports/{name}", Body=content.encode())

    def remove(self, name: str) -> None:
        self.client.delete_object(Bucket="shop", Key=f"exports/{name}")


@dataclass
class Home:
    """A folder of an SSH server's user."""

    folder: Path
    options: dict[str, Any]

    def put(self, name: str, content: str, at: int = 0) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (1_700_000_000 + at, 1_700_000_000 + at))

    def remove(self, name: str) -> None:
        (self.folder / name).unlink()


@pytest.fixture(scope="module")
def moto() -> Iterator[tuple[Any, str]]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    secrets = {"aws_access_key_id": "demo-key", "aws_secret_access_key": "demo-secret"}
    yield boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **secrets), endpoint
    server.stop()


@pytest.fixture
def bucket(moto: tuple[Any, str]) -> Iterator[Bucket]:
    client, endpoint = moto
    client.create_bucket(Bucket="shop")
    remote = {"access_key": "demo-key", "secret_key": "demo-secret", "endpoint": endpoint, "region": "us-east-1"}
    yield Bucket(client, {"path": "s3://shop/exports", "remote": remote})
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST"))


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """OpenSSH's server with its own keys, for the user who runs the tests."""
    if not Path("/usr/sbin/sshd").exists():
        skip_without("/usr/sbin/sshd", untested="reading files over SFTP", mend=mend_by_package("openssh-server"))
    folder, port = tmp_path_factory.mktemp("sshd"), _free_port()
    for name in ("host", "user", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        f"PidFile {folder}/pid\nPermitRootLogin yes\nPasswordAuthentication no\nStrictModes no\nUsePAM no\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", folder / "config"], stderr=log)
    try:
        _until_it_listens(port)
        yield port, folder
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def home(sshd: tuple[int, Path], tmp_path: Path) -> Home:
    port, keys = sshd
    folder = tmp_path / "their files"
    folder.mkdir()
    path = f"sftp://{getpass.getuser()}@127.0.0.1:{port}{str(folder).replace(' ', '%20')}"
    remote = {"key_file": str(keys / "user"), "host_key": (keys / "host.pub").read_text()}
    return Home(folder, {"path": path, "remote": remote})


@pytest.fixture(params=["bucket", "home"])
def there(request: pytest.FixtureRequest, drop: Any) -> There:
    """Each kind of other side, with the drop folder of the company set to it."""
    side: There = request.getfixturevalue(request.param)
    drop.options = side.options
    return side


def test_loads_and_then_fetches_only_what_is_new_or_changed(there: There, drop: Any, fetched: list[str]) -> None:
    there.put("contacts_2026-01-01.csv", A)
    there.put("deep/er/orders ü.csv", "no,total\n1,5\n")
    first = drop.load()
    assert (first.tables, first.changed, first.findings) == ({"contacts": 2, "orders_u": 1}, True, [])
    assert drop.sql("SELECT id, name, _file FROM raw.contacts ORDER BY id") == [
        ("001", "Ann", "contacts_2026-01-01.csv"), ("002", "Bob", "contacts_2026-01-01.csv"),
    ]  # fmt: skip
    assert sorted(fetched) == ["contacts_2026-01-01.csv", "deep/er/orders ü.csv"]
    before = (drop.root / "raw" / "crm.duckdb").stat().st_mtime_ns
    assert drop.load().changed is False
    assert (drop.root / "raw" / "crm.duckdb").stat().st_mtime_ns == before
    assert len(fetched) == 2
    _another_second(there)
    there.put("contacts_2026-01-02.csv", "id,name\n003,Cid\n", 60)
    there.put("contacts_2026-01-01.csv", A.replace("Ann", "Ada"), 60)  # no longer than before
    report = drop.load()
    assert fetched[2:] == report.files_read == ["contacts_2026-01-01.csv", "contacts_2026-01-02.csv"]
    assert drop.sql("SELECT id, name FROM raw.contacts ORDER BY id") == [
        ("001", "Ada"), ("002", "Bob"), ("003", "Cid"),
    ]  # fmt: skip


def test_a_removed_file_keeps_its_rows_and_leaves_the_mirror(there: There, drop: Any, the: Any) -> None:
    there.put("deep/contacts.csv", A)
    there.put("contacts_2.csv", "id,name\n003,Cid\n")
    drop.load()
    there.remove("deep/contacts.csv")
    assert the(drop.load(), "gone_file").file == "deep/contacts.csv"
    assert drop.sql("SELECT count(*) FROM raw.contacts") == [(3,)]
    mirror = drop.root / "raw" / ".mirror" / "crm"
    assert [one.name for one in mirror.rglob("*")] == ["contacts_2.csv"]


def test_what_is_ignored_hidden_or_unfinished_stays_there(there: There, drop: Any, fetched: list[str]) -> None:
    drop.options = {**there.options, "ignore": ["*/archive/**", "archive/**"]}
    for name in ("contacts.csv", "archive/old.csv", ".hidden/x.csv", ".y.csv", "z.csv.part", "~$book.xlsx"):
        there.put(name, A)
    assert drop.load().files_read == ["contacts.csv"]
    assert fetched == ["contacts.csv"]


def test_a_half_fetched_file_of_a_killed_load_is_fetched_again(there: There, drop: Any, monkeypatch: Any) -> None:
    there.put("contacts.csv", A)
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            drop.load()
    assert replace is Path.replace
    mirror = drop.root / "raw" / ".mirror" / "crm"
    assert [one.name for one in mirror.iterdir()] == ["contacts.csv.part"]
    assert drop.load().tables == {"contacts": 2}
    assert [one.name for one in mirror.iterdir()] == ["contacts.csv"]


def test_a_file_that_changes_while_it_is_fetched_waits(there: There, drop: Any, the: Any, monkeypatch: Any) -> None:
    there.put("contacts.csv", A)
    fetch = remote_module._fetch

    def while_it_grows(remote: Any, file: Any, target: Path, out: Any) -> None:
        _another_second(there)
        there.put(file.name, A.replace("Ann", "Ada"), 60)
        fetch(remote, file, target, out)

    with monkeypatch.context() as patch:
        patch.setattr(remote_module, "_fetch", while_it_grows)
        report = drop.load()
    assert report.tables == {}
    assert the(report, "busy_file").file == "contacts.csv"
    assert drop.load().tables == {"contacts": 2}
    assert drop.sql("SELECT name FROM raw.contacts WHERE id = '001'") == [("Ada",)]


def test_discover_looks_at_the_newest_file_of_each_kind(there: There, drop: Any, fetched: list[str]) -> None:
    there.put("contacts_2026-01-01.csv", A)
    _another_second(there)
    there.put("contacts_2026-01-02.csv", "id,name,mail\n003,Cid,c@x.org\n", 60)
    there.put("orders.json", '[{"no": 1}]')
    tables = CONNECTOR.discover(drop.source)
    assert {name: [one for one in columns if one[0] != "_"] for name, columns in tables.items()} == {
        "contacts": ["id", "name", "mail"], "orders": ["no"],
    }  # fmt: skip
    assert sorted(fetched) == ["contacts_2026-01-02.csv", "orders.json"]


def test_connect_is_content_where_there_are_files(there: There, drop: Any) -> None:
    there.put("contacts.csv", A)
    assert CONNECTOR.problems(drop.source) == []
    assert CONNECTOR.connect(drop.source) == []  # type: ignore[misc]
    there.remove("contacts.csv")
    (told,) = CONNECTOR.connect(drop.source)  # type: ignore[misc]
    assert "holds no file that can be read; put exports there" in told


def test_names_that_are_no_paths_are_told(bucket: Bucket, drop: Any) -> None:
    drop.options = bucket.options
    for name in ("ok.csv", "../up.csv", "a//b.csv", "x.csv", "x.csv/in.csv", "folder/"):
        bucket.put(name, A)
    report = drop.load()
    assert {one.file: one.detail for one in report.findings} == {
        "../up.csv": "../up.csv is not loaded: its name is no path within the folder.",
        "a//b.csv": "a//b.csv is not loaded: its name is no path within the folder.",
        "x.csv": "x.csv is not loaded: a folder has the same name.",
        "folder": "folder is not loaded: it is gone.",
    }
    assert sorted(report.files_read) == ["ok.csv", "x.csv/in.csv"]
    assert not (drop.root / "raw" / ".mirror" / "up.csv").exists()


def test_a_whole_bucket_can_be_the_folder(bucket: Bucket, drop: Any) -> None:
    bucket.put("contacts.csv", A)
    drop.options = {**bucket.options, "path": "s3://shop"}
    assert drop.load().files_read == ["exports/contacts.csv"]


def test_links_are_followed_to_files(home: Home, drop: Any) -> None:
    home.put("real.csv", A)
    (home.folder / "link.csv").symlink_to(home.folder / "real.csv")
    (home.folder / "loop").symlink_to(home.folder)
    (home.folder / "broken.csv").symlink_to(home.folder / "nothing")
    drop.options = home.options
    assert drop.load().files_read == ["link.csv", "real.csv"]


def test_a_file_that_may_not_be_read_is_told_and_the_others_are_loaded(home: Home, drop: Any, monkeypatch: Any) -> None:
    from connectors.files.sftp import Directory

    def denied(self: Directory, name: str, target: Path) -> None:
        if name == "secret.csv":
            raise PermissionError(name)
        fetch(self, name, target)

    fetch = Directory.fetch
    monkeypatch.setattr(Directory, "fetch", denied)
    home.put("contacts.csv", A)
    home.put("secret.csv", A)
    drop.options = home.options
    report = drop.load()
    assert report.files_read == ["contacts.csv"]
    assert [one.detail for one in report.findings] == ["secret.csv is not loaded: the user may not read it."]


def test_passwords(drop: Any, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "contacts.csv").write_text(A)
    with _password_server(tmp_path / "theirs", "us er", "s3cret/@:") as (port, host_key):
        drop.options = {
            "path": f"sftp://us%20er@127.0.0.1:{port}/",
            "remote": {"password": "s3cret/@:", "host_key": host_key},
        }
        assert drop.load().tables == {"contacts": 2}
        drop.options["remote"]["password"] = "wrong-one"
        with pytest.raises(ConnectorError) as raised:
            drop.load()
    assert "the server refuses this user with this password or key" in str(raised.value)
    assert "What was loaded before stays." in str(raised.value)
    assert "wrong-one" not in str(raised.value)
    assert drop.sql("SELECT count(*) FROM raw.contacts") == [(2,)]


@pytest.mark.parametrize(
    ("path", "change", "sentence"),
    [
        (None, {"host_key": None}, "if its administrator says that this is right, set it as remote.host_key"),
        (None, {"host_key": "{stranger}"}, "It shows 'ssh-ed25519 "),
        (None, {"key_file": "{stranger_file}"}, "the server refuses this user with this password or key"),
        (None, {"key_file": "/nowhere"}, "the key file is not there; correct remote.key_file"),
        ("sftp://me@127.0.0.1:1/x", {}, "no SFTP server answers on 127.0.0.1:1; correct host and port in path"),
        ("sftp://me@no-such-host.invalid/x", {}, "the host no-such-host.invalid is not known; correct it in path"),
        ("{path}/nowhere", {}, "there is no such folder; correct path or let the other side make it"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_sftp_is_told(
    home: Home, drop: Any, sshd: tuple[int, Path], path: str | None, change: dict[str, Any], sentence: str
) -> None:
    keys = sshd[1]
    known = {"stranger": (keys / "stranger.pub").read_text(), "stranger_file": str(keys / "stranger")}
    changed = {name: value.format(**known) if value else None for name, value in change.items()}
    remote = {name: value for name, value in {**home.options["remote"], **changed}.items() if value}
    drop.options = {"path": (path or "{path}").format(path=home.options["path"]), "remote": remote}
    (told,) = CONNECTOR.connect(drop.source)  # type: ignore[misc]
    assert sentence in told
    with pytest.raises(ConnectorError):
        drop.load()


@pytest.mark.parametrize(
    ("path", "change", "sentence"),
    [
        ("s3://nobucket/x", {}, "there is no such bucket; correct path"),
        (None, {"endpoint": "http://127.0.0.1:1"}, "the service does not answer; correct remote.endpoint"),
        (None, {"access_key": "stranger"}, "the access key is not known there; correct remote.access_key in .env"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_s3_is_told(
    bucket: Bucket, drop: Any, moto: tuple[Any, str], path: str | None, change: dict[str, Any], sentence: str
) -> None:
    bucket.put("contacts.csv", A)
    remote = {**bucket.options["remote"], **change}
    drop.options = {"path": path or bucket.options["path"], "remote": remote}
    with _keys_checked(moto[1], "access_key" in change):
        (told,) = CONNECTOR.connect(drop.source)  # type: ignore[misc]
    assert sentence in told
    assert "demo-secret" not in told


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"path": "ftp://h/x"}, "path is a folder, or begins with s3:// or sftp://"),
        ({"path": "in", "remote": {"region": "x"}}, "remote is for a path that begins with s3:// or sftp://"),
        ({"path": "s3://b", "remote": {"password": "hush"}}, "remote.password means nothing for s3://; remove it"),
        ({"path": "s3://b", "remote": {"access_key": "hush"}}, "remote needs access_key and secret_key, or neither"),
        ({"path": "sftp://host/x"}, "path names no user; write it like sftp://user@host/folder"),
        ({"path": "s3://b", "remote": {"pasword": "hush"}}, "remote.pasword is not an option of the files connector"),
        ({"path": "s3://b", "remote": {"endpoint": "http://h/x"}}, "remote.endpoint: String should match pattern"),
    ],
)  # fmt: skip
def test_each_mistake_in_the_options_is_one_sentence(options: dict[str, Any], sentence: str) -> None:
    source = Source(name="crm", connector="files", root=Path("/company"), options=options)
    (told,) = CONNECTOR.problems(source)
    assert sentence in told
    assert "hush" not in told


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes the names of the files that are fetched."""
    fetch, names = remote_module._fetch, []

    def noted(remote: Any, file: Any, target: Path, out: Any) -> None:
        names.append(file.name)
        fetch(remote, file, target, out)

    monkeypatch.setattr(remote_module, "_fetch", noted)
    return names


@contextmanager
def _keys_checked(endpoint: str, wanted: bool) -> Iterator[None]:
    """Has moto check keys, of which it then knows none."""
    if wanted:
        _tell_moto(endpoint, 0)
    try:
        yield
    finally:
        _tell_moto(endpoint, float("inf"))


def _tell_moto(endpoint: str, unchecked: float) -> None:
    plain = {"Content-Type": "text/plain"}
    url = f"{endpoint}/moto-api/reset-auth"
    urllib.request.urlopen(urllib.request.Request(url, str(unchecked).encode(), plain, method="POST"))


@contextmanager
def _password_server(folder: Path, user: str, password: str) -> Iterator[tuple[int, str]]:
    import asyncssh

    class Door(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, given: str) -> bool:
            return (username, given) == (user, password)

    key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> Any:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Door, server_host_keys=[key],
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(folder).encode()),
        )  # fmt: skip

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield server.get_port(), key.export_public_key().decode()
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _another_second(there: There) -> None:
    """S3 tells times to the second; files of the other side are given theirs."""
    if isinstance(there, Bucket):
        time.sleep(1.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until_it_listens(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")
