from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest

from dtcpos.dtc import (
    CLIENT_MAY_SEND,
    MESSAGE_TYPES,
    NEED_DATA,
    TRANSITIONS,
    Closed,
    Connection,
    CurrentPositionsRequest,
    Encoding,
    EncodingRequest,
    EncodingResponse,
    GeneralLogMessage,
    Heartbeat,
    Kind,
    Logoff,
    LogonRequest,
    LogonResponse,
    MarketDataRequest,
    MarketDataSnapshot,
    MarketDataUpdateTradeCompact,
    Message,
    OrderUpdate,
    PositionUpdate,
    Role,
    Skipped,
    State,
    SubmitNewSingleOrder,
    UserMessage,
    encode,
)
from dtcpos.errors import LocalProtocolError, RemoteProtocolError

LOGON = LogonRequest(HeartbeatIntervalInSeconds=10, ClientName="test")


class Pair:
    """A client and a venue with a wire between them that cuts what it carries into pieces."""

    def __init__(self, encoding: Encoding, *, piece: int = 1 << 20, negotiate: bool = True) -> None:
        self.piece = piece
        self.client = Connection(Role.CLIENT, encoding=encoding, negotiate=negotiate, logon=LOGON)
        self.venue = Connection(Role.VENUE, encoding=Encoding.BINARY if negotiate else encoding, negotiate=negotiate)
        self.client.start(0)
        self.venue.start(0)

    def carry(self, sender: Connection, receiver: Connection) -> list[object]:
        wire = sender.data_to_send()
        heard: list[object] = []
        for i in range(0, len(wire), self.piece):
            receiver.receive_data(wire[i : i + self.piece], 0)
            heard += receiver.events()
        return heard

    def to_venue(self) -> list[object]:
        return self.carry(self.client, self.venue)

    def to_client(self) -> list[object]:
        return self.carry(self.venue, self.client)

    def log_on(self) -> None:
        while self.venue.state is not State.LOGGING_ON:
            self.to_venue()
            self.to_client()
        self.to_venue()
        self.venue.send(LogonResponse(Result=1))
        self.to_client()
        assert self.client.state is self.venue.state is State.SYNCING


def client_in(state: State) -> Connection:
    client = Connection(Role.CLIENT)
    if state is State.IDLE:
        return client
    client.start(0)
    steps: list[Message] = {
        State.NEGOTIATING: [],
        State.LOGGING_ON: [EncodingResponse()],
        State.SYNCING: [EncodingResponse(), LogonResponse()],
        State.READY: [EncodingResponse(), LogonResponse()],
    }[state]
    if steps:
        hear(client, steps)
    if state is State.READY:
        client.synced()
    client.data_to_send()
    assert client.state is state
    return client


def hear(connection: Connection, messages: Iterable[Message]) -> list[object]:
    connection.receive_data(b"".join(encode(message, connection.encoding) for message in messages), 0)
    return list(connection.events())


@pytest.mark.parametrize("negotiate", [True, False])
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
@pytest.mark.parametrize("encoding", Encoding)
def test_both_ends_talk_in_every_encoding(encoding: Encoding, piece: int, negotiate: bool) -> None:
    """S1: the same session in four encodings, negotiated or fixed, split at every byte."""
    pair = Pair(encoding, piece=piece, negotiate=negotiate)
    pair.log_on()
    assert pair.client.encoding is pair.venue.encoding is encoding
    assert pair.client.peer_encoding_confirmed is negotiate
    pair.client.synced()
    asked = [CurrentPositionsRequest(RequestID=3, TradeAccount="Sim1"), MarketDataRequest(SymbolID=7, Symbol="ES")]
    for request in asked:
        pair.client.send(request)
    assert pair.to_venue() == asked
    told = [
        PositionUpdate(Symbol="ES", Quantity=-2, AveragePrice=5050.25, TradeAccount="Sim1"),
        OrderUpdate(Symbol="ES", LastFillPrice=0, OrderUpdateReason=4, InfoText="é"),
        MarketDataSnapshot(SymbolID=7),
        MarketDataUpdateTradeCompact(SymbolID=7, Price=0.1, Volume=2),
        UserMessage(UserMessage="hello"),
        Heartbeat(CurrentDateTime=9),
    ]
    for message in told:
        pair.venue.send(message)
    assert pair.to_client() == told
    pair.client.send(Logoff(Reason="done"))
    assert pair.client.state is State.CLOSED
    assert pair.to_venue() == [Logoff(Reason="done"), Closed(reason="the peer logged off: done")]


