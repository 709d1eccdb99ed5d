"""The simulated server over real sockets on loopback, every wait bounded."""

from __future__ import annotations

import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dtcpos.dtc import (
    Encoding,
    HistoricalOrderFillResponse,
    HistoricalOrderFillsRequest,
    Logoff,
    OrderUpdate,
    PositionUpdate,
    UserMessage,
)
from dtcpos.errors import CannotConnect, RemoteProtocolError, UsageError
from dtcpos.sim import SimulatedServer, demo_dialogue, parse_dialogue, read_dialogue
from tests.sim.client import TERMS, SocketClient, sync_requests

FIXTURES = Path(__file__).parents[2] / "fixtures"
# Linger for no time at all: closing then resets the line. Windows has shorts in this struct.
RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
CERTIFICATE = FIXTURES / "tls" / "localhost.pem"


def dialogue_of(script: str, *, terms: str = "start logon") -> str:
    return f"{TERMS}\n{terms}\n--\n{script}"


@contextmanager
def serving(script: str = "", *, terms: str = "start logon", **options: object) -> Iterator[SimulatedServer]:
    with SimulatedServer(parse_dialogue(dialogue_of(script, terms=terms)), **options) as server:  # type: ignore[arg-type]
        yield server


@pytest.mark.parametrize("negotiate", [True, False])
@pytest.mark.parametrize("encoding", Encoding)
def test_a_session_in_every_encoding(encoding: Encoding, negotiate: bool) -> None:
    """S1: logon, questions, a live fill, over a socket."""
    fixed = None if negotiate else encoding
    with (
        serving("wait 0.05\nfill Sim1 BUY 1 MESZ26-CME @ 5050.25 id E-1", fixed_encoding=fixed) as server,
        SocketClient(server, encoding=encoding, negotiate=negotiate) as client,
    ):
        client.until(lambda: client.all(PositionUpdate))
        (fill,) = client.all(OrderUpdate)
        assert (fill.LastFillExecutionID, fill.LastFillPrice) == ("E-1", 5050.25)
        assert abs(fill.LastFillDateTime / 1000 - time.time()) < 60
        history = HistoricalOrderFillsRequest(RequestID=1, TradeAccount="Sim1", NumberOfDays=1)
        assert isinstance(client.ask(history)[0], HistoricalOrderFillResponse)


@pytest.mark.parametrize("path", sorted((FIXTURES / "dialogues").glob("*.txt")), ids=lambda path: path.stem)
def test_dialogues_of_the_fixtures_play_to_their_end(path: Path) -> None:
    """Every dialogue can be performed, also those that drop their client on the way."""
    with SimulatedServer(read_dialogue(path), speed=100) as server:
        for _ in range(10):
            with SocketClient(server) as client:
                client.until(lambda client=client: server.performance.is_over or client.lost)  # type: ignore[misc]
        assert server.performance.is_over
        assert list(server.venue.accounts) == [a.name for a in server.dialogue.accounts]


def test_the_demo_plays_to_its_end() -> None:
    """U5: dropped once, found again, logged off for good, and the server ends by itself."""
    with SimulatedServer(demo_dialogue(), speed=50) as server:
        with SocketClient(server) as client:
            client.until(lambda: client.lost)
        with SocketClient(server) as client:
            for request in sync_requests("120005"):
                client.ask(request)
            missed = [f.UniqueExecutionID for f in client.all(HistoricalOrderFillResponse)]
            assert "21105928.94071" in missed
            client.until(lambda: client.lost)
            assert client.all(Logoff) == [Logoff(Reason="demo finished", DoNotReconnect=1)]
        assert server.venue.holding("120005", "MESZ26-CME").signed_quantity == -1
        assert server.venue.holding("Sim1", "MNQZ26-CME").signed_quantity == 2


def test_several_clients_hear_the_same() -> None:
    """Each in its own encoding, each until it goes."""
    with serving() as server:
        clients = [SocketClient(server, encoding=encoding) for encoding in Encoding]
        server.perform("fill Sim1 BUY 1 MESZ26-CME @ 5050.25 id E-1")
        for client in clients:
            client.until(lambda client=client: client.all(PositionUpdate))  # type: ignore[misc]
        assert len({tuple(client.all(OrderUpdate)) for client in clients}) == 1
        clients.pop().socket.close()
        server.perform("say still here")
        for client in clients:
            client.until(lambda client=client: client.all(UserMessage))  # type: ignore[misc]
            client.socket.close()


def test_a_line_may_be_performed_from_outside() -> None:
    """A test is the script: what cannot be meant comes back as the error it is."""
    with serving() as server:
        server.perform("fill Sim1 BUY 2 MESZ26-CME @ 5050")
        assert server.venue.holding("Sim1", "MESZ26-CME").signed_quantity == 2
        with pytest.raises(UsageError, match="unknown account 'Sim9'"):
            server.perform("fill Sim9 BUY 2 MESZ26-CME @ 5050")
    with pytest.raises(UsageError, match="the server is not running"):
        server.perform("restate")


