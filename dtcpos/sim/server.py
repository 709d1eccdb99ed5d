"""A simulated server on loopback: sockets and the clock around a performance.

One thread serves every client; the pure parts decide everything. `with SimulatedServer(dialogue) as server:` runs it
beside a test, `serve_forever` is what `dtcpos simulate` does.
"""

from __future__ import annotations

import queue
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from dtcpos.dtc import Encoding
from dtcpos.errors import CannotConnect, UsageError
from dtcpos.sim.performance import Performance
from dtcpos.sim.session import VenueSession
from dtcpos.sim.steps import Dialogue
from dtcpos.sim.venue import Venue

HOST = "127.0.0.1"
_CHUNK_OCTETS = 256 * 1024
# A client that does not read holds the script up rather than filling the memory.
_UNSENT_OCTETS_MAX = 8 * 1024 * 1024
# An answer may be thousands of times as long as its request.
_REQUESTS_OCTETS = 256
# So many steps between two looks at the sockets: a burst must not keep an answer waiting.
_STEPS_MAX = 256
# How long a closed line waits for the client to take what was sent; a line just closed may lose its last words.
_LINGER_S = 0.5
_SHUTDOWN_S = 1.0
_IDLE_S = 1.0


class SimulatedServer:
    """A DTC server on 127.0.0.1 that performs a dialogue.

    `port` 0 takes a free one. `fixed_encoding` and `speed` are those of VenueSession and Performance; `tls` is a server
    context with its certificate loaded. `clock` gives Unix time.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        *,
        port: int = 0,
        fixed_encoding: Encoding | None = None,
        speed: float = 1.0,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.dialogue = dialogue
        self._clock = clock or time.time
        self.performance = Performance(dialogue, now=self._clock(), speed=speed)
        self.sessions: list[VenueSession] = []
        self._fixed_encoding = fixed_encoding
        self._tls = tls
        self._lines: list[_Line] = []
        self._orders: queue.SimpleQueue[tuple[str, Future[None]]] = queue.SimpleQueue()
        self._is_stopping = False
        self._thread: threading.Thread | None = None
        self._listener = _listen(port)
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self.port: int = self._listener.getsockname()[1]

    @property
    def address(self) -> str:
        """Where the server listens, as `127.0.0.1:PORT`."""
        return f"{HOST}:{self.port}"

    @property
    def venue(self) -> Venue:
        """The state of the venue; read it while nothing happens there."""
        return self.performance.venue

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve, name="dtcpos-simulator", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        assert self._thread is not None
        self._thread.join(_SHUTDOWN_S)

    def serve_forever(self) -> None:
        """Print the address, then serve in this thread until the dialogue says stop or `stop` is called."""
        print(f"listening on {self.address}", flush=True)
        self._serve()

    def stop(self) -> None:
        """Close every line and end; safe from any thread and from a signal, and again after the end."""
        self._is_stopping = True
        self._wake_up()

    def perform(self, text: str) -> None:
        """Perform one line of a script at once, and return when it is done; UsageError where it cannot be meant."""
        if self._thread is None or not self._thread.is_alive():
            raise UsageError(f"cannot perform {text!r}: the server is not running, use it in a `with` statement")
        done: Future[None] = Future()
        self._orders.put((text, done))
        self._wake_up()
        done.result(timeout=10)

    def _wake_up(self) -> None:
        try:
            self._waker.send(b"\0")
        except OSError:
            # The server has ended already, and nobody is left to be woken.
            return

    def _serve(self) -> None:
        try:
            while not self._is_stopping:
                for key, events in self._selector.select(self._patience()):
                    self._attend(key, events)
                self._advance()
                if self.performance.is_finished:
                    self._stop_listening()
                    if not self._lines:
                        break
        finally:
            self._end()

    def _attend(self, key: selectors.SelectorKey, events: int) -> None:
        if isinstance(key.data, _Line):
            key.data.attend(events, self._clock())
        elif key.fileobj is self._listener:
            self._accept()
        else:
            self._wake.recv(_CHUNK_OCTETS)

    def _advance(self) -> None:
        """Let time pass: orders from outside, the script, heartbeats, and whatever is to be written."""
        while not self._orders.empty():
            text, done = self._orders.get()
            try:
                self.performance.perform(text, self._clock())
            except UsageError as error:
                done.set_exception(error)
            else:
                done.set_result(None)
        if not self._is_held_up():
            self.performance.tick(self._clock(), steps_max=_STEPS_MAX)
        for line in tuple(self._lines):
            line.advance(self._clock())
            if line.is_over:
                self._lines.remove(line)

    def _is_held_up(self) -> bool:
        return any(line.unsent > _UNSENT_OCTETS_MAX for line in self._lines)

    def _patience(self) -> float:
        now = self._clock()
        dues = [due for line in self._lines if (due := line.deadline()) is not None]
        script_due = self.performance.next_deadline()
        if script_due is not None and not self._is_held_up():
            dues.append(script_due)
        # The clock may be set while we wait: never wait long in one go.
        return max(0.0, min([*(due - now for due in dues), _IDLE_S]))

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            # The client has gone again before we came to it.
            return
        try:
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        except OSError:
            client.close()
            return
        session = VenueSession(self.performance, fixed_encoding=self._fixed_encoding)
        session.start(self._clock())
        self.sessions.append(session)
        self._lines.append(_Line(client, session, self._selector))

    def _stop_listening(self) -> None:
        if self._listener.fileno() >= 0:
            self._selector.unregister(self._listener)
            self._listener.close()

    def _end(self) -> None:
        for line in self._lines:
            line.close()
        self._lines.clear()
        while not self._orders.empty():
            text, done = self._orders.get()
            done.set_exception(UsageError(f"cannot perform {text!r}: the server has ended"))
        self._stop_listening()
        self._selector.unregister(self._wake)
        self._selector.close()
        self._wake.close()
        self._waker.close()


class _Line:
    """One client's socket, the session behind it, and what is not written yet."""

    def __init__(self, client: socket.socket, session: VenueSession, selector: selectors.BaseSelector) -> None:
        self.session = session
        self.is_over = False
        self._client = client
        self._selector = selector
        self._unsent = bytearray()
        self._unread = bytearray()
        self._mask = selectors.EVENT_READ
        self._over_at: float | None = None
        self._is_shut = False
        selector.register(client, self._mask, self)

    @property
    def unsent(self) -> int:
        """Number of bytes that wait to be written."""
        return len(self._unsent)

    def deadline(self) -> float | None:
        """Return when `advance` wants to be called next."""
        if self._unread and not self._is_full and not self.is_over:
            # At once, but after the others have had their turn.
            return 0.0
        return self.session.line_deadline() if self._over_at is None else self._over_at

    def attend(self, events: int, now: float) -> None:
        """Read what has come and write what can go."""
        if events & selectors.EVENT_READ and not self.is_over:
            self._read(now)
        self.advance(now)

    def advance(self, now: float) -> None:
        """Do what has fallen due, write, and end the line once the session has ended and its last word is out."""
        if self.is_over:
            return
        self.session.beat(now)
        self._unsent += self.session.data_to_send()
        self._take(now)
        self._flush()
        if not self.session.closed:
            return
        if self._over_at is None:
            self._over_at = now + _LINGER_S
        # Closing with bytes unread would reset the line and take our last words back: say the end and wait for theirs.
        if not self._unsent and not self._is_shut and not self.is_over:
            self._is_shut = True
            self._shut()
        if now >= self._over_at:
            self.close()

    def close(self) -> None:
        """Close the socket now."""
        if not self.is_over:
            self.is_over = True
            self._selector.unregister(self._client)
            self._client.close()

    def _read(self, now: float) -> None:
        try:
            received = self._client.recv(_CHUNK_OCTETS)
            # TLS may hold decrypted bytes that no selector knows of.
            while received and isinstance(self._client, ssl.SSLSocket) and self._client.pending():
                received += self._client.recv(_CHUNK_OCTETS)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            received = b""
        self._unread += received
        self._take(now)
        if not received:
            self.session.receive_data(b"", now)
            self.close()

    def _take(self, now: float) -> None:
        """Answer what was read, a few requests at a time; who does not read his answers has to wait for more."""
        while self._unread and not self._is_full:
            received = bytes(self._unread[:_REQUESTS_OCTETS])
            del self._unread[:_REQUESTS_OCTETS]
            self.session.receive_data(received, now)
            self._unsent += self.session.data_to_send()

    @property
    def _is_full(self) -> bool:
        return len(self._unsent) > _UNSENT_OCTETS_MAX

    def _flush(self) -> None:
        while self._unsent and not self.is_over:
            try:
                with memoryview(self._unsent) as unsent:
                    sent = self._client.send(unsent[:_CHUNK_OCTETS])
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            except OSError:
                self.session.receive_data(b"", 0.0)
                self.close()
                return
            del self._unsent[:sent]
        mask = (0 if self._is_full else selectors.EVENT_READ) | (selectors.EVENT_WRITE if self._unsent else 0)
        if not self.is_over and mask != self._mask:
            self._mask = mask
            self._selector.modify(self._client, mask, self)

    def _shut(self) -> None:
        try:
            self._client.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # On Windows the option means that two may share the port, which is the opposite of what is wanted.
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise CannotConnect(
            f"cannot listen on {HOST}:{port}: {error.strerror or error}: choose another port, or 0 for a free one"
        ) from error
    listener.setblocking(False)
    return listener
