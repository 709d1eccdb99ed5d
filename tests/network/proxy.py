"""A line that misbehaves: a proxy on loopback between a client and a server, one fault for every connection.

One thread, plain sockets. What a connection will suffer is decided beforehand, in bytes and not in seconds, by a
`Fault`; when all faults are used up the proxy only passes bytes on.
"""

from __future__ import annotations

import queue
import random
import selectors
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

from attrs import define, evolve, field, frozen

HOST = "127.0.0.1"
# Linger for no time at all: closing then resets the line. Windows has shorts in this struct.
RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
CHUNK = 64 * 1024
TURN_S = 0.001
# How long nobody listens after a refusal.
AWAY_S = 0.02

# What ends or spoils a connection once `after` bytes have gone in `direction`.
CUTS = ("fin", "rst", "fin-server", "ghost", "half-open", "deaf", "dumb", "half-close", "half-close-server")
# What a client meets instead of a connection.
DOORS = ("slam", "rst-at-once", "refuse", "nothing")
# How bytes are passed on.
MANNERS = ("whole", "bytes", "pieces", "hold", "late", "slow")


@frozen(kw_only=True)
class Fault:
    """What one connection suffers: `kind` of CUTS, DOORS or "none", and how bytes go down (to the client) and up."""

    kind: str = "none"
    direction: str = "down"
    after: int = 0
    down: str = "whole"
    up: str = "whole"


def faults_of(chance: random.Random, count: int, *, kinds: Iterable[str] = (*CUTS, *DOORS)) -> Iterator[Fault]:
    """Yield faults drawn from a seeded source; the bytes before a cut reach from none to a whole synchronisation."""
    kinds = tuple(kinds)
    for _ in range(count):
        yield Fault(
            kind=chance.choice(kinds),
            direction=chance.choice(("down", "down", "up")),
            after=chance.randrange(chance.choice((1, 20, 60, 400, 3_000, 12_000))),
            down=chance.choice(MANNERS),
            up=chance.choice(MANNERS),
        )


@define
class _Way:
    """One direction of a connection: what waits, how it is passed on, whether it has ended at the source."""

    manner: str
    waiting: bytearray = field(factory=bytearray)
    passed: int = 0
    arrived_at: float = 0.0
    release_at: float = 0.0
    is_frozen: bool = False
    is_ended: bool = False
    is_shut: bool = False


class _Wire:
    """One client, its own connection to the server, and the fault it suffers."""

    def __init__(self, client: socket.socket, server: socket.socket | None, fault: Fault) -> None:
        self.client: socket.socket | None = client
        self.server = server
        self.fault = fault
        self.ways = {"down": _Way(fault.down), "up": _Way(fault.up)}
        self.is_spoilt = False

    def ends(self, direction: str) -> tuple[socket.socket | None, socket.socket | None]:
        return (self.server, self.client) if direction == "down" else (self.client, self.server)

    @property
    def is_over(self) -> bool:
        return self.client is None and self.server is None


