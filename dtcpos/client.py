"""The blocking socket loop around a keeper: connect, read, write, wake in time, reconnect.

With the simulator's server the only place that touches a socket, and with the command line the only one that asks the
clock. One thread; every read is handed to the keeper, and its updates to the caller, before the next.
"""

from __future__ import annotations

import itertools
import random
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from attrs import field, frozen

from dtcpos.dtc import Encoding, State
from dtcpos.errors import CannotConnect, RemoteProtocolError, UsageError
from dtcpos.keeper import PositionKeeper
from dtcpos.updates import AlertUpdate, SessionUpdate, Update

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 11099

# One read takes whatever has come, so that a backlog is committed in few large groups.
_READ_SIZE = 256 * 1024
_CONNECT_TIMEOUT_S = 10.0
_BACKOFF_S_MIN = 0.5
_BACKOFF_S_MAX = 30.0
_ADDRESSES_FOLLOWED_MAX = 5
_IDLE_WAIT_S = 1.0

Clock = Callable[[], float]
Publish = Callable[[list[Update]], None]


@frozen(kw_only=True)
class Address:
    """Where a server listens; `tls` is the context to speak TLS with, None for plain TCP."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        """Return the address as a person writes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(text: str, *, default: Address) -> Address:
    """Read `host`, `host:port` or `[v6]:port`; what is missing comes from `default`.

    Raises CannotConnect naming the text if the port is no port.
    """
    host, port_text = text.strip(), ""
    if host.startswith("["):
        host, _, port_text = host[1:].partition("]")
        port_text = port_text.removeprefix(":")
    elif host.count(":") == 1:
        host, _, port_text = host.partition(":")
    if port_text and not (port_text.isdecimal() and 0 < int(port_text) < 1 << 16):
        raise CannotConnect(f"{text!r} is no address: write host or host:port, with a port from 1 to 65535")
    port = int(port_text) if port_text else default.port
    return Address(host=host or default.host, port=port, tls=default.tls)


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return a context that checks the server's certificate, against `ca_file` where one is given."""
    return ssl.create_default_context(cafile=ca_file)


