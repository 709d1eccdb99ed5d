"""A client's session: logon, encodings, heartbeats, the script, and every fault a dialogue can name."""

from __future__ import annotations

import pytest

from dtcpos.dtc import (
    AccountBalanceRequest,
    CurrentPositionsReject,
    CurrentPositionsRequest,
    Encoding,
    EncodingRequest,
    ExchangeListRequest,
    Heartbeat,
    HistoricalOrderFillResponse,
    HistoricalOrderFillsRequest,
    Logoff,
    LogonRequest,
    LogonResponse,
    MarketDataFeedStatus,
    MarketDataRequest,
    MarketDepthRequest,
    OpenOrdersRequest,
    OrderUpdate,
    PositionUpdate,
    SecurityDefinitionForSymbolRequest,
    State,
    TradeAccountsRequest,
    UserMessage,
    encode,
)
from dtcpos.errors import RemoteProtocolError
from dtcpos.sim import Performance, VenueSession, parse_dialogue
from tests.sim.client import NOON, TERMS, Room, sync_requests

FILL = "fill Sim1 BUY 1 MESZ26-CME @ 5050.25 id E-{0} order {0}\n"
PAST = TERMS + "".join("history Sim1 BUY 1 MESZ26-CME @ 5050 ago 1h\n" for _ in range(5))


@pytest.mark.parametrize("negotiate", [True, False])
@pytest.mark.parametrize("encoding", Encoding)
def test_logon_in_every_encoding(encoding: Encoding, negotiate: bool) -> None:
    """S1: negotiated, and with a server that is fixed to one encoding."""
    client = Room("").connect(encoding, negotiate=negotiate)
    assert client.is_logged_on
    assert client.connection.encoding is encoding
    logon = client.all(LogonResponse)[0]
    assert (logon.Result, logon.ServerName, logon.TradingIsSupported) == (1, "SC DTC Server", 1)
    assert len(client.all(MarketDataFeedStatus)) == 1
    assert len(client.synchronise()) == 5


@pytest.mark.parametrize("fixed", Encoding)
@pytest.mark.parametrize("asked", Encoding)
def test_a_fixed_server_stays_with_its_encoding(fixed: Encoding, asked: Encoding) -> None:
    """The answer to the encoding request names what the server stays with."""
    client = Room(terms=f"encoding {fixed.word}").connect(asked)
    assert client.is_logged_on
    assert client.connection.encoding is fixed


@pytest.mark.parametrize("encoding", Encoding)
def test_every_byte_may_come_alone(encoding: Encoding) -> None:
    """S1: requests split at every byte get the answers they get whole."""
    room = Room(terms=PAST)
    whole, octets = room.connect(encoding), b""
    session = VenueSession(room.performance)
    session.start(room.now)
    requests = [encode(EncodingRequest(Encoding=encoding), Encoding.BINARY)]
    asked = [LogonRequest(HeartbeatIntervalInSeconds=10), *sync_requests("Sim1")]
    requests += [encode(message, encoding) for message in asked]
    for octet in b"".join(requests):
        session.receive_data(bytes([octet]), room.now)
        octets += session.data_to_send()
    whole.synchronise()
    assert octets == bytes(whole.octets)


def test_heartbeats_are_what_the_client_asked_for_and_more_where_the_server_likes() -> None:
    """A server may beat every second whatever was asked."""
    room = Room(terms="heartbeat 1")
    client = room.connect()
    room.wait(4.5)
    assert len(client.all(Heartbeat)) == 4
    plain = Room(terms="").connect()
    plain.room.wait(25)
    assert len(plain.all(Heartbeat)) == 2


def test_a_client_that_falls_silent_is_given_up() -> None:
    """S3 from the other side: twice the interval without a byte."""
    room = Room(terms="")
    client = room.connect()
    client.is_frozen = True
    room.wait(20)
    assert client.session.closed
    assert "silent" in client.session.closed_reason


def test_a_client_that_breaks_framing_is_closed() -> None:
    """S5: the session ends, the venue goes on."""
    room = Room(terms="")
    client = room.connect()
    client.session.receive_data(b"\x01\x00\x00\x00", room.now)
    assert client.session.closed
    assert "size" in client.session.closed_reason
    client.session.receive_data(b"ignored", room.now)
    assert room.connect().is_logged_on