def test_the_first_request_is_always_binary() -> None:
    """The 16 bytes every server expects first, also when JSON is wanted."""
    client = Connection(Role.CLIENT, encoding=Encoding.JSON)
    client.start(0)
    assert client.data_to_send().hex() == "10000600080000000200000044544300"
    assert client.state is State.NEGOTIATING


def test_the_logon_waits_for_the_caller_when_none_is_given() -> None:
    """Without a logon to send by itself the client stays in LOGGING_ON."""
    client = client_in(State.LOGGING_ON)
    assert client.data_to_send() == b""
    client.send(LOGON)
    assert client.data_to_send() == encode(LOGON, Encoding.BINARY)


def test_a_server_may_stay_with_another_encoding() -> None:
    """The answer decides, not the wish."""
    client = Connection(Role.CLIENT, encoding=Encoding.JSON_COMPACT)
    client.start(0)
    hear(client, [EncodingResponse(Encoding=Encoding.VLS)])
    assert client.encoding is Encoding.VLS


def test_a_server_fixed_to_json_answers_in_json() -> None:
    """Its first byte gives it away."""
    client = Connection(Role.CLIENT, encoding=Encoding.BINARY)
    client.start(0)
    client.receive_data(encode(EncodingResponse(Encoding=2), Encoding.JSON), 0)
    assert list(client.events()) == [EncodingResponse(Encoding=2)]
    assert client.encoding is Encoding.JSON


def test_a_client_that_speaks_json_at_once_is_understood() -> None:
    """A venue takes a first message in JSON without negotiation."""
    venue = Connection(Role.VENUE)
    venue.start(0)
    venue.receive_data(encode(LOGON, Encoding.JSON), 0)
    assert list(venue.events()) == [LOGON]
    assert (venue.state, venue.encoding) == (State.LOGGING_ON, Encoding.JSON)


def test_an_encoding_nobody_reads_ends_the_session() -> None:
    """Protocol buffers are not read."""
    client = Connection(Role.CLIENT)
    client.start(0)
    with pytest.raises(RemoteProtocolError, match="encoding 4"):
        hear(client, [EncodingResponse(Encoding=4)])
    assert client.state is State.FAILED


def test_a_venue_asked_for_what_it_cannot_speak_stays_as_it_is() -> None:
    """A server must answer, with what it stays with."""
    venue = Connection(Role.VENUE)
    venue.start(0)
    hear(venue, [EncodingRequest(Encoding=4)])
    assert venue.data_to_send() == encode(EncodingResponse(Encoding=0), Encoding.BINARY)


@pytest.mark.parametrize("encoding", Encoding)
def test_the_encoding_may_change_in_mid_session(encoding: Encoding) -> None:
    """The request may be repeated at any time; the byte after the answer is already in the new encoding."""
    pair = Pair(Encoding.BINARY, piece=3)
    pair.log_on()
    pair.client.send(EncodingRequest(Encoding=encoding))
    pair.to_venue()
    pair.venue.send(PositionUpdate(Symbol="ES"))
    assert pair.to_client() == [EncodingResponse(Encoding=encoding), PositionUpdate(Symbol="ES")]
    pair.client.send(CurrentPositionsRequest(RequestID=9))
    assert pair.to_venue() == [CurrentPositionsRequest(RequestID=9)]
    assert pair.client.encoding is pair.venue.encoding is encoding


@pytest.mark.parametrize("result", [2, 3, 4, 0, 99])
def test_a_refused_logon_is_told_and_closes(result: int) -> None:
    """S4: the caller reads the result and the text; nothing but 1 is success."""
    client = client_in(State.LOGGING_ON)
    response = LogonResponse(Result=result, ResultText="no", ReconnectAddress="there:1")
    assert hear(client, [response]) == [response, Closed(reason="the logon was refused: no")]
    assert (client.state, client.closed_reason) == (State.CLOSED, "the logon was refused: no")
    assert client.next_event() is NEED_DATA


