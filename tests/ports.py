"""Ports of this machine behind which anything may answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Answer = Callable[[socket.socket], object]


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Give every client in turn to a function, and hang up when it is done; yields the address."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)

        def serve() -> None:
            while not over.is_set():
                try:
                    client, _ = listener.accept()
                except TimeoutError:
                    continue
                with client:
                    client.settimeout(5)
                    try:
                        answer(client)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join(10)


def saying(octets: bytes) -> Answer:
    """Say something once the client has spoken."""

    def answer(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(octets)

    return answer


def echo(client: socket.socket) -> None:
    """Send back whatever comes."""
    while received := client.recv(4096):
        client.sendall(received)


def silence(client: socket.socket) -> None:
    """Listen until the client has had enough."""
    while client.recv(4096):
        pass
