"""The blocking socket loop around a keeper: connect, read, write, wake in time, reconnect.

With the simulator's server the only place that touches a socket, and with the command line the only one that asks the
clock. One thread; every read is handed to the keeper, and its updates to the caller, before the next.
"""

from __future__ import annotations

import gc
import itertools
import random
import re
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path

from attrs import define, field, frozen

from dtcpos.blotting import BlottedFile
from dtcpos.dtc import Encoding, State
from dtcpos.errors import CannotConnect, RemoteProtocolError, UsageError
from dtcpos.keeper import PositionKeeper
from dtcpos.updates import AlertUpdate, SessionUpdate, Update

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 11099

# One read takes whatever has come, so that a backlog is committed in few large groups: among 5,800 a fill takes 0.93 of
# the time it takes among 1,400, and 0.84 of that among 360. So many are booked in a fifth of a second.
_READ_SIZE = 4 * 1024 * 1024
_COLLECT_S = 60.0
_CONNECT_TIMEOUT_S = 10.0
_BACKOFF_S_MIN = 0.5
_BACKOFF_S_MAX = 30.0
_ADDRESSES_FOLLOWED_MAX = 5
_PROVEN_ATTEMPTS = 5
_IDLE_WAIT_S = 1.0
_NAP_S = 0.1
# Less than any heartbeat has to be on time; a clock that is corrected gently never goes back at all.
_SET_BACK_S = 2.0
_PORT = re.compile(r"[0-9]{1,5}")
# A name of the domain name system is no longer (RFC 1035, 2.3.4).
_HOST_LENGTH_MAX = 255
_SHOWN_MAX = 80

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

    Raises CannotConnect naming the text if the port is no port or the host no name.
    """
    host, port_text = text.strip(), ""
    if host.startswith("["):
        host, _, port_text = host[1:].partition("]")
        port_text = port_text.removeprefix(":")
    elif host.count(":") == 1:
        host, _, port_text = host.partition(":")
    if port_text and not (_PORT.fullmatch(port_text) and 0 < int(port_text) < 1 << 16):
        raise CannotConnect(f"{_cut(text)} is no address: write host or host:port, with a port from 1 to 65535")
    port = int(port_text) if port_text else default.port
    host = host or default.host
    if not _is_host(host):
        raise CannotConnect(f"{_cut(host)} is no host: write a name or an address such as 127.0.0.1")
    return Address(host=host, port=port, tls=default.tls)


def _is_host(host: str) -> bool:
    if not host.isprintable():
        return False
    try:
        if ":" in host:
            # An address of IPv6 may name its interface; whatever else has colons, such as a URL, is no host.
            return bool(socket.inet_pton(socket.AF_INET6, host.partition("%")[0]))
        # What the resolver does first, and fails with an error of its own kind.
        return len(host) <= _HOST_LENGTH_MAX and bool(host.encode("idna")) and "/" not in host
    except (UnicodeError, OSError):
        return False


def _cut(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…")


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return a context that checks the server's certificate, against `ca_file` where one is given."""
    return ssl.create_default_context(cafile=ca_file)


@define
class _Manner:
    """How a server is spoken to: the first way is what the documentation says, those behind it are guesses."""

    encodings: Sequence[tuple[Encoding, bool]]
    place: int = 0
    is_proven: bool = False

    @property
    def encoding(self) -> Encoding:
        return self.encodings[self.place][0]

    @property
    def negotiate(self) -> bool:
        return self.encodings[self.place][1]

    def explains(self, keeper: PositionKeeper) -> bool:
        """Whether what went wrong may be our own doing: a server misread because we guessed how it speaks."""
        return self.place > 0 and not keeper.has_logged_on and isinstance(keeper.failure, RemoteProtocolError)

    def failed(self, attempts: int) -> None:
        """Take the next way; one that led to a logon before is given up only after several attempts."""
        if not self.is_proven or attempts > _PROVEN_ATTEMPTS:
            self.place = (self.place + 1) % len(self.encodings)
            self.is_proven = False


class _Garbage:
    """Garbage in circles, looked for once a minute and not by itself.

    The nouns of a backlog make none, and looking for it among them takes a seventh of the time of booking them.
    """

    def __init__(self) -> None:
        self._was_on = False
        self._due_at = 0.0

    def __enter__(self) -> None:
        self._was_on = gc.isenabled()
        gc.disable()
        self._due_at = time.monotonic() + _COLLECT_S

    def __exit__(self, *_: object) -> None:
        if self._was_on:
            gc.enable()

    def collect(self) -> None:
        """Look for it, if that is due."""
        if time.monotonic() >= self._due_at:
            gc.collect()
            self._due_at = time.monotonic() + _COLLECT_S


