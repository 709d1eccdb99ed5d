"""An HTTP server on 127.0.0.1 that remembers what it was sent and answers as it is told."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, **headers: str) -> Answer:
    """Answer with a status, these headers and a short body."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        body = b"never mind"
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


class Web:
    """A server; `answers` are used up one by one, then `usual` is the answer."""

    def __init__(self, *answers: Answer, usual: Answer | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.answers, self.usual = list(answers), usual or status(200)
        self.bodies: list[Any] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.connections = 0
        self.released = threading.Event()
        web = self

        class Request(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                web.connections += 1
                super().setup()

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                web.bodies.append(json.loads(sent))
                web.requests.append((self.path, dict(self.headers)))
                answer = web.answers.pop(0) if web.answers else web.usual
                with suppress(OSError):
                    answer(self)

            def handle(self) -> None:
                with suppress(OSError):
                    super().handle()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}/hook/SECRET?token=SECRET"

    def __enter__(self) -> Web:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def hang(self, _request: BaseHTTPRequestHandler) -> None:
        """Answer nothing until the server is closed."""
        self.released.wait(60)

    def trickle(self, request: BaseHTTPRequestHandler) -> None:
        """Answer with a first line that never ends, a letter now and then."""
        request.wfile.write(b"HTTP/1.1 200 O")
        while not self.released.wait(0.02):
            request.wfile.write(b"K")


def garbage(request: BaseHTTPRequestHandler) -> None:
    """Answer with what is no HTTP."""
    request.wfile.write(b"SSH-2.0-OpenSSH\r\n")
    request.close_connection = True


def close(request: BaseHTTPRequestHandler) -> None:
    """Close the connection without a word."""
    request.close_connection = True
    request.connection.shutdown(socket.SHUT_RDWR)


def answer_and_close(request: BaseHTTPRequestHandler) -> None:
    """Answer well, and then close without having said so, as a server does with an idle connection."""
    status(200)(request)
    request.wfile.flush()
    request.close_connection = True


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
