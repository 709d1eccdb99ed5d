"""The socket loop: addresses, reconnecting, captures, stopping."""

from __future__ import annotations

import itertools
import random
import socket
import threading
from pathlib import Path

import pytest

from dtcpos.client import Address, Follower, address_of, following
from dtcpos.dtc import Encoding, decode_stream
from dtcpos.errors import CannotConnect, ConnectionLost, LogonRefused
from dtcpos.keeper import PositionKeeper
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import PositionRepository
from dtcpos.updates import AlertUpdate, FillUpdate, SessionUpdate, SyncedUpdate, Update

HOME = Address(host="127.0.0.1", port=11099)

SESSION = """
account Sim1
symbol MESZ26-CME tick 0.25 value 1.25
history Sim1 BUY 1 MESZ26-CME @ 5050.25 id E-1 order 1001 ago 1h
"""


def follower(keeper: PositionKeeper, port: int, heard: list[Update], **wishes: object) -> Follower:
    facts: dict[str, object] = {"once": True, "timeout_s": 20.0} | wishes
    return Follower(
        keeper=keeper,
        address=Address(port=port),
        publish=heard.extend,
        random=random.Random(7),
        **facts,  # type: ignore[arg-type]
    )


def follow(path: Path, text: str, **wishes: object) -> tuple[list[Update], PositionKeeper]:
    heard: list[Update] = []
    with (
        SimulatedServer(parse_dialogue(text, name="test"), speed=20) as server,
        PositionRepository.open(path) as repository,
    ):
        keeper = PositionKeeper(repository, server=server.address)
        with following(keeper):
            follower(keeper, server.port, heard, **wishes).run()
    return heard, keeper


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("", "127.0.0.1", 11099),
        ("10.0.0.7", "10.0.0.7", 11099),
        ("trading-pc:11100", "trading-pc", 11100),
        (":11100", "127.0.0.1", 11100),
        ("[::1]:11100", "::1", 11100),
        ("::1", "::1", 11099),
        ("fe80::1%eth0", "fe80::1%eth0", 11099),
    ],
)
def test_addresses_are_read_as_people_write_them(text: str, host: str, port: int) -> None:
    """S4: `host:port` or `host`, what is missing taken from the address in use."""
    assert address_of(text, default=HOME) == Address(host=host, port=port)


@pytest.mark.parametrize("text", ["host:0", "host:99999", "host:x"])
def test_a_port_that_is_none_is_named(text: str) -> None:
    """U4: the error names the value and the remedy."""
    with pytest.raises(CannotConnect, match=f"'{text}' is no address: write host or host:port"):
        address_of(text, default=HOME)


@pytest.mark.parametrize("text", ["http://localhost:11099", "dtc://10.0.0.5:11099", "no such:port:9", "localhost/"])
def test_what_is_no_host_is_not_looked_up(text: str) -> None:
    """U4: copied from a browser, it is refused at once with the remedy, and not tried again for ever."""
    with pytest.raises(CannotConnect, match=f"'{text}' is no host: write a name or an address"):
        address_of(text, default=HOME)


@pytest.mark.parametrize("encoding", list(Encoding))
def test_once_syncs_and_ends(tmp_path: Path, encoding: Encoding) -> None:
    """N3: what happened while we were away is booked, in every encoding, and the run ends by itself."""
    heard, keeper = follow(tmp_path / "l.db", SESSION, encodings=[(encoding, True)])
    (fill,) = [update.fill for update in heard if isinstance(update, FillUpdate)]
    assert fill.execution_id == "E-1"
    assert any(isinstance(update, SyncedUpdate) for update in heard)
    assert [position.signed_quantity for position in keeper.positions.values()] == [1]


@pytest.mark.parametrize("encoding", [Encoding.VLS, Encoding.JSON, Encoding.JSON_COMPACT])
def test_auto_discovers_a_server_fixed_to_one_encoding(tmp_path: Path, encoding: Encoding) -> None:
    """S1: a server that speaks one encoding only is found, whatever it answers to the first question."""
    heard, _ = follow(tmp_path / "l.db", SESSION.replace("account", f"encoding {encoding.word}\naccount", 1))
    assert {update.encoding for update in heard if isinstance(update, SessionUpdate) and update.state == "ready"} == {
        encoding.word
    }


def test_a_lost_connection_is_taken_up_again(tmp_path: Path) -> None:
    """N3: the connection drops in the middle of the synchronisation; the next attempt finishes it."""
    heard, _ = follow(tmp_path / "l.db", SESSION + "start connect\n--\ndrop after 3 messages\n")
    states = [update.state for update in heard if isinstance(update, SessionUpdate)]
    assert states.count("closed") >= 2
    assert "waiting" in states
    assert len([update for update in heard if isinstance(update, FillUpdate)]) == 1


def test_a_refused_logon_ends_the_run_with_the_servers_words(tmp_path: Path) -> None:
    """S4: refused is refused."""
    with pytest.raises(LogonRefused, match="Account expired"):
        follow(tmp_path / "l.db", SESSION + 'refuse-logon "Account expired."\n')


