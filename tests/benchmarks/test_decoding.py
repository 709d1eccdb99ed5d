"""How fast the wire is read: order updates into nouns, and trade ticks through the keeper."""

from __future__ import annotations

import random
import statistics
import struct
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

import dtcpos.dtc.connection
from dtcpos.dtc import (
    Connection,
    Encoding,
    LogonRequest,
    MarketDataUpdateTrade,
    OrderUpdate,
    Role,
    State,
    encode,
)
from dtcpos.keeper import PositionKeeper
from dtcpos.model import Fill, PositionKey
from dtcpos.translate import fill_of
from tests.benchmarks.bare import Report, seconds_of, spread
from tests.benchmarks.feed import NOON, Venue, live_frames
from tests.benchmarks.test_fills import answer, synced_keeper

UPDATES = 20_000
TICKS = 200_000
TURNS = 5
READ = 64 * 1024


def logged_on() -> Connection:
    """A client whose logon was accepted."""
    venue, client = Venue(), Connection(Role.CLIENT, logon=LogonRequest(HeartbeatIntervalInSeconds=10))
    client.start(0.0)
    while client.state is not State.SYNCING:
        client.receive_data(venue.answers(client.data_to_send()), 0.0)
        list(client.events())
    return client


def test_order_updates_into_nouns(report: Report) -> None:
    """F3: an ORDER_UPDATE into its message, and on to a fill, against `struct.unpack_from` of the whole record."""
    wire = b"".join(live_frames(0, UPDATES))
    unpack_from = OrderUpdate.fixed.unpack_from
    moment = datetime.now(UTC)

    def bare() -> None:
        for position in range(0, len(wire), OrderUpdate.size):
            unpack_from(wire, position)

    def messages() -> None:
        for _ in client.events():
            pass

    def fills() -> None:
        for message in client.events():
            assert isinstance(message, OrderUpdate)
            assert isinstance(fill_of(message, received_at=moment), Fill)

    ratios: dict[str, list[float]] = {"message": [], "fill": []}
    for _ in range(TURNS):
        limit = seconds_of(bare)
        client = logged_on()
        for name, read in (("message", messages), ("fill", fills)):
            client.receive_data(wire, 0.0)
            ratios[name].append(limit / seconds_of(read))
    figures = f"bare {UPDATES / limit:,.0f}/s"
    report.add("F3", "ORDER_UPDATE into its message, rate / unpack_from", spread(ratios["message"]), "0.25", figures)
    report.add("F3", "ORDER_UPDATE on to a Fill, rate / unpack_from", spread(ratios["fill"]), "")


def ticks_of(symbol_id: int, prices: list[float]) -> bytes:
    ticks = (
        MarketDataUpdateTrade(SymbolID=symbol_id, Price=price, Volume=1.0, DateTime=NOON + 3600.0) for price in prices
    )
    return b"".join(encode(tick, Encoding.BINARY) for tick in ticks)


def walked(start: float, count: int) -> list[float]:
    """Prices of a walk by quarter points that begins at `start`."""
    steps, prices = random.Random(7), []
    for _ in range(count):
        start += steps.choice((-0.25, 0.0, 0.25))
        prices.append(start)
    return prices


def fed(keeper: PositionKeeper, wire: bytes) -> None:
    for position in range(0, len(wire), READ):
        keeper.receive_data(wire[position : position + READ], now=time.time())


def test_ticks_through_the_keeper(tmp_path: Path, report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    """F3: trade ticks of a held symbol; the extremes are right, and a tick that changes nothing makes no object."""
    rates, ratios, made = [], [], []
    read = struct.Struct("<12xdd").unpack_from
    decode_frame = dtcpos.dtc.connection.decode_frame

    def counted(*frame: object) -> object:
        made.append(1)
        return decode_frame(*frame)  # type: ignore[arg-type]

    for turn in range(TURNS):
        venue = Venue()
        keeper = synced_keeper(tmp_path / f"ledger{turn}.db", venue)
        (frame,) = live_frames(0, 1)
        keeper.receive_data(frame, now=time.time())
        while "MESZ26" not in venue.symbol_ids:
            answer(keeper, venue)
        prices = walked(5050.25, TICKS)
        wire = ticks_of(venue.symbol_ids["MESZ26"], prices)
        if not turn:
            monkeypatch.setattr(dtcpos.dtc.connection, "decode_frame", counted)
        spent = seconds_of(lambda keeper=keeper, wire=wire: fed(keeper, wire))  # type: ignore[misc]
        monkeypatch.setattr(dtcpos.dtc.connection, "decode_frame", decode_frame)
        limit = seconds_of(lambda wire=wire: [read(wire, at) for at in range(0, len(wire), MarketDataUpdateTrade.size)])
        rates.append(TICKS / spent)
        ratios.append(limit / spent)
        keeper.tick(now=time.time() + 1)
        position = keeper.positions[PositionKey("SIM", "Sim1", "MESZ26")]
        assert (position.price_min, position.price_max) == (Decimal(min(prices)), Decimal(max(prices)))
        assert position.mfe - position.mae == Decimal(max(prices)) - Decimal(min(prices))
        keeper.stop(now=time.time())
    extremes = sum(
        price < min(prices[:number], default=5050.25) or price > max(prices[:number], default=5050.25)
        for number, price in enumerate(prices[:2000])
    )
    assert len(made) >= extremes
    figures = f"{statistics.median(rates):,.0f}/s, {len(made)} of {TICKS:,} became objects"
    report.add("F3", "trade ticks, rate / unpack_from", spread(ratios), "300,000/s", figures)