def test_a_logon_response_cut_before_its_result_is_no_success() -> None:
    """The constructor's default of the result is success, which nobody said."""
    client = client_in(State.LOGGING_ON)
    client.receive_data(struct.pack("<HHi", 8, 2, 8), 0)
    with pytest.raises(RemoteProtocolError, match="before its result"):
        client.next_event()


def test_words_may_come_before_the_logon_response() -> None:
    """USER_MESSAGE and GENERAL_LOG_MESSAGE are legal before the answer."""
    client = client_in(State.LOGGING_ON)
    words = [UserMessage(UserMessage="hi"), GeneralLogMessage(MessageText="log")]
    assert hear(client, words) == words
    assert client.state is State.LOGGING_ON


@pytest.mark.parametrize("type_", sorted(MESSAGE_TYPES))
@pytest.mark.parametrize("state", list(State)[:5])
def test_a_client_sends_only_what_the_table_allows(type_: int, state: State) -> None:
    """S6: no type outside the list can be sent in any state; of the list, what the state allows."""
    client = client_in(state)
    message = MESSAGE_TYPES[type_]()
    kinds = {1: Kind.LOGON_REQUEST, 3: Kind.HEARTBEAT, 5: Kind.LOGOFF, 6: Kind.ENCODING_REQUEST}
    is_legal = type_ in CLIENT_MAY_SEND and (Role.CLIENT, state, kinds.get(type_, Kind.REQUEST)) in TRANSITIONS
    if is_legal:
        client.send(message)
        assert client.data_to_send()
        return
    with pytest.raises(LocalProtocolError):
        client.send(message)
    assert client.data_to_send() == b""
    assert client.state is state


def test_nothing_that_trades_is_in_the_table() -> None:
    """S6: a venue that is sent an order skips it, because no entry of the table knows orders."""
    pair = Pair(Encoding.BINARY)
    pair.log_on()
    (skipped,) = hear(pair.venue, [SubmitNewSingleOrder(Symbol="ES", Quantity=1)])
    assert skipped == Skipped(reason="not served", type=208, size=304)
    assert pair.venue.skipped == {208: 1}


@pytest.mark.parametrize("type_", sorted(MESSAGE_TYPES))
@pytest.mark.parametrize("state", [State.NEGOTIATING, State.LOGGING_ON, State.SYNCING, State.READY])
def test_what_a_server_says_moves_the_session_by_the_table(type_: int, state: State) -> None:
    """One table decides; a missing entry is the peer's error, and the state is FAILED."""
    client = client_in(state)
    message = MESSAGE_TYPES[type_]()
    logged_on = state in (State.SYNCING, State.READY)
    after: State | None = state if logged_on else None
    if type_ in (700, 701, 702, 3):
        after = state
    elif type_ == 5:
        after = State.CLOSED
    elif type_ == 7:
        after = State.LOGGING_ON if state is State.NEGOTIATING else state
    elif type_ == 2:
        after = State.SYNCING if state is State.LOGGING_ON else None
    elif type_ in (1, 6):
        after = None
    elif (
        type_ in CLIENT_MAY_SEND
        or MESSAGE_TYPES[type_].name.endswith(("_REQUEST", "_ORDER", "ADD_CORRECTING_ORDER_FILL"))
        or type_ in (607, 703)
    ):
        assert isinstance(hear(client, [message])[0], Skipped)
        assert client.state is state
        return
    if after is None:
        with pytest.raises(RemoteProtocolError, match="out of turn"):
            hear(client, [message])
        assert client.state is State.FAILED
    else:
        assert hear(client, [message])[0] == message
        assert client.state is after


def test_what_was_valid_comes_before_the_fault() -> None:
    """S5: everything before the fault is handed out, then the fault, at every call."""
    client = client_in(State.READY)
    good = [OrderUpdate(Symbol="ES"), PositionUpdate(Symbol="ES")]
    client.receive_data(b"".join(encode(message, Encoding.BINARY) for message in good) + b"\0\0\0\0", 0)
    assert [client.next_event(), client.next_event()] == good
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="size of 0"):
            client.next_event()
    assert client.state is State.FAILED
    assert "size of 0" in client.closed_reason
    assert client.next_deadline() is None
    client.receive_data(b"more", 1)
    with pytest.raises(RemoteProtocolError):
        client.next_event()
    with pytest.raises(LocalProtocolError):
        client.send(Heartbeat())