def test_a_client_may_log_off_or_just_go() -> None:
    """Either way the session is over and hears no more."""
    room = Room()
    polite, rude = room.connect(), room.connect()
    polite.connection.send(Logoff(Reason="done"))
    room.exchange()
    rude.session.receive_data(b"", room.now)
    assert "done" in polite.session.closed_reason
    assert "closed the connection" in rude.session.closed_reason
    room.perform("say hello")
    assert not polite.all(UserMessage)
    assert rude.session.next_deadline() is None
    rude.session.tick(room.now)


def test_what_the_venue_cannot_answer_is_passed_over() -> None:
    """A server does not answer types it does not serve."""
    room = Room(terms="")
    client = room.connect()
    client.session.receive_data(encode(MarketDepthRequest(SymbolID=1), Encoding.BINARY), room.now)
    client.session.receive_data(b"\x04\x00\x10\x27", room.now)
    assert client.ask(ExchangeListRequest(RequestID=1))


@pytest.mark.parametrize(
    ("terms", "ready_at"), [("start connect", 0.0), ("start logon", 0.0), ("start quiet 1", 1.0), ("", 0.2)]
)
def test_the_script_starts_when_a_client_is_there(terms: str, ready_at: float) -> None:
    """Connected, logged on, or quiet for a while after its last question."""
    room = Room("say now", terms=terms)
    assert room.performance.next_deadline() is None
    client = room.connect()
    if ready_at:
        room.wait(ready_at - 0.01)
        assert not room.performance.is_over
    room.wait(0.01)
    assert room.performance.is_over
    assert bool(client.all(UserMessage)) is (terms != "start connect")


def test_questions_put_the_start_off() -> None:
    """A client in the middle of its questions is not there yet."""
    room = Room("say now")
    client = room.connect()
    room.wait(0.15)
    client.ask(TradeAccountsRequest(RequestID=1))
    room.wait(0.15)
    assert not client.all(UserMessage)
    room.wait(0.05)
    assert client.all(UserMessage)


def test_waits_follow_the_clock_and_the_speed() -> None:
    """Steps come when they are due, and a speed divides every wait."""
    for speed, elapsed in ((1.0, 3.0), (10.0, 0.3)):
        room = Room("say a\nwait 1\nsay b\nwait 2\nsay c", terms="start logon", speed=speed)
        client = room.connect()
        room.wait(elapsed - 0.01)
        assert len(client.all(UserMessage)) == 2
        room.wait(0.02)
        assert len(client.all(UserMessage)) == 3
        assert room.performance.next_deadline() is None


def test_a_burst_is_many_fills_at_a_rate() -> None:
    """F2: one a millisecond, up and down around a price; a tick may be limited to some steps."""
    room = Room("burst 10 Sim1 MESZ26-CME @ 5050 rate 1000\nburst 10 Sim1 MESZ26-CME @ 5050", terms=TERMS)
    client = room.connect()
    room.wait(0.2045)
    assert len(client.all(OrderUpdate)) == 5
    room.wait(1)
    assert len(client.all(OrderUpdate)) == 20
    assert client.all(PositionUpdate)[-1].Quantity == 0 + 2 * 2 - 0
    ids = {update.LastFillExecutionID for update in client.all(OrderUpdate)}
    assert len(ids) == 20

    slow = Performance(room.performance.dialogue, now=NOON)
    session = VenueSession(slow)
    session.start(NOON)
    slow.tick(NOON + 100, steps_max=3)
    assert not slow.is_over


def test_history_may_be_a_burst() -> None:
    """F6: fifty thousand known fills are one line of a dialogue."""
    room = Room(terms=TERMS + "history-burst 1000 Sim1 MESZ26-CME @ 5050")
    client = room.connect()
    fills = [m for m in client.synchronise() if isinstance(m, HistoricalOrderFillResponse)]
    assert len(fills) == 1000
    assert [fills[0].DateTime, fills[-1].DateTime] == [int(NOON) - 1000, int(NOON) - 1]


def test_a_burst_may_happen_away() -> None:
    """N3: many fills that nobody was told."""
    room = Room("away burst 5 Sim1 MESZ26-CME @ 5050")
    client = room.connect()
    room.wait(1)
    assert not client.all(OrderUpdate)
    assert len([m for m in client.synchronise() if isinstance(m, HistoricalOrderFillResponse)]) == 5


