"""Servers that send away, say nothing, do not read, or are not there: what the client does until they are."""

from __future__ import annotations

import itertools
import random
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from dtcpos.client import Address, Follower, address_of, following
from dtcpos.dtc import Encoding, HistoricalOrderFillResponse, HistoricalOrderFillsRequest
from dtcpos.errors import CannotConnect
from dtcpos.keeper import PositionKeeper
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import PositionRepository
from dtcpos.updates import FillUpdate, SessionUpdate, SyncedUpdate, Update
from tests.network.proxy import Fault, Proxy, faults_of
from tests.network.scene import TERMS, Clock, Scene, trading
from tests.sim.client import SocketClient

CONDUCT = (
    "no-answer all",
    "no-answer positions",
    "no-answer history",
    "no-answer accounts",
    "reject all",
    "reject history",
    "reject positions",
    "cut-batch history after 1",
    "cut-batch history after 1 stay",
    "cut-batch positions after 1",
    "cut-batch positions after 1 stay",
    "silent",
)


class Trip:
    """A client that follows until told to stop, or for so many clock seconds; what it was told, and when."""

    def __init__(self, path: Path, clock: Clock, address: Address) -> None:
        self.path, self.clock, self.address = path, clock, address
        self.told: list[tuple[float, Update]] = []

    def run(self, is_done: Callable[[], bool], *, patience_s: float = 4_000.0, **options: object) -> Trip:
        give_up_at = self.clock.time() + patience_s
        with PositionRepository.open(self.path) as repository:
            keeper = options.pop("keeper", PositionKeeper)(repository, server="trip")  # type: ignore[operator]
            with following(keeper):
                Follower(
                    keeper=keeper,
                    address=self.address,
                    publish=lambda updates: self.told.extend((self.clock.time(), update) for update in updates),
                    should_stop=lambda: is_done() or self.clock.time() > give_up_at,
                    clock=self.clock.time,
                    random=random.Random(1),
                    **options,  # type: ignore[arg-type]
                ).run()
        assert self.clock.time() <= give_up_at, [update for _, update in self.told[-10:]]
        return self

    def states(self, word: str) -> list[tuple[float, SessionUpdate]]:
        return [(at, each) for at, each in self.told if isinstance(each, SessionUpdate) and each.state == word]

    def told_sessions(self) -> list[tuple[float, SessionUpdate]]:
        return [(at, each) for at, each in self.told if isinstance(each, SessionUpdate)]

    @property
    def is_synced(self) -> bool:
        return any(isinstance(each, SyncedUpdate) for _, each in self.told)


def serving(clock: Clock, text: str = TERMS) -> SimulatedServer:
    return SimulatedServer(parse_dialogue(text, name="server"), clock=clock.time)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize("seed", range(4))
def test_a_server_that_answers_in_part_or_not_at_all_changes_nothing(tmp_path: Path, clock: Clock, seed: int) -> None:
    """N11: unanswered, rejected and cut questions close nothing; once answered, all is true and verified."""
    chance = random.Random(seed)
    script = trading(chance, 12)
    for line in chance.sample(CONDUCT, 4):
        script.insert(chance.randrange(len(script)), line)
    script.append("answer all")
    faults = list(faults_of(chance, 2, kinds=["rst", "fin", "half-open"]))
    Scene(tmp_path / "l.db", clock, seed=seed, faults=faults, script=script, patience_s=10.0).play()


def test_a_circle_of_addresses_is_walked_once_and_begun_again_after_a_pause(tmp_path: Path, clock: Clock) -> None:
    """S4: a server that sends to itself is not asked in a tight loop, and let in as soon as it relents."""
    with serving(clock) as server, Proxy(server.port) as proxy:
        server.perform(f"reconnect-to 127.0.0.1:{proxy.port}")
        trip = Trip(tmp_path / "l.db", clock, Address(port=proxy.port))
        asked: list[int] = []

        def is_done() -> bool:
            if len(trip.states("waiting")) > len(asked):
                asked.append(proxy.connections)
                if len(asked) == 3:
                    server.perform("admit")
            return trip.is_synced

        trip.run(is_done)
    assert asked == [6, 12, 18]
    pauses = [at for at, _ in trip.states("waiting")]
    assert len(pauses) == 3


