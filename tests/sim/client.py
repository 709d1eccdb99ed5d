"""A client for the tests of the simulator: dtc's own client half, in memory or over a socket."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import TypeVar

from dtcpos.dtc import (
    Closed,
    Connection,
    CurrentPositionsRequest,
    Encoding,
    HistoricalOrderFillsRequest,
    LogonRequest,
    Message,
    OpenOrdersRequest,
    Role,
    Skipped,
    State,
    TradeAccountsRequest,
)
from dtcpos.sim import Performance, SimulatedServer, VenueSession, parse_dialogue

M = TypeVar("M", bound=Message)
NOON = 1_795_867_200.0

TERMS = """
account 120005
account Sim1
symbol MESZ26-CME tick 0.25 value 1.25
symbol MNQZ26-CME tick 0.25 value 0.50
"""


class Client:
    """What both clients share: a connection, everything it heard, and whether the line is down."""

    def __init__(self, *, encoding: Encoding, negotiate: bool = True, interval_s: int = 10) -> None:
        logon = LogonRequest(HeartbeatIntervalInSeconds=interval_s, ClientName="test", Username="u", Password="p")
        self.connection = Connection(
            Role.CLIENT, encoding=encoding, negotiate=negotiate, logon=logon, heartbeat_interval_s=interval_s
        )
        self.heard: list[Message] = []
        self.skipped: list[Skipped] = []
        self.lost = ""

    def take(self, received: bytes, now: float) -> None:
        self.connection.receive_data(received, now)
        self.read()

    def read(self) -> None:
        for event in self.connection.events():
            if isinstance(event, Message):
                self.heard.append(event)
            elif isinstance(event, Closed):
                self.lost = event.reason
            else:
                self.skipped.append(event)

    def all(self, kind: type[M]) -> list[M]:
        return [message for message in self.heard if isinstance(message, kind)]

    @property
    def is_logged_on(self) -> bool:
        return self.connection.state in (State.SYNCING, State.READY)


class Room:
    """A performance in memory, a clock that only the test moves, and clients without a socket."""

    def __init__(self, script: str = "", *, terms: str = TERMS, speed: float = 1.0) -> None:
        self.now = NOON
        dialogue = parse_dialogue(f"{terms}\n--\n{script}", name="test")
        self.performance = Performance(dialogue, now=self.now, speed=speed)
        self.clients: list[MemoryClient] = []

    def connect(self, encoding: Encoding = Encoding.BINARY, **options: bool) -> MemoryClient:
        client = MemoryClient(self, encoding=encoding, **options)
        self.clients.append(client)
        self.exchange()
        return client

    def exchange(self) -> None:
        """Let bytes go both ways until nobody has anything to say."""
        while any([client.exchange() for client in self.clients]):
            pass

    def wait(self, seconds: float) -> None:
        """Let time pass, stopping at every deadline of every session."""
        until = self.now + seconds
        while True:
            dues = [due for client in self.clients if (due := client.deadline()) is not None]
            self.now = max(self.now, min([*dues, until]))
            for client in self.clients:
                client.session.tick(self.now)
                if not client.is_frozen:
                    client.connection.tick(self.now)
                    client.read()
            self.exchange()
            if self.now >= until and not any(due <= until for due in dues):
                return

    def perform(self, text: str) -> None:
        self.performance.perform(text, self.now)
        self.exchange()


class MemoryClient(Client):
    def __init__(self, room: Room, *, encoding: Encoding, negotiate: bool = True) -> None:
        super().__init__(encoding=encoding, negotiate=negotiate)
        self.room = room
        self.octets = bytearray()
        self.is_frozen = False
        fixed = None if negotiate else encoding
        self.session = VenueSession(room.performance, fixed_encoding=fixed)
        self.session.start(room.now)
        self.connection.start(room.now)

    def deadline(self) -> float | None:
        dues = [self.session.next_deadline(), None if self.is_frozen else self.connection.next_deadline()]
        return min((due for due in dues if due is not None), default=None)

    def exchange(self) -> bool:
        sent = b"" if self.is_frozen else self.connection.data_to_send()
        if sent:
            self.session.receive_data(sent, self.room.now)
        received = self.session.data_to_send()
        self.octets += received
        if received:
            self.take(received, self.room.now)
        if self.session.closed and self.connection.state not in (State.CLOSED, State.FAILED):
            self.take(b"", self.room.now)
        return bool(sent or received)

    def ask(self, request: Message) -> list[Message]:
        before = len(self.heard)
        self.connection.send(request)
        self.room.exchange()
        return self.heard[before:]

    def synchronise(self, account: str = "Sim1") -> list[Message]:
        return [answer for request in sync_requests(account) for answer in self.ask(request)]


class SocketClient(Client):
    """A client over a real socket, every wait of it bounded."""

    def __init__(
        self,
        server: SimulatedServer,
        *,
        encoding: Encoding = Encoding.BINARY,
        negotiate: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(encoding=encoding, negotiate=negotiate)
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.connection.start(time.time())
        self.until(lambda: self.is_logged_on or self.lost != "")

    def __enter__(self) -> SocketClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def until(self, condition: Callable[[], object], *, patience_s: float = 5.0) -> None:
        deadline = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline, f"nothing came in {patience_s} s: {self.heard[-3:]}"
            self.socket.sendall(self.connection.data_to_send())
            if condition():
                return
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                received = self.socket.recv(65536)
            except ConnectionResetError:
                received = b""
            self.take(received, time.time())

    def ask(self, request: Message, count: int = 1) -> list[Message]:
        before = len(self.heard)
        self.connection.send(request)
        self.until(lambda: len(self.heard) >= before + count)
        return self.heard[before:]


def sync_requests(account: str) -> list[Message]:
    return [
        TradeAccountsRequest(RequestID=1),
        HistoricalOrderFillsRequest(RequestID=2, TradeAccount=account, NumberOfDays=30),
        CurrentPositionsRequest(RequestID=3, TradeAccount=account),
        OpenOrdersRequest(RequestID=4, TradeAccount=account),
    ]