class Proxy:
    """Pass connections on to a port, each with the next of `faults`; `with Proxy(port, faults) as proxy:`."""

    def __init__(self, server_port: int, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self.connections = 0
        self.suffered: Counter[str] = Counter()
        self._server_port = server_port
        self._faults = iter(faults)
        self._is_out_of_faults = False
        self._chance = random.Random(seed)
        self._wires: list[_Wire] = []
        self._orders: queue.SimpleQueue[tuple[Callable[[_Wire], None], threading.Event]] = queue.SimpleQueue()
        self._is_stopping = False
        self._listen_at = 0.0
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = _listening(0)
        self.port: int = self._listener.getsockname()[1]
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="proxy", daemon=True)

    @property
    def is_exhausted(self) -> bool:
        """Whether every fault has been handed to a connection."""
        return self._is_out_of_faults

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_stopping = True
        self._thread.join(10)
        assert not self._thread.is_alive(), "the proxy does not end"

    def cut_all(self) -> None:
        """Reset every connection there is; returns when it is done."""
        self._order(lambda wire: self._close(wire, reset=True))

    def strike_all(self) -> None:
        """Let every connection suffer its fault now, wherever its bytes are; one without a fault is reset."""
        self._order(self._strike)

    def _order(self, what: Callable[[_Wire], None]) -> None:
        done = threading.Event()
        self._orders.put((what, done))
        assert done.wait(10)

    def _strike(self, wire: _Wire) -> None:
        if wire.is_spoilt or wire.fault.kind == "nothing":
            return
        if wire.fault.kind not in CUTS:
            self._close(wire, reset=True)
            return
        wire.fault = evolve(wire.fault, after=0)
        self._spoil_if_due(wire, wire.fault.direction)

    def _serve(self) -> None:
        try:
            while not self._is_stopping:
                for key, _ in self._selector.select(TURN_S):
                    if key.fileobj is self._listener:
                        self._accept()
                    else:
                        self._read(*key.data)
                while not self._orders.empty():
                    what, done = self._orders.get()
                    for wire in tuple(self._wires):
                        what(wire)
                    done.set()
                self._pass_on(time.monotonic())
        finally:
            for wire in self._wires:
                self._close(wire)
            if self._listener is not None:
                self._listener.close()
            self._selector.close()

    def _pass_on(self, now: float) -> None:
        if self._listener is None and now >= self._listen_at:
            self._listener = _listening(self.port)
            self._selector.register(self._listener, selectors.EVENT_READ)
        for wire in tuple(self._wires):
            for direction in ("down", "up"):
                self._flow(wire, direction, now)
            if wire.is_over:
                self._wires.remove(wire)

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        self.connections += 1
        fault = next(self._faults, None)
        if fault is None:
            self._is_out_of_faults = True
            fault = Fault()
        if fault.kind in DOORS:
            self.suffered[fault.kind] += 1
        if fault.kind in ("slam", "rst-at-once", "refuse"):
            if fault.kind != "slam":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
            if fault.kind == "refuse":
                self._selector.unregister(self._listener)
                self._listener.close()
                self._listener, self._listen_at = None, time.monotonic() + AWAY_S
            return
        server = None if fault.kind == "nothing" else self._reached()
        if server is None and fault.kind != "nothing":
            client.close()
            return
        wire = _Wire(client, server, fault)
        for end, direction in ((client, "up"), (server, "down")):
            if end is not None:
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._selector.register(end, selectors.EVENT_READ, (wire, direction))
        self._wires.append(wire)

    def _reached(self) -> socket.socket | None:
        try:
            return socket.create_connection((HOST, self._server_port), timeout=5)
        except OSError:
            return None

    def _read(self, wire: _Wire, direction: str) -> None:
        source, _ = wire.ends(direction)
        way = wire.ways[direction]
        if source is None or way.is_ended:
            return
        try:
            received = source.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if received:
            way.waiting += received
            way.arrived_at = time.monotonic()
            return
        way.is_ended = True
        self._selector.unregister(source)
        # A client that has gone needs no more of a line that leads nowhere.
        if direction == "up" and (way.is_frozen or wire.server is None):
            self._close(wire)

    def _flow(self, wire: _Wire, direction: str, now: float) -> None:
        way = wire.ways[direction]
        _, sink = wire.ends(direction)
        if way.is_frozen or (wire.fault.kind == "nothing"):
            way.waiting.clear()
            return
        if way.waiting and sink is not None:
            self._spoil_if_due(wire, direction)
            count = 0 if way.is_frozen or way.is_shut else self._due(way, now)
            _, sink = wire.ends(direction)
            if count and sink is not None:
                if not wire.is_spoilt and wire.fault.direction == direction and wire.fault.kind in CUTS:
                    count = min(count, max(1, wire.fault.after - way.passed))
                self._write(wire, sink, way, count)
                self._spoil_if_due(wire, direction)
        if way.is_ended and not way.is_shut and (not way.waiting or sink is None):
            way.is_shut = True
            self._close(wire) if direction == "up" or sink is None else self._shut(wire, sink)

    def _write(self, wire: _Wire, sink: socket.socket, way: _Way, count: int) -> None:
        try:
            sent = sink.send(way.waiting[:count])
        except BlockingIOError:
            return
        except OSError:
            self._close(wire)
            return
        del way.waiting[:sent]
        way.passed += sent

    def _due(self, way: _Way, now: float) -> int:
        """Return how many bytes go in this turn."""
        match way.manner:
            case "bytes" if way.passed < 2_000:
                return 1
            case "pieces":
                return self._chance.randrange(1, 50)
            case "hold":
                return len(way.waiting) if now - way.arrived_at > 0.003 or len(way.waiting) > 20_000 else 0
            case "late" | "slow":
                if now < way.release_at:
                    return 0
                way.release_at = now + self._chance.random() * 0.006
                return 1 if way.manner == "slow" and way.passed < 40 else self._chance.randrange(1, 5_000)
        return len(way.waiting)

    def _spoil_if_due(self, wire: _Wire, direction: str) -> None:
        fault = wire.fault
        if wire.is_spoilt or fault.direction != direction or wire.ways[direction].passed < fault.after:
            return
        wire.is_spoilt = True
        if fault.kind in CUTS:
            self.suffered[fault.kind] += 1
            self._spoil(wire, fault.kind)

    def _spoil(self, wire: _Wire, kind: str) -> None:
        down, up = wire.ways["down"], wire.ways["up"]
        match kind:
            case "fin" | "rst":
                self._close(wire, reset=kind == "rst")
            case "fin-server":
                # The server goes first; what it had said before still reaches the client.
                self._drop(wire, "server")
                down.is_ended = True
            case "ghost":
                # The client has gone, but the server does not know: it goes on talking to the old connection.
                self._drop(wire, "client", reset=True)
                up.is_shut = down.is_frozen = True
            case "half-open":
                down.is_frozen = up.is_frozen = True
            case "deaf" | "half-close":
                down.is_frozen = True
            case "dumb" | "half-close-server":
                up.is_frozen = True
        if kind == "half-close" and wire.client is not None:
            self._shut(wire, wire.client)
        elif kind == "half-close-server" and wire.server is not None:
            self._shut(wire, wire.server)

    def _shut(self, wire: _Wire, end: socket.socket) -> None:
        try:
            end.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(wire)

    def _drop(self, wire: _Wire, name: str, *, reset: bool = False) -> None:
        end = getattr(wire, name)
        if end is None:
            return
        setattr(wire, name, None)
        if end in self._selector.get_map():
            self._selector.unregister(end)
        if reset:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        end.close()

    def _close(self, wire: _Wire, *, reset: bool = False) -> None:
        self._drop(wire, "client", reset=reset)
        self._drop(wire, "server", reset=reset)


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen()
    listener.setblocking(False)
    return listener