def test_an_address_that_leads_nowhere_does_not_keep_us_from_the_first(tmp_path: Path, clock: Clock) -> None:
    """S4: sent to where nobody listens, the client goes back to the address a person gave."""
    with serving(clock) as server:
        server.perform(f"reconnect-to 127.0.0.1:{closed_port()}")
        trip = Trip(tmp_path / "l.db", clock, Address(port=server.port))

        def is_done() -> bool:
            if trip.states("waiting"):
                server.perform("admit")
            return trip.is_synced

        trip.run(is_done)


@pytest.mark.parametrize(
    "host", ["a..b", "a" * 64 + ".com", ".", "ü" * 300, "x" * 100_000, "two\nlines", "nul\0", "\ud800", "a b\tc"]
)
def test_a_name_that_can_be_no_host_is_refused_in_a_short_line(host: str) -> None:
    """S4, U4: named, with the remedy, before anything is tried; the resolver's own error would end in a traceback."""
    with pytest.raises(CannotConnect, match="is no host: write a name") as told:
        address_of(host, default=Address())
    assert len(str(told.value)) < 200


def test_a_server_that_sends_us_to_no_host_ends_the_run_in_one_line(tmp_path: Path, clock: Clock) -> None:
    """S4: an address nobody can connect to is not followed."""
    with serving(clock, "account Sim1\nreconnect-to a..b:11099\n") as server:
        trip = Trip(tmp_path / "l.db", clock, Address(port=server.port))
        with pytest.raises(CannotConnect, match=r"'a\.\.b' is no host"):
            trip.run(lambda: False)


@pytest.mark.parametrize("port", ["9" * 5_000, "٣٣", "-1", "+5", " 5", "1e3"])
def test_a_port_of_any_characters_is_refused_in_a_short_line(port: str) -> None:
    """U4: also one of more digits than an integer may be read from."""
    with pytest.raises(CannotConnect, match="is no address: write host or host:port") as told:
        address_of(f"host:{port}", default=Address())
    assert len(str(told.value)) < 200


