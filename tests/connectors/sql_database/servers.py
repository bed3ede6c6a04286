"""Real servers on loopback, started from Debian's programs, and a company that reads from one."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from connectors.base import LoadReport, Source
from connectors.load import load
from tests.absent import mend_by_package, skip_without

HERE = Path(__file__).parent
PASSWORD = "s3cret/@:?#'\\ %41"


@dataclass
class Server:
    """A database server of our own; `run` gives its own command-line client a script."""

    port: int
    client: list[str]
    certificate: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, script: str, database: str | None = None) -> str:
        done = subprocess.run(
            [*self.client, *([database] if database else [])],
            input=script, text=True, capture_output=True, env={**os.environ, **self.environment}, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@dataclass
class Shop:
    """A company folder with one database for a source; loads it and looks at what landed."""

    root: Path
    options: dict[str, Any]
    server: Server | None = None
    database: str = ""

    @property
    def source(self) -> Source:
        return Source(name="shop", connector="sql_database", root=self.root, options=self.options)

    @property
    def raw_file(self) -> Path:
        return self.root / "raw" / "shop.duckdb"

    def change(self, script: str) -> str:
        assert self.server is not None
        return self.server.run(script, self.database)

    def load(self) -> LoadReport:
        return load(self.source, raw_dir=self.root / "raw", wait_seconds=1)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.raw_file), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(statement).fetchall()

    def types(self, table: str) -> dict[str, str]:
        return {row[0]: row[1] for row in self.sql(f"DESCRIBE raw.{table}")}

    def state(self) -> tuple[int, int]:
        """Size and time of the raw file: the same as long as nobody wrote to it."""
        stat = self.raw_file.stat()
        return stat.st_size, stat.st_mtime_ns

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything in the raw file that does not tell when it was loaded, as text."""
        own = "('_loaded_at', '_deleted_at', 'seen_at', 'first_seen_at')"
        return {
            name: self.sql(f"SELECT COLUMNS(c -> c NOT IN {own})::VARCHAR FROM raw.{name} ORDER BY ALL")
            for name in self._tables()
        }

    def live(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows that are not deleted, as text, with their columns by name."""
        out = {}
        for name in self._tables():
            if not name.startswith("_"):
                columns = ", ".join(f'"{one}"::VARCHAR' for one in sorted(self.types(name)) if not one.startswith("_"))
                out[name] = self.sql(f"SELECT {columns} FROM raw.{name} WHERE NOT _is_deleted ORDER BY ALL")
        return out

    def _tables(self) -> list[str]:
        names = self.sql("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'raw' ORDER BY 1")
        return [name for (name,) in names if not name.startswith("_dlt")]


def found(report: LoadReport, kind: str) -> list[str]:
    """The details of a report's findings of a kind."""
    return [one.detail for one in report.findings if one.kind == kind]


@contextmanager
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server of Debian's package, with TLS; tests that need it are skipped, and say so, without one."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not binaries:
        skip_without("PostgreSQL", untested="reading a PostgreSQL database", mend=mend_by_package("postgresql"))
    binary, port = binaries[-1].parent, _free_port()
    with _folder_of("postgres") as (folder, user):
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        _as(user, binary / "initdb", "-D", folder / "data", "-U", "owner", f"--pwfile={secret}",
            "-A", "scram-sha-256", "-E", "UTF8", "--locale=C")  # fmt: skip
        _certify(user, folder)
        settings = {
            "listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "fsync": "off", "ssl": "on",
            "ssl_cert_file": folder / "server.pem", "ssl_key_file": folder / "server.key",
        }  # fmt: skip
        given = " ".join(f"-c {name}={value}" for name, value in {"port": port, **settings}.items())
        _as(user, binary / "pg_ctl", "-D", folder / "data", "-o", given, "-l", folder / "log", "-w", "start")
        client = [
            binary / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", port, "-U",
                "owner",
        ]  # fmt: skip
        try:
            yield Server(port, [*map(str, client), "-d"], folder / "server.pem", {"PGPASSWORD": PASSWORD})
        finally:
            _as(user, binary / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")


@contextmanager
def mariadb(*, has_tls: bool) -> Iterator[Server]:
    daemon, install = shutil.which("mariadbd", path="/usr/sbin:/usr/bin"), shutil.which("mariadb-install-db")
    if not daemon or not install:
        skip_without("mariadbd", untested="reading a MySQL database", mend=mend_by_package("mariadb-server"))
    port = _free_port()
    with _folder_of("mysql") as (folder, user):
        data = folder / "data"
        _as(
            user,
            install,
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )
        settings = [
            "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1", "--skip-log-bin",
            f"--socket={folder / 'sock'}", f"--pid-file={folder / 'pid'}", "--innodb-flush-log-at-trx-commit=0",
        ]  # fmt: skip
        if has_tls:
            _certify(user, folder)
            settings += [f"--ssl-cert={folder / 'server.pem'}", f"--ssl-key={folder / 'server.key'}"]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([daemon, *settings], cwd=folder, user=user, **quiet)
        client = [
            "mariadb",
            "--no-defaults",
            f"--socket={folder / 'sock'}",
            "-uroot",
            "-N",
            "--default-character-set=utf8mb4",
        ]
        server = Server(port, client, folder / "server.pem")
        try:
            _until_it_answers(server, process)
            yield server
        finally:
            process.kill()
            process.wait()


def _certify(user: int | None, folder: Path) -> None:
    """Makes a certificate for 127.0.0.1 that only those who are given it can trust."""
    _as(user, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "server.key",
        "-out", folder / "server.pem")  # fmt: skip
    (folder / "server.key").chmod(0o600)


def _until_it_answers(server: Server, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert process.poll() is None, "mariadbd ended"
        asked = subprocess.run([*server.client, "-e", "SELECT 1"], capture_output=True, check=False)
        if asked.returncode == 0:
            return
        time.sleep(0.1)
    raise AssertionError("mariadbd does not answer")


@contextmanager
def _folder_of(account: str) -> Iterator[tuple[Path, int | None]]:
    """A folder that the server's account may write to: servers refuse to run as root."""
    folder = Path(tempfile.mkdtemp(prefix=f"millpond-{account}-"))
    user = None
    if os.geteuid() == 0:
        user = pwd.getpwnam(account).pw_uid
        os.chown(folder, user, -1)
    try:
        yield folder, user
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as(user: int | None, *command: object) -> None:
    done = subprocess.run(
        [str(one) for one in command], user=user, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
