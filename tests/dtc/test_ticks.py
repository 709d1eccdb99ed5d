from __future__ import annotations

import struct

import pytest

from dtcpos.dtc import (
    MESSAGE_TYPES,
    NEED_DATA,
    TRADE_TYPES,
    Connection,
    Encoding,
    Heartbeat,
    LogonRequest,
    LogonResponse,
    MarketDataUpdateTrade,
    Message,
    Role,
    Skipped,
    encode,
)


def client_speaking(encoding: Encoding) -> Connection:
    client = Connection(Role.CLIENT, encoding=encoding, negotiate=False)
    client.start(0)
    client.send(LogonRequest())
    client.receive_data(encode(LogonResponse(), encoding), 0)
    list(client.events())
    return client


def trade(type_: int, symbol_id: int, price: float, time: int) -> Message:
    kind = MESSAGE_TYPES[type_]
    values = {"SymbolID": symbol_id, "LastTradePrice" if type_ == 134 else "Price": price}
    if type_ != 142:
        values["LastTradeDateTime" if type_ == 134 else "DateTime"] = time
    return kind(**values)


def hear(client: Connection, *messages: Message) -> list[object]:
    client.receive_data(b"".join(encode(message, client.encoding) for message in messages), 0)
    return list(client.events())


@pytest.mark.parametrize("type_", sorted(TRADE_TYPES))
@pytest.mark.parametrize("encoding", Encoding)
def test_a_trade_inside_the_band_only_overwrites_the_last(encoding: Encoding, type_: int) -> None:
    """F3: no event for a tick that changes nothing, in every encoding and every kind of trade."""
    client = client_speaking(encoding)
    client.watch(7, 4990, 5010)
    inside = [trade(type_, 7, price, 1_795_185_000 + i) for i, price in enumerate((4990.0, 5010.0, 5000.25))]
    assert hear(client, *inside) == []
    tick = client.last_tick[7]
    assert (tick.price, tick.time, tick.count) == (5000.25, 0 if type_ == 142 else 1_795_185_002, 3)
    outside = [trade(type_, 7, price, 1_795_185_009) for price in (4989.75, 5010.25)]
    assert hear(client, *outside) == outside
    assert (tick.price, tick.count) == (5010.25, 5)


@pytest.mark.parametrize("encoding", Encoding)
def test_trades_nobody_watches_are_dropped_and_counted(encoding: Encoding) -> None:
    """Without a watch every trade is an event; from the first watch on only the watched symbols count."""
    client = client_speaking(encoding)
    told = trade(107, 8, 5000.0, 1)
    assert hear(client, told) == [told]
    client.watch(7, 4990, 5010)
    assert hear(client, told, told) == []
    assert client.ticks_dropped == 2
    client.unwatch(7)
    assert hear(client, trade(107, 7, 1.0, 1)) == []
    assert client.last_tick == {}


def test_watching_none_drops_every_trade() -> None:
    """No position is open: no trade matters."""
    client = client_speaking(Encoding.BINARY)
    client.watch(7, 0, 1)
    client.watch_none()
    assert hear(client, trade(107, 7, 5.0, 1), Heartbeat()) == [Heartbeat()]


def test_a_band_turned_around_lets_every_trade_through() -> None:
    """The first trade after an entry is wanted whatever its price."""
    client = client_speaking(Encoding.BINARY)
    client.watch(7, 1, -1)
    told = [trade(107, 7, price, 1) for price in (-5.0, 0.0, 5.0)]
    assert hear(client, *told) == told


def test_a_new_band_keeps_the_last_trade() -> None:
    """Extremes move; what was seen stays."""
    client = client_speaking(Encoding.BINARY)
    client.watch(7, 1, 9)
    hear(client, trade(107, 7, 5.0, 1))
    client.watch(7, 2, 8)
    assert (client.last_tick[7].price, client.last_tick[7].count) == (5.0, 1)
    told = trade(107, 7, 1.5, 1)
    assert hear(client, told) == [told]


@pytest.mark.parametrize("price", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("encoding", [Encoding.BINARY, Encoding.VLS])
def test_a_price_that_is_no_number_is_skipped_and_not_remembered(encoding: Encoding, price: float) -> None:
    """S5: NaN is inside no band and must not become the last trade."""
    client = client_speaking(encoding)
    client.watch(7, -1e308, 1e308)
    (skipped,) = hear(client, trade(107, 7, price, 1))
    assert skipped == Skipped(reason="not finite", type=107, size=40)
    assert client.skipped == {"not finite": 1}
    assert (client.last_tick[7].price, client.last_tick[7].count) == (None, 0)


def test_a_trade_cut_short_is_still_read_by_its_size() -> None:
    """S2: without its time it is a trade at time 0; without its price it is one at price 0, outside the band."""
    client = client_speaking(Encoding.BINARY)
    client.watch(7, 4990, 5010)
    frame = encode(MarketDataUpdateTrade(SymbolID=7, Price=5000.0, DateTime=9), Encoding.BINARY)
    client.receive_data(struct.pack("<H", 32) + frame[2:32], 0)
    assert client.next_event() is NEED_DATA
    assert (client.last_tick[7].price, client.last_tick[7].time) == (5000.0, 0)
    client.receive_data(struct.pack("<H", 12) + frame[2:12], 0)
    assert client.next_event() == MarketDataUpdateTrade(SymbolID=7)


def test_ticks_split_at_every_byte_are_counted_once() -> None:
    """S1: the filter waits for whole frames."""
    client = client_speaking(Encoding.BINARY)
    client.watch(7, 4990, 5010)
    wire = b"".join(encode(trade(type_, 7, 5000.0, 1), Encoding.BINARY) for type_ in sorted(TRADE_TYPES)) * 3
    for byte in wire:
        client.receive_data(bytes((byte,)), 0)
        assert client.next_event() is NEED_DATA
    assert client.last_tick[7].count == 3 * len(TRADE_TYPES)


def test_messages_between_ticks_keep_their_order() -> None:
    """A fill between two trades comes when it came."""
    client = client_speaking(Encoding.BINARY)
    client.watch(7, 4990, 5010)
    inside, outside = trade(147, 7, 5000.0, 1), trade(147, 7, 6000.0, 1)
    beats = [Heartbeat(CurrentDateTime=i) for i in range(3)]
    heard = hear(client, inside, beats[0], inside, inside, beats[1], outside, inside, beats[2])
    assert heard == [beats[0], beats[1], outside, beats[2]]


def test_a_venue_is_not_fooled_by_trades_from_a_client() -> None:
    """Market data goes one way."""
    venue = Connection(Role.VENUE)
    venue.start(0)
    venue.receive_data(encode(LogonRequest(), Encoding.BINARY), 0)
    list(venue.events())
    venue.send(LogonResponse())
    assert hear(venue, trade(107, 7, 1.0, 1)) == [Skipped(reason="not served", type=107, size=40)]