@pytest.mark.parametrize("line", ["drop", "cut 7", "garbage 01000000", "logoff bye", "stop bye"])
def test_a_closed_line_delivers_its_last_words(line: str) -> None:
    """S4, S5: what was sent before the end arrives before the end, even if the client is talking."""
    with serving() as server, SocketClient(server) as client:
        client.socket.sendall(b"\x10\x00\x03\x00" + bytes(12))
        server.perform("fill Sim1 BUY 1 MESZ26-CME @ 5050 id E-1")
        server.perform(line)
        if line.startswith("cut"):
            server.perform("say this is cut")
        if line.startswith("garbage"):
            with pytest.raises(RemoteProtocolError):
                client.until(lambda: client.lost)
        else:
            client.until(lambda: client.lost)
        assert [update.LastFillExecutionID for update in client.all(OrderUpdate)] == ["E-1"]


def test_silence_over_a_socket_is_a_line_that_stays_open() -> None:
    """S3: half open: what is sent there is taken, and nothing comes back."""
    with serving("silent") as server, SocketClient(server) as client:
        server.perform("say nothing")
        client.socket.sendall(b"\x10\x00\x03\x00" + bytes(12))
        client.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            while client.socket.recv(65536):
                pass


def test_tls() -> None:
    """The same session through TLS with a given certificate; a client without TLS is turned away."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    with serving("say secret", tls=context) as server:
        with SocketClient(server, tls=trusting) as client:
            client.until(lambda: client.all(UserMessage))
            server.perform("burst 2000 Sim1 MESZ26-CME @ 5050")
            client.until(lambda: len(client.all(PositionUpdate)) == 2000)
            server.perform("logoff bye")
            client.until(lambda: client.lost)
            assert client.all(Logoff) == [Logoff(Reason="bye")]
        with SocketClient(server) as plain:
            assert plain.lost
            assert not plain.heard


def test_a_client_that_does_not_read_holds_the_script_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """S5: memory is bounded, and when it reads again nothing is missing."""
    monkeypatch.setattr("dtcpos.sim.server._UNSENT_OCTETS_MAX", 256 * 1024)
    with serving("burst 12000 Sim1 MESZ26-CME @ 5050") as server, SocketClient(server) as client:
        waited_until = time.monotonic() + 5
        while not server._is_held_up():
            assert time.monotonic() < waited_until
        assert not server.performance.is_over
        client.until(lambda: len(client.heard) >= 24_000, patience_s=30)
        assert len({update.LastFillExecutionID for update in client.all(OrderUpdate)}) == 12_000


def test_a_client_that_resets_the_line_does_no_harm() -> None:
    """The server goes on for the others."""
    with serving() as server:
        with SocketClient(server) as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        server.perform("burst 50 Sim1 MESZ26-CME @ 5050")
        with SocketClient(server) as other:
            assert other.is_logged_on


def test_a_client_that_stays_after_the_end_is_left() -> None:
    """Who does not close after our last word is not waited for longer than half a second."""
    with serving("stop bye") as server, SocketClient(server) as client:
        assert server._thread is not None
        server._thread.join(3)
        assert not server._thread.is_alive()
        client.until(lambda: client.lost)
        assert client.all(Logoff)


def test_shutting_down_is_quick_and_leaves_nothing() -> None:
    """A `with` block ends within a second, whoever is connected and whatever the script waits for."""
    threads = threading.active_count()
    started = time.monotonic()
    with serving("wait 3600") as server, SocketClient(server):
        assert threading.active_count() == threads + 1
        server.stop()
    server.stop()
    assert time.monotonic() - started < 3
    assert threading.active_count() == threads
    with pytest.raises(OSError, match=r"refused|timed out"):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)


def test_a_port_in_use_is_told_with_a_remedy() -> None:
    """Exit 3: the address, the reason, and what to do."""
    with serving() as server, pytest.raises(CannotConnect, match=rf"127\.0\.0\.1:{server.port}.*another port"):
        SimulatedServer(server.dialogue, port=server.port)


def test_serve_forever_says_where_and_ends_with_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    """`simulate` prints its address first; `stop` in the script ends it."""
    server = SimulatedServer(parse_dialogue("start connect\n--\nwait 0.05\nstop"))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with SocketClient(server) as client:
        client.until(lambda: client.lost)
    thread.join(3)
    assert not thread.is_alive()
    assert capsys.readouterr().out == f"listening on {server.address}\n"
    assert server.address == f"127.0.0.1:{server.port}"