def test_a_name_that_does_not_resolve_is_tried_again_until_it_does(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3: the resolver is down as a line is down."""
    real, asked = socket.getaddrinfo, itertools.count(1)

    def resolve(host: str, *rest: object, **options: object) -> object:
        if host == "trading-pc.invalid":
            if next(asked) < 4:
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            host = "127.0.0.1"
        return real(host, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    with serving(clock) as server:
        trip = Trip(tmp_path / "l.db", clock, Address(host="trading-pc.invalid", port=server.port))
        trip.run(lambda: trip.is_synced)
        assert len(trip.states("waiting")) == 3
        assert "Temporary failure in name resolution" in trip.states("waiting")[0][1].reason


def test_a_name_nobody_knows_is_said_with_the_name(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S4: with --once the run ends with exit 3 and names the address and the fault."""

    def resolve(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    trip = Trip(tmp_path / "l.db", clock, Address(host="nobody.invalid", port=11099))
    with pytest.raises(CannotConnect, match=r"cannot reach nobody.invalid:11099: Name or service not known"):
        trip.run(lambda: False, once=True, timeout_s=1.0)


def test_pauses_grow_also_after_a_session_that_was_good(tmp_path: Path, clock: Clock) -> None:
    """S3: a server that was there in the morning is not asked twice a second all night."""
    server = serving(clock)
    with server:
        trip = Trip(tmp_path / "l.db", clock, Address(port=server.port))

        def is_done() -> bool:
            if trip.is_synced:
                server.stop()
            return len(trip.states("waiting")) >= 9

        trip.run(is_done)
    times = [at for at, _ in trip.states("waiting")]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[-1] >= 14


def test_the_first_encoding_is_asked_for_until_a_server_has_heard_it(tmp_path: Path, clock: Clock) -> None:
    """S1: encodings are tried in turn with a server, not with an address where nobody is."""
    port = closed_port()
    trip = Trip(tmp_path / "l.db", clock, Address(port=port))
    servers: list[SimulatedServer] = []

    def is_done() -> bool:
        if trip.states("waiting") and not servers:
            servers.append(SimulatedServer(parse_dialogue(TERMS, name="late"), port=port, clock=clock.time).__enter__())
        return trip.is_synced

    try:
        trip.run(is_done, encodings=[(Encoding.VLS, True), (Encoding.JSON, False)])
    finally:
        for server in servers:
            server.__exit__(None, None, None)
    assert {each.encoding for _, each in trip.states("ready")} == {"vls"}


AUTO = [(Encoding.BINARY, True), *((each, False) for each in (Encoding.JSON, *Encoding))]


@pytest.mark.parametrize("count", range(1, 7))
def test_a_server_that_hangs_up_at_once_does_not_make_us_misread_it(tmp_path: Path, clock: Clock, count: int) -> None:
    """S3, S5: while a server starts it may reset what it accepts; a wrong guess at its encoding is not its fault."""
    faults = [Fault(kind="rst-at-once")] * count
    with serving(clock) as server, Proxy(server.port, faults) as proxy:
        trip = Trip(tmp_path / "l.db", clock, Address(port=proxy.port))
        trip.run(lambda: trip.is_synced, encodings=AUTO)


def test_an_encoding_that_worked_is_not_given_up_for_a_guess(tmp_path: Path, clock: Clock) -> None:
    """S1, S3: after a session in order the next begins the same way, whatever happens in between."""
    faults = [Fault(kind="rst", after=1 << 30), *[Fault(kind="rst-at-once")] * 3]
    with serving(clock) as server, Proxy(server.port, faults) as proxy:
        trip = Trip(tmp_path / "l.db", clock, Address(port=proxy.port))

        def is_done() -> bool:
            if trip.is_synced and proxy.connections == 1:
                proxy.strike_all()
            return len(trip.states("ready")) == 2

        trip.run(is_done, encodings=AUTO)
    assert {each.encoding for _, each in trip.told_sessions()} <= {"binary", ""}


class Verbose(PositionKeeper):
    """A keeper that owes its server more than any buffer holds."""

    def data_to_send(self) -> bytes:
        return super().data_to_send() + bytes(64 * 1024 * 1024)


def test_a_server_that_does_not_read_is_a_lost_line(tmp_path: Path, clock: Clock) -> None:
    """S3: a full send buffer is waited for, not for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        trip = Trip(tmp_path / "l.db", clock, Address(port=listener.getsockname()[1]))
        with pytest.raises(CannotConnect, match="timed out"):
            trip.run(lambda: False, once=True, timeout_s=1.0, keeper=Verbose)


def test_two_clients_of_one_server_keep_two_ledgers(tmp_path: Path, clock: Clock) -> None:
    """N3: another connection, also one that hangs half-open, takes nothing from ours."""
    with serving(clock) as server, Proxy(server.port, faults_of(random.Random(5), 3, kinds=["ghost"])) as proxy:
        trips = [Trip(tmp_path / f"{number}.db", clock, Address(port=proxy.port)) for number in range(2)]
        for trip in trips:
            trip.run(lambda trip=trip: proxy.is_exhausted and trip.is_synced)  # type: ignore[misc]
    for trip in trips:
        assert sorted(each.fill.execution_id for _, each in trip.told if isinstance(each, FillUpdate)) == [
            "H-1",
            "H-2",
            "H-3",
            "H-4",
        ]


def test_a_client_that_asks_and_does_not_read_is_not_answered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """S5: the simulated server keeps a bounded amount of answers; what more was asked waits, and is answered then."""
    monkeypatch.setattr("dtcpos.sim.server._UNSENT_OCTETS_MAX", 100_000)
    dialogue = parse_dialogue(f"{TERMS}\nhistory-burst 400 Sim1 MES @ 5000", name="server")
    with SimulatedServer(dialogue) as server, SocketClient(server) as client:
        for number in range(60):
            client.connection.send(HistoricalOrderFillsRequest(RequestID=number, TradeAccount="Sim1", NumberOfDays=9))
        client.socket.sendall(client.connection.data_to_send())
        # The first answer is there, so the others, of 11 MB, would have been made as well.
        client.until(lambda: client.all(HistoricalOrderFillResponse))
        assert max(line.unsent for line in tuple(server._lines)) < 1_000_000
        client.until(lambda: len(client.all(HistoricalOrderFillResponse)) >= 60 * 401, patience_s=60)