def test_strange_messages_are_skipped_and_counted() -> None:
    """S5: an unknown type or a malformed text costs one message, not the session."""
    client = client_in(State.READY)
    client.receive_data(struct.pack("<HHI", 8, 10000, 0) * 2 + encode(Heartbeat(), Encoding.BINARY), 0)
    assert list(client.events()) == [Skipped(reason="unknown type", type=10000, size=8)] * 2 + [Heartbeat()]
    hear(client, [EncodingResponse(Encoding=2)])
    client.receive_data(b'{"Type":\0[]\0\0{"Type":301,"Symbol":7}\0{"Type":9999}\0{"Type":3}\0', 0)
    *skipped, beat = client.events()
    assert [event.reason for event in skipped if isinstance(event, Skipped)] == [
        "malformed JSON",
        "not an object",
        "malformed JSON",
        "wrong value",
        "unknown type",
    ]
    assert beat == Heartbeat()
    assert client.skipped == {10000: 2, "malformed JSON": 2, "not an object": 1, "wrong value": 1, 9999: 1}


def test_ignored_types_are_dropped_unread() -> None:
    """A caller that has no use for quotes says so."""
    for encoding in Encoding:
        client = Connection(Role.CLIENT, encoding=encoding, negotiate=False, ignored=frozenset({306}))
        client.start(0)
        client.send(LOGON)
        events = hear(client, [LogonResponse(), PositionUpdate(), OrderUpdate(), PositionUpdate()])
        assert events == [LogonResponse(), OrderUpdate()]
        assert client.skipped == {306: 2}


@pytest.mark.parametrize("encoding", Encoding)
def test_the_end_of_the_stream_comes_after_its_last_message(encoding: Encoding) -> None:
    """N3: what arrived before the line dropped is handed out; half a message is not."""
    pair = Pair(encoding)
    pair.log_on()
    pair.venue.send(PositionUpdate(Symbol="ES"))
    pair.venue.send(PositionUpdate(Symbol="NQ"))
    wire = pair.venue.data_to_send()
    pair.client.receive_data(wire[:-1], 0)
    pair.client.receive_data(b"", 0)
    first, closed = pair.client.events()
    assert first == PositionUpdate(Symbol="ES")
    assert isinstance(closed, Closed)
    assert "in the middle of a message" in closed.reason
    assert pair.client.state is State.CLOSED


def test_a_stream_that_ends_between_messages_says_so() -> None:
    """A closed socket is an end, not an error."""
    client = client_in(State.NEGOTIATING)
    client.receive_data(b"", 0)
    assert list(client.events()) == [Closed(reason="the peer closed the connection")]
    assert list(client.events()) == []


def test_synced_only_ends_synchronising() -> None:
    """READY follows SYNCING and nothing else."""
    client = client_in(State.SYNCING)
    client.synced()
    assert client.state is State.READY
    with pytest.raises(LocalProtocolError):
        client.synced()


def test_a_value_that_does_not_fit_leaves_the_queue_as_it_was() -> None:
    """A refused message is not half sent."""
    client = client_in(State.READY)
    with pytest.raises(LocalProtocolError):
        client.send(CurrentPositionsRequest(TradeAccount="A" * 40))
    assert client.data_to_send() == b""


def test_ids_asked_for_settle_the_order_of_compact_trades() -> None:
    """The 2020 order is recognised by the ids this client asked for."""
    client = Connection(Role.CLIENT, encoding=Encoding.JSON_COMPACT, negotiate=False)
    client.start(0)
    client.send(LOGON)
    hear(client, [LogonResponse()])
    client.send(MarketDataRequest(SymbolID=900000001, Symbol="ES"))
    client.receive_data(b'{"Type":112,"F":[900000001,1,5000.5,2,9]}\0', 0)
    assert list(client.events()) == [
        MarketDataUpdateTradeCompact(SymbolID=900000001, AtBidOrAsk=1, Price=5000.5, Volume=2, DateTime=9)
    ]


def test_states_only_go_forward() -> None:
    """No entry of the table leads back."""
    order = list(State)
    for (_, before, _), after in TRANSITIONS.items():
        assert order.index(after) >= order.index(before)
