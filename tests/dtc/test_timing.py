from __future__ import annotations

import pytest

from dtcpos.dtc import (
    Closed,
    Connection,
    Encoding,
    EncodingResponse,
    Heartbeat,
    LogonRequest,
    LogonResponse,
    PositionUpdate,
    Role,
    State,
    encode,
)

BEAT = encode(Heartbeat(), Encoding.BINARY)


def logged_on(now: float = 100.0) -> Connection:
    client = Connection(Role.CLIENT, heartbeat_interval_s=10, logon=LogonRequest(HeartbeatIntervalInSeconds=10))
    client.start(now)
    client.receive_data(encode(EncodingResponse(), Encoding.BINARY) + encode(LogonResponse(), Encoding.BINARY), now)
    assert len(list(client.events())) == 2
    client.data_to_send()
    return client


def test_each_side_beats_every_interval() -> None:
    """A heartbeat falls due every interval and says the time."""
    client = logged_on()
    assert client.next_deadline() == 110
    client.tick(109.9)
    assert client.data_to_send() == b""
    client.receive_data(BEAT, 110)
    list(client.events())
    client.tick(110)
    assert client.data_to_send() == encode(Heartbeat(CurrentDateTime=110), Encoding.BINARY)
    assert client.next_deadline() == 120


def test_a_silent_peer_is_lost_after_two_intervals() -> None:
    """S3: a half-open socket is noticed without a byte being sent by the peer."""
    client = logged_on()
    for now in (110, 119.9):
        client.tick(now)
    assert client.state is State.SYNCING
    assert client.next_deadline() == 120
    client.tick(120)
    assert client.state is State.CLOSED
    assert list(client.events()) == [Closed(reason="the peer was silent for 20 s")]
    assert client.next_deadline() is None


def test_any_byte_shows_that_the_peer_lives() -> None:
    """Silence is counted from the last byte."""
    client = logged_on()
    client.receive_data(BEAT, 115)
    assert client.next_event() == Heartbeat()
    list(client.events())
    client.tick(120)
    assert client.state is State.SYNCING
    assert client.last_heard_at == 115
    assert client.next_deadline() == 130


@pytest.mark.parametrize("encoding", [Encoding.BINARY, Encoding.JSON])
def test_a_message_that_never_ends_is_given_up(encoding: Encoding) -> None:
    """S5: bytes that trickle in keep the line alive, but not for ever."""
    client = logged_on()
    client.receive_data(encode(EncodingResponse(Encoding=encoding), Encoding.BINARY), 100)
    list(client.events())
    wire = encode(PositionUpdate(Symbol="S" * 60), encoding)
    now = 100.0
    for i in range(len(wire) - 1):
        now += 1
        client.tick(now)
        client.receive_data(wire[i : i + 1], now)
        list(client.events())
    assert now > 121
    assert client.state is State.CLOSED
    assert client.closed_reason == "the peer did not complete a message in time"


def test_a_line_that_always_has_half_a_message_waiting_lives() -> None:
    """Whole messages arriving out of step with the reads are not one endless message."""
    client = logged_on()
    now = 100.0
    client.receive_data(BEAT[:8], now)
    list(client.events())
    for _ in range(50):
        now += 5
        client.receive_data(BEAT[8:] + BEAT[:8], now)
        assert list(client.events()) == [Heartbeat()]
        client.tick(now)
        assert client.state is State.SYNCING


@pytest.mark.parametrize("is_answered", [False, True])
def test_an_answer_that_does_not_come_ends_the_session(is_answered: bool) -> None:
    """20 s for the encoding response, 20 s for the logon."""
    client = Connection(Role.CLIENT, logon=LogonRequest())
    assert client.next_deadline() is None
    client.start(50)
    if is_answered:
        client.receive_data(encode(EncodingResponse(), Encoding.BINARY), 60)
        list(client.events())
    due = 80 if is_answered else 70
    assert client.next_deadline() == due
    client.tick(due - 0.1)
    assert client.state in (State.NEGOTIATING, State.LOGGING_ON)
    client.tick(due)
    (closed,) = client.events()
    assert isinstance(closed, Closed)
    assert ("logon" if is_answered else "encoding request") in closed.reason


def test_a_venue_beats_as_the_client_asked() -> None:
    """The interval is the client's; none asked for, none kept."""
    for interval, due in ((25, 25), (0, None)):
        venue = Connection(Role.VENUE)
        venue.start(0)
        assert venue.next_deadline() == 20
        venue.receive_data(encode(LogonRequest(HeartbeatIntervalInSeconds=interval), Encoding.BINARY), 0)
        list(venue.events())
        venue.send(LogonResponse())
        assert venue.next_deadline() == due


def test_a_tick_before_the_start_does_nothing() -> None:
    """There is nothing to wait for yet."""
    client = Connection(Role.CLIENT)
    client.tick(1e9)
    assert client.state is State.IDLE
