"""An HTTP server on loopback that answers as it is told, down to headers that no sound server would send."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Said:
    """One answer, sent as it stands; `length` is the Content-Length that it claims."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None


@dataclass
class Server:
    """Answers every request with what `answer` makes of its path and parameters; counts them."""

    url: str
    answer: Callable[[str, dict[str, str]], Said] = lambda path, params: Said(b"[]")
    asked: list[str] = field(default_factory=list)


@contextmanager
def answering() -> Iterator[Server]:
    """Serves while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.asked.append(self.path)
            parts = urlsplit(self.path)
            said = server.answer(parts.path, dict(parse_qsl(parts.query)))
            self.send_response_only(said.status)
            self.send_header("Content-Length", str(len(said.body) if said.length is None else said.length))
            for name, value in said.headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body)
            self.close_connection = said.length is not None

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server = Server(f"http://127.0.0.1:{http.server_address[1]}")
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