def test_drop_and_await_leave_a_gap_that_history_fills() -> None:
    """N3: what happens after the line broke is told to nobody and found in history by the next client."""
    room = Room(FILL.format(1) + "drop\n" + FILL.format(2) + "await\n" + FILL.format(3))
    first = room.connect()
    room.wait(1)
    assert first.lost
    assert [u.LastFillExecutionID for u in first.all(OrderUpdate)] == ["E-1"]
    second = room.connect()
    known = [m.UniqueExecutionID for m in second.synchronise() if isinstance(m, HistoricalOrderFillResponse)]
    room.wait(1)
    assert known == ["E-1", "E-2"]
    assert [u.LastFillExecutionID for u in second.all(OrderUpdate) if u.LastFillExecutionID] == ["E-3"]


@pytest.mark.parametrize("messages", range(1, 12))
def test_the_line_can_be_cut_after_every_message(messages: int) -> None:
    """N1, N11: exactly so many messages arrive, wherever in the session that is."""
    room = Room(f"drop after {messages} messages\nwait 5\n" + FILL.format(1), terms="start connect\n" + PAST)
    client = room.connect()
    for request in sync_requests("Sim1"):
        if not client.lost:
            client.ask(request)
    assert len(client.heard) == messages
    assert client.lost


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("octets", [0, 1, 3, 20])
def test_the_line_can_be_cut_inside_a_frame(octets: int, encoding: Encoding) -> None:
    """N11: so many bytes of the next frame and then the end."""
    room = Room(f"cut {octets}\n" + FILL.format(1))
    client = room.connect(encoding)
    before = len(client.octets)
    room.wait(1)
    assert len(client.octets) - before == octets
    assert client.lost
    assert not client.all(OrderUpdate)


@pytest.mark.parametrize("stays", [True, False])
def test_a_batch_can_be_cut_before_its_last_message(stays: bool) -> None:
    """N11: half a batch, then the end of the line or just silence about it; the next one is whole."""
    room = Room(terms=PAST + "cut-batch history after 3" + (" stay" if stays else ""))
    client = room.connect()
    request = HistoricalOrderFillsRequest(RequestID=1, TradeAccount="Sim1", NumberOfDays=1)
    assert len(client.ask(request)) == 3
    assert bool(client.lost) is not stays
    again = client if stays else room.connect()
    assert len(again.ask(request)) == 5


def test_silence_keeps_the_line_open() -> None:
    """S3: nothing comes any more, heartbeats included, until a new client connects."""
    room = Room("silent\n" + FILL.format(1) + "await\nsay back")
    client = room.connect()
    room.wait(1)
    assert not client.all(OrderUpdate)
    assert not client.session.closed
    room.wait(19)
    assert "silent" in client.lost
    other = room.connect()
    room.wait(1)
    assert other.all(UserMessage)


def test_requests_can_be_rejected_left_alone_and_answered_again() -> None:
    """N11, S7: 307 with the text, no answer at all, then the truth."""
    room = Room()
    client = room.connect()
    room.perform("reject positions definitions nothing for you")
    assert client.ask(CurrentPositionsRequest(RequestID=3)) == [
        CurrentPositionsReject(RequestID=3, RejectText="nothing for you")
    ]
    assert client.ask(SecurityDefinitionForSymbolRequest(RequestID=4, Symbol="X"))[0].type == 509
    room.perform("no-answer all")
    assert client.synchronise() == []
    room.perform("answer all")
    assert [m.NoPositions for m in client.ask(CurrentPositionsRequest(RequestID=3)) if isinstance(m, PositionUpdate)]


@pytest.mark.parametrize("kind", ["history", "positions", "orders", "balances", "definitions", "market-data"])
def test_a_rejection_has_a_form_of_its_own_for_each_kind(kind: str) -> None:
    """N11: 308, 307, 302, 602, 509 and 103."""
    asked = {
        "history": (HistoricalOrderFillsRequest(RequestID=1), 308),
        "positions": (CurrentPositionsRequest(RequestID=1), 307),
        "orders": (OpenOrdersRequest(RequestID=1), 302),
        "balances": (AccountBalanceRequest(RequestID=1), 602),
        "definitions": (SecurityDefinitionForSymbolRequest(RequestID=1), 509),
        "market-data": (MarketDataRequest(SymbolID=1), 103),
    }
    request, type_ = asked[kind]
    (refusal,) = Room(terms=f"reject {kind} no").connect().ask(request)
    assert (refusal.type, refusal.RejectText) == (type_, "no")  # type: ignore[attr-defined]