def test_told_to_stay_away_we_stay_away(tmp_path: Path) -> None:
    """S4: a logoff with DoNotReconnect ends the run for good."""
    text = SESSION + '--\nlogoff no-reconnect "see you on Monday"\n'
    with pytest.raises(ConnectionLost, match="see you on Monday"):
        follow(tmp_path / "l.db", text, once=False)


def test_a_new_address_is_followed(tmp_path: Path) -> None:
    """S4: LOGON_RECONNECT_NEW_ADDRESS leads to another server."""
    with SimulatedServer(parse_dialogue(SESSION, name="there")) as there:
        heard, _ = follow(tmp_path / "l.db", f"account Sim1\nreconnect-to {there.address}\n")
    assert len([update for update in heard if isinstance(update, FillUpdate)]) == 1


def test_nobody_there_is_said_with_a_remedy(tmp_path: Path) -> None:
    """S4: exit 3 names the address and what to look at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with PositionRepository.open(tmp_path / "l.db") as repository:
        keeper = PositionKeeper(repository)
        with following(keeper), pytest.raises(CannotConnect, match=rf"cannot reach 127.0.0.1:{port}: .*; is Sierra"):
            follower(keeper, port, [], timeout_s=0.1).run()


def test_a_capture_decodes_to_what_was_said(tmp_path: Path) -> None:
    """S1: every byte received is in the file, each session in its own."""
    capture = tmp_path / "wire.bin"
    text = SESSION + "start connect\n--\ndrop after 3 messages\n"
    follow(tmp_path / "l.db", text, capture=capture, encodings=[(Encoding.JSON, True)])
    second = tmp_path / "wire.bin.2"
    names = [decoded.name for decoded in decode_stream([second.read_bytes()], Encoding.BINARY)]
    assert names[:2] == ["ENCODING_RESPONSE", "LOGON_RESPONSE"]
    assert "HISTORICAL_ORDER_FILL_RESPONSE" in names
    assert capture.stat().st_size > 0


def test_a_run_stops_when_asked(tmp_path: Path) -> None:
    """S3: stopping is in order: logged off, the link closed, the lock given back."""
    stop, heard = threading.Event(), []
    with (
        SimulatedServer(parse_dialogue(SESSION, name="test")) as server,
        PositionRepository.open(tmp_path / "l.db") as repository,
    ):
        keeper = PositionKeeper(repository, server=server.address)

        def publish(updates: list[Update]) -> None:
            heard.extend(updates)
            if any(isinstance(update, SyncedUpdate) for update in updates):
                stop.set()

        with following(keeper):
            Follower(keeper=keeper, address=Address(port=server.port), publish=publish, should_stop=stop.is_set).run()
        assert [link.state for link in repository.links()] == ["closed"]
    assert isinstance(heard[-1], SessionUpdate)
    assert heard[-1].reason == "stopped"


def test_pauses_grow_and_stay_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3: reconnecting goes on for ever, ever more slowly, never more than half a minute apart."""
    now = itertools.count()
    clock = [0.0]
    monkeypatch.setattr("dtcpos.client.time.sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    waits: list[float] = []

    def publish(updates: list[Update]) -> None:
        waits.extend(clock[0] for update in updates if isinstance(update, SessionUpdate) and update.state == "waiting")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with PositionRepository.open(tmp_path / "l.db") as repository:
        keeper = PositionKeeper(repository)
        with following(keeper):
            Follower(
                keeper=keeper,
                address=Address(port=port),
                publish=publish,
                should_stop=lambda: next(now) > 2000 or len(waits) > 9,
                clock=lambda: clock[0],
                random=random.Random(7),
            ).run()
    pauses = [later - earlier for earlier, later in itertools.pairwise(waits)]
    assert pauses[0] <= 2
    assert max(pauses) <= 31
    assert pauses[-1] >= 14


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_capture_without_room_does_not_stop_the_bookkeeping(tmp_path: Path) -> None:
    """N14: the capture is given up with one line; the ledger is kept."""
    heard, _ = follow(tmp_path / "l.db", SESSION, capture=Path("/dev/full"))
    assert len([update for update in heard if isinstance(update, FillUpdate)]) == 1
    assert [update.kind for update in heard if isinstance(update, AlertUpdate)].count("capture") == 1


def test_a_server_that_never_answers_is_given_up_in_time(tmp_path: Path) -> None:
    """S4: --timeout bounds the wait for a logon, whatever the peer does not say."""
    with socket.create_server(("127.0.0.1", 0)) as listener, PositionRepository.open(tmp_path / "l.db") as repository:
        port = listener.getsockname()[1]
        keeper = PositionKeeper(repository)
        with following(keeper), pytest.raises(CannotConnect, match=r"did not let us log on within 0\.5 s"):
            follower(keeper, port, [], timeout_s=0.5).run()
