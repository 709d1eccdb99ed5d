"""The tape: what traded at each price of a session, kept without an object for a tick that changes nothing."""

from __future__ import annotations

import pytest

import dtcpos.dtc.ticks
from dtcpos.dtc import MESSAGE_TYPES, TRADE_TYPES, Connection, Encoding, LastTick, MarketDataSnapshot, Message
from tests.dtc.test_ticks import client_speaking, hear

T = 1_795_185_000
DAY = 86_400


def session_of(wire: float) -> tuple[float, float, float] | None:
    """Days of UTC; times in seconds or, by magnitude, in microseconds; a day past T is the future."""
    unit = 1_000_000 if wire > 1e14 else 1
    start = wire / unit // DAY * DAY
    return None if start > T + DAY else (start, start * unit, (start + DAY) * unit)


def trade(type_: int, price: float, volume: float, side: int, time: float = T, symbol_id: int = 7) -> Message:
    kind = MESSAGE_TYPES[type_]
    if type_ == 134:
        return kind(SymbolID=symbol_id, LastTradePrice=price, LastTradeVolume=volume, LastTradeDateTime=time)
    values = {} if type_ == 142 else {"DateTime": round(time * 1_000_000) if type_ in (146, 147) else time}
    volume = int(volume) if type_ in (137, 142, 146) else volume
    return kind(SymbolID=symbol_id, Price=price, Volume=volume, AtBidOrAsk=side, **values)


def tape_of(client: Connection) -> tuple[dict[float, float], float, float]:
    tick = client.last_tick[7]
    return tick.volumes, tick.at_bid, tick.at_ask


def taped(encoding: Encoding = Encoding.BINARY, low: float = 4990, high: float = 5010) -> Connection:
    client = client_speaking(encoding)
    client.keep_tapes(session_of)
    client.watch(7, low, high)
    return client


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("type_", sorted(TRADE_TYPES - {134, 142}))
@pytest.mark.parametrize("band", [(4990, 5010), (1, -1)])
def test_volume_by_price_and_side(encoding: Encoding, type_: int, band: tuple[float, float]) -> None:
    """2 at the bid at 5000; 3 at the ask and 1 of neither side at 5000.25; silent or as events, in every encoding."""
    client = taped(encoding, *band)
    hear(client, trade(type_, 5000, 2, 1), trade(type_, 5000.25, 3, 2), trade(type_, 5000.25, 1, 0))
    assert tape_of(client) == ({5000: 2, 5000.25: 4}, 2, 3)
    assert client.last_tick[7].is_whole
    assert client.last_tick[7].session == T // DAY * DAY


@pytest.mark.parametrize("encoding", Encoding)
def test_what_repeats_a_trade_is_not_counted_again(encoding: Encoding) -> None:
    """The snapshot on subscribing and the last trade told again have a price and no volume of their own."""
    client = taped(encoding)
    hear(client, trade(107, 5000, 2, 1), trade(134, 5000, 2, 1))
    hear(client, MarketDataSnapshot(SymbolID=7, LastTradePrice=5001.0, LastTradeVolume=9.0, LastTradeDateTime=float(T)))
    assert tape_of(client) == ({5000: 2}, 2, 0)


def test_without_sessions_there_is_no_tape() -> None:
    """Nobody who does not ask pays."""
    client = client_speaking(Encoding.BINARY)
    client.watch(7, 4990, 5010)
    hear(client, trade(107, 5000, 2, 1))
    assert tape_of(client) == ({}, 0, 0)


@pytest.mark.parametrize("type_", [107, 147])
def test_a_session_begins_the_tape_anew_and_late_trades_are_not_of_it(type_: int) -> None:
    """The first trade of a session decides, by its own time; a new band keeps the tape."""
    client = taped()
    hear(client, trade(type_, 5000, 2, 1), trade(type_, 5001, 7, 2, T + DAY))
    client.watch(7, 4000, 6000)
    hear(client, trade(type_, 5002, 5, 1, T), trade(type_, 5001, 1, 1, T + DAY + 1))
    assert tape_of(client) == ({5001: 8}, 1, 7)
    assert client.last_tick[7].session == T // DAY * DAY + DAY
    assert client.last_tick[7].is_whole


def test_types_with_other_units_of_time_make_one_tape() -> None:
    """Seconds beside microseconds, and the same type in another unit."""
    client = taped()
    ticks = [trade(107, 5000, 1, 1), trade(147, 5000, 2, 1), trade(112, 5000, 4, 1), trade(107, 5000, 8, 1)]
    hear(client, *ticks, trade(107, 5000, 16, 1, (T + 1) * 1_000_000), trade(107, 5000, 32, 1))
    assert tape_of(client) == ({5000: 63}, 63, 0)


def test_a_trade_without_a_time_has_that_of_the_one_before() -> None:
    """Before any time was told it cannot be placed, and what it belonged to is not whole."""
    client = taped()
    hear(client, trade(146, 5000, 1, 1), trade(142, 5001, 2, 2))
    assert tape_of(client) == ({5000: 1, 5001: 2}, 1, 2)
    client = taped()
    hear(client, trade(142, 5001, 2, 2), trade(146, 5000, 1, 1))
    assert tape_of(client) == ({5000: 1}, 1, 0)
    assert not client.last_tick[7].is_whole
    hear(client, trade(146, 5000, 3, 1, T + DAY))
    assert client.last_tick[7].is_whole


def test_a_time_that_cannot_be_meant_spoils_its_session_and_the_next() -> None:
    """Nobody knows of which of the two the trade was."""
    client = taped()
    hear(client, trade(107, 5000, 1, 1), trade(107, 5000, 1, 1, T + 9 * DAY))
    wholes = [client.last_tick[7].is_whole]
    for day in (1, 2):
        hear(client, trade(107, 5000, 1, 1, T + day * DAY))
        wholes.append(client.last_tick[7].is_whole)
    assert wholes == [False, False, False]  # the third is in the future too


@pytest.mark.parametrize("volume", [0.0, -1.0, float("nan")])
def test_a_volume_that_is_none_changes_nothing(volume: float) -> None:
    """S5: a broken field is no trade."""
    client = taped()
    hear(client, trade(107, 5000, volume, 1))
    assert tape_of(client) == ({}, 0, 0)


def test_an_infinite_price_is_on_no_tape() -> None:
    """S5: also where no band keeps it out."""
    client = taped(low=float("-inf"), high=float("inf"))
    hear(client, trade(107, float("inf"), 1, 0), trade(107, 5000, 1, 0))
    assert tape_of(client)[0] == {5000: 1}


def test_the_tape_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """S5: a feed of ever new prices does not fill the memory; the tape says that it is not whole."""
    monkeypatch.setattr(dtcpos.dtc.ticks, "_LEVELS_MAX", 3)
    client = taped()
    hear(client, *(trade(107, 5000 + number, 1, 0) for number in range(5)))
    tick: LastTick = client.last_tick[7]
    assert (len(tick.volumes), tick.is_whole) == (3, False)