def test_a_server_without_trading_still_tells_fills() -> None:
    """S7: TradingIsSupported 0, 307, 308, and live fills."""
    room = Room(FILL.format(1), terms="trading off\n" + TERMS)
    client = room.connect()
    assert [m.type for m in client.synchronise()] == [401, 401, 308, 307, 302]
    room.wait(1)
    assert client.all(LogonResponse)[0].TradingIsSupported == 0
    assert len(client.all(OrderUpdate)) == 1


@pytest.mark.parametrize(
    ("line", "result", "text", "address"),
    [
        ("refuse-logon come back later", 2, "come back later", ""),
        ("refuse-logon no-reconnect never", 3, "never", ""),
        ("reconnect-to 127.0.0.1:4000", 4, "reconnect to another address", "127.0.0.1:4000"),
        ("user ann secret", 2, "user name or password is wrong", ""),
    ],
)
def test_logons_can_be_refused_and_sent_elsewhere(line: str, result: int, text: str, address: str) -> None:
    """S4: the result, the server's words, the other address."""
    client = Room(terms=line).connect()
    assert [(r.Result, r.ResultText, r.ReconnectAddress) for r in client.all(LogonResponse)] == [
        (result, text, address)
    ]
    assert client.session.closed
    assert client.lost


def test_a_refused_client_may_be_admitted_later() -> None:
    """S4: refused twice, then let in."""
    room = Room("wait 5\nadmit", terms="start connect\nuser u p\nrefuse-logon busy")
    assert room.connect().lost
    room.wait(5)
    assert room.connect().is_logged_on


@pytest.mark.parametrize(("line", "stays_away"), [("logoff bye", 0), ("logoff no-reconnect bye", 1), ("stop bye", 1)])
def test_the_server_can_log_clients_off(line: str, stays_away: int) -> None:
    """S4: a LOGOFF with its reason, and whether to come back."""
    room = Room(line)
    client = room.connect()
    room.wait(1)
    assert client.all(Logoff) == [Logoff(Reason="bye", DoNotReconnect=stays_away)]
    assert client.connection.state is State.CLOSED
    assert room.performance.is_finished is line.startswith("stop")
    late = room.connect()
    assert late.is_logged_on is not room.performance.is_finished
    assert late.session.closed is room.performance.is_finished


def test_garbage_is_sent_as_it_is() -> None:
    """S5: bytes no server should send break the session, after what came before."""
    room = Room(FILL.format(1))
    client = room.connect()
    room.wait(1)
    with pytest.raises(RemoteProtocolError):
        room.perform("garbage 0100 0000")
    assert len(client.all(OrderUpdate)) == 1


def test_any_message_can_be_sent() -> None:
    """S5: values nobody would believe, in the encoding of the session."""
    room = Room()
    binary, text = room.connect(), room.connect(Encoding.JSON)
    room.perform("send ORDER_UPDATE Symbol=X LastFillQuantity=-1 LastFillDateTime=9223372036854775807")
    for client in (binary, text):
        (update,) = client.all(OrderUpdate)
        assert (update.LastFillQuantity, update.LastFillDateTime) == (-1.0, 2**63 - 1)


def test_nothing_is_told_before_the_logon() -> None:
    """A client that has only connected hears neither fills nor words."""
    performance = Performance(parse_dialogue(TERMS), now=NOON)
    session = VenueSession(performance)
    session.start(NOON)
    performance.perform("say hello", NOON)
    performance.perform("fill Sim1 BUY 1 MESZ26-CME @ 5", NOON)
    assert session.data_to_send() == b""


def test_requests_are_kept_for_the_tests_that_ask_what_was_asked() -> None:
    """N11: whether a client asked again can be seen."""
    client = Room().connect()
    client.synchronise()
    assert [type(request) for request in client.session.requests] == [type(r) for r in sync_requests("Sim1")]
