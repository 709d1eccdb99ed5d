"""Extremes and heat do not depend on how fills and trades of the market are cut into reads."""

from __future__ import annotations

import random
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.booking import book, flat, mark, unrealized
from dtcpos.dtc import BuySell, Encoding, MarketDataUpdateTrade, OrderUpdate, encode
from dtcpos.model import Position, PositionKey, Trade
from tests.notation import fill
from tests.pair import Pair

KEY = PositionKey("SIM", "Sim1", "MES")
# A signed quantity is an execution, none a trade of the market.
happenings = st.lists(
    st.tuples(st.sampled_from([None, None, 1, 2, 5, -1, -2, -5]), st.integers(4980, 5020)), min_size=1, max_size=14
)


def executed(number: int, signed: int, price: int, now: float) -> OrderUpdate:
    return OrderUpdate(
        Symbol="MES",
        TradeAccount="Sim1",
        ServerOrderID=f"{number}",
        OrderStatus=7,
        OrderUpdateReason=4,
        BuySell=BuySell.BUY if signed > 0 else BuySell.SELL,
        OrderQuantity=float(abs(signed)),
        FilledQuantity=float(abs(signed)),
        LastFillPrice=float(price),
        LastFillQuantity=float(abs(signed)),
        LastFillDateTime=round(now * 1000),
        LastFillExecutionID=f"E-{number}",
    )


def after_each(happened: list[tuple[int | None, int]]) -> tuple[Position, list[Trade], bool]:
    """The plain fold: every happening by itself; the position, the trades and whether it is under water."""
    position, trades, is_under = flat(KEY), [], False
    for signed, price in [(1, 5000), *happened]:
        if signed is not None:
            done = fill(f"{signed:+d} @ {price}", account=KEY.account, symbol=KEY.symbol)
            booking = book(position, done)
            position = booking.after
            trades += [booking.trade] if booking.trade is not None else []
        elif not position.is_flat:
            position = mark(position, Decimal(price))
        points = None if position.is_flat else unrealized(position, Decimal(price))
        is_under = points is not None and points < 0
    return position, trades, is_under


@settings(max_examples=60)
@given(happenings, st.sampled_from(list(Encoding)), st.randoms(use_true_random=False))
def test_a_trade_after_a_fill_in_the_same_read_is_a_mark_of_what_is_held_then(
    happened: list[tuple[int | None, int]], encoding: Encoding, chance: random.Random
) -> None:
    """P7, P12, S1: MAE, MFE, price extremes and heat are those of a plain fold, wherever the reads end."""
    pair = Pair(encoding=encoding).connect().settle().fill("+1 MES @ 5000", id="E-0").settle()
    read = b""
    for number, (signed, price) in enumerate(happened, 1):
        pair.now = round(pair.now + 0.005, 3)
        message = MarketDataUpdateTrade(SymbolID=1, Price=float(price), Volume=1.0, DateTime=pair.now)
        told = message if signed is None else executed(number, signed, price, pair.now)
        read += encode(told, encoding)
        if chance.random() < 0.4:
            pair.feed(read)
            read = b""
    pair.feed(read)
    pair.wait(1)
    position, trades, is_under = after_each(happened)
    held = pair.repository.positions().get(KEY, flat(KEY))
    assert (held.price_min, held.price_max, held.mae, held.mfe) == (
        position.price_min, position.price_max, position.mae, position.mfe,
    )  # fmt: skip
    closed = pair.repository.trades_of_key("Sim1", "MES")
    assert [(each.mae, each.mfe) for each in closed] == [(each.mae, each.mfe) for each in trades]
    assert (KEY in pair.repository.heats()) == is_under