@frozen(kw_only=True)
class Follower:
    """Follow a server with a keeper until told to stop.

    `publish` gets every list of updates, already durable. `should_stop` is asked between reads. With `once` the
    session ends as soon as it is synced, and a connection that cannot be made or is lost is tried again for
    `timeout_s` seconds only. `capture` names a file for a copy of every byte received; later sessions get names of
    their own, `name.2`, because each begins its encoding anew, and a `secret` that the server quotes is blotted out.
    `encodings` are tried in turn, each with whether to ask for it or to take the server as fixed to it, until one leads
    to a logon.
    """

    keeper: PositionKeeper
    address: Address
    publish: Publish
    should_stop: Callable[[], bool] = lambda: False
    once: bool = False
    timeout_s: float = 60.0
    capture: Path | None = None
    secret: str = field(default="", repr=False)
    encodings: Sequence[tuple[Encoding, bool]] = ((Encoding.BINARY, True),)
    clock: Clock = field(factory=lambda: time.time)
    random: random.Random = field(factory=random.Random)
    _garbage: _Garbage = field(factory=_Garbage, init=False)

    def run(self) -> None:
        """Connect, and again after every loss with growing pauses, until stopped, synced or sent away.

        Raises CannotConnect, LogonRefused, ConnectionLost or RemoteProtocolError where the run ends without being
        asked to, and any LedgerError.
        """
        # Before anything is connected: a second follower must be refused even while no server answers.
        self.keeper.claim(now=self.clock())
        with self._garbage:
            self._follow()

    def _follow(self) -> None:
        give_up_at = time.monotonic() + self.timeout_s if self.once else None
        address, followed, attempts = self.address, 0, 0
        lost_because: str | None
        manner = _Manner(self.encodings)
        sessions = itertools.count(1)
        while not self.should_stop():
            self.keeper.speak(manner.encoding, negotiate=manner.negotiate)
            try:
                peer = _connected(address, timeout_s=_CONNECT_TIMEOUT_S)
            except OSError as error:
                # What the keeper knows is of an earlier session, and the server has not heard us speak at all.
                lost_because = f"cannot reach {address}: {_words(error)}"
                attempts += 1
                self._pause(lost_because, address, attempts, give_up_at)
                address, followed = self.address, 0
                continue
            lost_because = self._session(peer, address, number=next(sessions), give_up_at=give_up_at)
            if lost_because is None:
                return
            if self.keeper.failure is not None and not manner.explains(self.keeper):
                raise self.keeper.failure
            if self.keeper.reconnect_address and followed < _ADDRESSES_FOLLOWED_MAX:
                followed += 1
                address = address_of(self.keeper.reconnect_address, default=address)
                continue
            # Whoever is sent round in a circle begins it again at the address a person gave, and not at once.
            followed = 0
            was_at = address
            if self.keeper.has_logged_on:
                attempts, manner.is_proven = 0, True
            else:
                attempts += 1
                address = self.address
                manner.failed(attempts)
            self._pause(lost_because, was_at, attempts, give_up_at)

    def _pause(self, lost_because: str, address: Address, attempts: int, give_up_at: float | None) -> None:
        """Wait before the next attempt, or give up if there is no time left for one."""
        ceiling = min(_BACKOFF_S_MAX, _BACKOFF_S_MIN * 2 ** min(attempts, 10))
        pause_s = self.random.uniform(ceiling / 2, ceiling)
        if give_up_at is not None and time.monotonic() + pause_s >= give_up_at:
            remedy = f"is Sierra Chart running, with its DTC server enabled on port {address.port}?"
            raise CannotConnect(f"{lost_because}; {remedy}")
        self.publish([SessionUpdate(state="waiting", server=str(address), reason=lost_because)])
        # Counted and not read off the clock, which may be set meanwhile.
        while pause_s > 0 and not self.should_stop():
            time.sleep(min(pause_s, _NAP_S))
            pause_s -= _NAP_S

    def _session(
        self, connected: socket.socket, address: Address, *, number: int, give_up_at: float | None
    ) -> str | None:
        """Run one connection to its end; None if it ended because we wanted it to, else why it was lost."""
        with (
            closing(connected) as peer,
            selectors.DefaultSelector() as selector,
            self._captured(number) as capture,
        ):
            selector.register(peer, selectors.EVENT_READ)
            self.publish(self.keeper.start(now=self.clock()))
            try:
                now = self.clock()
                while not self._is_over():
                    if give_up_at is not None and not self.keeper.has_logged_on and time.monotonic() >= give_up_at:
                        return f"{address} did not let us log on within {self.timeout_s:g} s"
                    self._send(peer)
                    self._receive(peer, selector, capture)
                    before, now = now, self.clock()
                    if before - now > _SET_BACK_S and not self._is_over():
                        # Whatever is due would be due that much later; a new session counts from the new time.
                        self.publish(self.keeper.receive_data(b"", now=now))
                        return f"the clock was set back by {before - now:.0f} s"
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

    def _captured(self, number: int) -> AbstractContextManager[BlottedFile | None]:
        if self.capture is None:
            return nullcontext()
        path = self.capture if number == 1 else self.capture.with_name(f"{self.capture.name}.{number}")
        try:
            # Unbuffered: what led to a crash is what the capture is wanted for.
            return BlottedFile(path.open("wb", buffering=0), self.secret)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {_words(error)}; choose another --capture") from error

    def _receive(self, peer: socket.socket, selector: selectors.BaseSelector, capture: BlottedFile | None) -> None:
        now, deadline = self.clock(), self.keeper.next_deadline()
        wait_s = _IDLE_WAIT_S if deadline is None else min(max(deadline - now, 0.0), _IDLE_WAIT_S)
        self._hear(peer, selector, capture, wait_s)
        now, deadline = self.clock(), self.keeper.next_deadline()
        if deadline is not None and now >= deadline:
            # What came while we were busy is heard before a peer is called silent or a question unanswered.
            self._hear(peer, selector, capture, 0.0)
            self.publish(self.keeper.tick(now=now))
        self._garbage.collect()

    def _hear(
        self, peer: socket.socket, selector: selectors.BaseSelector, capture: BlottedFile | None, wait_s: float
    ) -> None:
        has_pending = isinstance(peer, ssl.SSLSocket) and peer.pending() > 0
        if not has_pending and not selector.select(wait_s):
            return
        try:
            received = _received(peer)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, TimeoutError):
            return
        self.publish(self.keeper.receive_data(received, now=self.clock()))
        if capture is not None and not capture.closed:
            self._record(capture, received)

    def _record(self, capture: BlottedFile, received: bytes) -> None:
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