@frozen(kw_only=True)
class Follower:
    """Follow a server with a keeper until told to stop.

    `publish` gets every list of updates, already durable. `should_stop` is asked between reads. With `once` the
    session ends as soon as it is synced, and a connection that cannot be made or is lost is tried again for
    `timeout_s` seconds only. `capture` names a file for a copy of every byte received; later sessions get names of
    their own, `name.2`, because each begins its encoding anew. `encodings` are tried in turn, each with
    whether to ask for it or to take the server as fixed to it, until one leads to a logon.
    """

    keeper: PositionKeeper
    address: Address
    publish: Publish
    should_stop: Callable[[], bool] = lambda: False
    once: bool = False
    timeout_s: float = 60.0
    capture: Path | None = None
    encodings: Sequence[tuple[Encoding, bool]] = ((Encoding.BINARY, True),)
    clock: Clock = time.time
    random: random.Random = field(factory=random.Random)

    def run(self) -> None:
        """Connect, and again after every loss with growing pauses, until stopped, synced or sent away.

        Raises CannotConnect, LogonRefused, ConnectionLost or RemoteProtocolError where the run ends without being
        asked to, and any LedgerError.
        """
        # Before anything is connected: a second follower must be refused even while no server answers.
        self.keeper.claim(now=self.clock())
        give_up_at = self.clock() + self.timeout_s if self.once else None
        address, followed, attempts = self.address, 0, 0
        manners = itertools.cycle(self.encodings)
        sessions = itertools.count(1)
        encoding, negotiate = next(manners)
        while not self.should_stop():
            self.keeper.speak(encoding, negotiate=negotiate)
            try:
                lost_because = self._session(address, number=next(sessions), give_up_at=give_up_at)
            except OSError as error:
                lost_because = f"cannot reach {address}: {_words(error)}"
            if lost_because is None:
                return
            if self.keeper.failure is not None:
                raise self.keeper.failure
            if self.keeper.reconnect_address and followed < _ADDRESSES_FOLLOWED_MAX:
                followed += 1
                address = address_of(self.keeper.reconnect_address, default=address)
                continue
            if self.keeper.has_logged_on:
                attempts = 0
            else:
                attempts += 1
                encoding, negotiate = next(manners)
            self._pause(lost_because, address, attempts, give_up_at)

    def _pause(self, lost_because: str, address: Address, attempts: int, give_up_at: float | None) -> None:
        """Wait before the next attempt, or give up if there is no time left for one."""
        ceiling = min(_BACKOFF_S_MAX, _BACKOFF_S_MIN * 2 ** min(attempts, 10))
        pause_s = self.random.uniform(ceiling / 2, ceiling)
        now = self.clock()
        if give_up_at is not None and now + pause_s >= give_up_at:
            remedy = f"is Sierra Chart running, with its DTC server enabled on port {address.port}?"
            raise CannotConnect(f"{lost_because}; {remedy}")
        self.publish([SessionUpdate(state="waiting", server=str(address), reason=lost_because)])
        while (left := now + pause_s - self.clock()) > 0 and not self.should_stop():
            time.sleep(min(left, 0.1))

    def _session(self, address: Address, *, number: int, give_up_at: float | None) -> str | None:
        """Run one connection to its end; None if it ended because we wanted it to, else why it was lost."""
        with (
            closing(_connected(address)) as peer,
            selectors.DefaultSelector() as selector,
            self._captured(number) as capture,
        ):
            selector.register(peer, selectors.EVENT_READ)
            self.publish(self.keeper.start(now=self.clock()))
            try:
                while not self._is_over():
                    if give_up_at is not None and not self.keeper.has_logged_on and self.clock() >= give_up_at:
                        return f"{address} did not let us log on within {self.timeout_s:g} s"
                    self._send(peer)
                    self._receive(peer, selector, capture)
                if self.keeper.state in (State.CLOSED, State.FAILED):
                    return self._lost_reason()
                self.publish(self.keeper.stop(now=self.clock()))
                self._send(peer)
                return None
            except OSError as error:
                self.publish(self.keeper.receive_data(b"", now=self.clock()))
                return f"connection to {address} lost: {_words(error)}"

    def _is_over(self) -> bool:
        keeper = self.keeper
        is_done = self.once and keeper.is_synced
        return is_done or keeper.state in (State.CLOSED, State.FAILED) or self.should_stop()

    def _send(self, peer: socket.socket) -> None:
        owed = self.keeper.data_to_send()
        if owed:
            peer.sendall(owed)

    def _captured(self, number: int) -> AbstractContextManager[BinaryIO | None]:
        if self.capture is None:
            return nullcontext()
        path = self.capture if number == 1 else self.capture.with_name(f"{self.capture.name}.{number}")
        try:
            # Unbuffered: what led to a crash is what the capture is wanted for.
            return path.open("wb", buffering=0)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {_words(error)}; choose another --capture") from error

    def _receive(self, peer: socket.socket, selector: selectors.BaseSelector, capture: BinaryIO | None) -> None:
        now, deadline = self.clock(), self.keeper.next_deadline()
        wait_s = _IDLE_WAIT_S if deadline is None else min(max(deadline - now, 0.0), _IDLE_WAIT_S)
        has_pending = isinstance(peer, ssl.SSLSocket) and peer.pending() > 0
        if has_pending or selector.select(wait_s):
            try:
                received = peer.recv(_READ_SIZE)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, TimeoutError):
                received = None
            if received is not None:
                self.publish(self.keeper.receive_data(received, now=self.clock()))
                if capture is not None and not capture.closed:
                    self._record(capture, received)
        now = self.clock()
        deadline = self.keeper.next_deadline()
        if deadline is not None and now >= deadline:
            self.publish(self.keeper.tick(now=now))

    def _record(self, capture: BinaryIO, received: bytes) -> None:
        """Write to the capture; a disk that has no room for it is no reason to stop keeping the ledger."""
        try:
            capture.write(received)
        except OSError as error:
            capture.close()
            text = f"the capture ends here, {_words(error)}; the ledger is kept all the same"
            self.publish([AlertUpdate(kind="capture", text=text)])

    def _lost_reason(self) -> str:
        failure = self.keeper.failure
        if isinstance(failure, RemoteProtocolError):
            return str(failure)
        return self.keeper.lost_because or "the connection was lost"


def _connected(address: Address) -> socket.socket:
    plain = socket.create_connection((address.host, address.port), timeout=_CONNECT_TIMEOUT_S)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.tls is None:
            return plain
        return address.tls.wrap_socket(plain, server_hostname=address.host)
    except BaseException:
        plain.close()
        raise


def _words(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


@contextmanager
def following(keeper: PositionKeeper) -> Iterator[PositionKeeper]:
    """Give the ledger's lock back however the following ends."""
    try:
        yield keeper
    finally:
        keeper.stop(now=time.time())