class Line:
    """A socket to a server for a conversation with somebody who wants to know how it goes; every wait is bounded.

    Raises OSError, of which the failures of TLS are a part, from opening it and from every use.
    """

    def __init__(self, address: Address, *, timeout_s: float) -> None:
        self._peer = _connected(address, timeout_s=timeout_s)

    def send(self, owed: bytes) -> None:
        """Write all of it."""
        if owed:
            self._peer.sendall(owed)

    def receive(self, wait_s: float) -> bytes | None:
        """Return what has come, b"" at the end of the stream, None if nothing came in so many seconds."""
        self._peer.settimeout(max(wait_s, 0.001))
        try:
            return self._peer.recv(_READ_SIZE)
        except (TimeoutError, ssl.SSLWantReadError):
            return None

    def close(self) -> None:
        """End the connection."""
        self._peer.close()


def is_unknown_host(error: OSError) -> bool:
    """Return whether a connection failed because nobody knows the server's name."""
    return isinstance(error, socket.gaierror)


def _connected(address: Address, *, timeout_s: float = _CONNECT_TIMEOUT_S) -> socket.socket:
    plain = socket.create_connection((address.host, address.port), timeout=timeout_s)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.tls is None:
            return plain
        return address.tls.wrap_socket(plain, server_hostname=address.host)
    except BaseException:
        plain.close()
        raise


def _received(peer: socket.socket) -> bytes:
    if not isinstance(peer, ssl.SSLSocket):
        return peer.recv(_READ_SIZE)
    # What is there may be a part of a record. Waiting for its rest would hold up heartbeats and a wish to stop.
    peer.setblocking(False)
    try:
        return peer.recv(_READ_SIZE)
    finally:
        peer.settimeout(_CONNECT_TIMEOUT_S)


def _words(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


@contextmanager
def following(keeper: PositionKeeper) -> Iterator[PositionKeeper]:
    """Give the ledger's lock back however the following ends."""
    try:
        yield keeper
    finally:
        keeper.stop(now=time.time())
