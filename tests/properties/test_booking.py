"""Random histories of several keys, booked one by one: exact cash, mirrored profits, replays.

Invariants:
1. `realized - cost` is the cash that moved, with `==`, after every fill.
2. Sides and prices mirrored around a constant negate every profit.
3. A replay gives what booking one by one gave, whatever order the fills are handed over in.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from dtcpos.booking import book, flat, replay
from dtcpos.exact import EXACT
from dtcpos.model import ZERO, Fill, Position, PositionKey, Side, Trade
from tests.outcome import assert_cash, cash_of, sum_of

KEYS = [
    PositionKey("SIM", "Sim1", "MES"),
    PositionKey("SIM", "Sim1", "CL"),
    PositionKey("LIVE", "120005", "MES"),
]
START = datetime(2026, 3, 8, 7, 59, 59, tzinfo=UTC)
quantities = st.sampled_from(["1", "2", "3", "7", "0.001", "0.1", "0.333", "1000000"]).map(Decimal)
prices = st.one_of(
    st.sampled_from(["0", "-37.63", "110.515625", "1.08455", "0.00000001", "5050.25", "64999.99999999"]).map(Decimal),
    st.decimals(min_value=-100, max_value=100_000, places=2),
)
executions = st.tuples(st.sampled_from(KEYS), st.sampled_from(Side), quantities, prices, st.integers(1, 3000))


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[PositionKey, Fill]]:
    """Draw fills of several keys in the order of time, each at a millisecond of its own."""
    drawn = draw(st.lists(executions, min_size=1, max_size=40))
    elapsed = accumulate(milliseconds for *_, milliseconds in drawn)
    return [
        (
            key,
            Fill(
                account=key.account,
                symbol=key.symbol,
                side=side,
                quantity=quantity,
                price=price,
                time=START + timedelta(milliseconds=after),
                time_is_exact=True,
                execution_id=f"E-{number}",
                commission=EXACT.multiply(Decimal("0.37"), quantity),
                id=number,
            ),
        )
        for number, ((key, side, quantity, price, _), after) in enumerate(zip(drawn, elapsed, strict=True), 1)
    ]


@given(histories())
def test_the_cash_adds_up_after_every_fill(history: list[tuple[PositionKey, Fill]]) -> None:
    """P2, P3: exactly, whatever the prices, quantities and flips; a flat position has no cost left."""
    held: dict[PositionKey, Position] = {key: flat(key) for key in KEYS}
    earned: dict[PositionKey, list[Decimal | None]] = defaultdict(list)
    moved: dict[PositionKey, Decimal] = dict.fromkeys(KEYS, ZERO)
    for key, fill in history:
        booking = book(held[key], fill)
        held[key] = booking.after
        if booking.trade is not None:
            earned[key].append(booking.trade.realized)
        moved[key] = EXACT.add(moved[key], sum_of([cash_of(fill)]))
        total = sum_of([*earned[key], booking.after.realized])
        assert booking.after.cost is not None
        assert EXACT.subtract(total, booking.after.cost) == moved[key]
        if booking.after.is_flat:
            assert booking.after.cost == 0


@given(histories(), st.decimals(min_value=-1000, max_value=1000, places=2))
def test_a_mirrored_history_negates_every_profit(history: list[tuple[PositionKey, Fill]], axis: Decimal) -> None:
    """P2: mirroring all prices around a constant negates every profit; so does swapping all sides."""
    for key in KEYS:
        fills = [fill for of_key, fill in history if of_key == key]
        plain = replay(key, fills)
        swapped = replay(key, [fill._replace(side=_other(fill.side)) for fill in fills])
        reflected = replay(key, [fill._replace(price=_reflected(fill, axis)) for fill in fills])
        for mirrored in (swapped, reflected):
            assert _profits(mirrored.trades) == [-profit for profit in _profits(plain.trades)]
            assert mirrored.position.realized == -sum_of([plain.position.realized])
        both = replay(key, [fill._replace(side=_other(fill.side), price=_reflected(fill, axis)) for fill in fills])
        assert _profits(both.trades) == _profits(plain.trades)


@given(histories(), st.randoms(use_true_random=False))
def test_a_replay_is_what_was_booked_one_by_one(history: list[tuple[PositionKey, Fill]], chance: object) -> None:
    """N10: the order of the ledger is a function of the fills and not of their arrival."""
    for key in KEYS:
        fills = [fill for of_key, fill in history if of_key == key]
        position, trades = flat(key), []
        for fill in fills:
            booking = book(position, fill)
            position = booking.after
            trades += [booking.trade] if booking.trade is not None else []
        shuffled = list(fills)
        chance.shuffle(shuffled)  # type: ignore[attr-defined]
        for again in (replay(key, fills), replay(key, shuffled)):
            assert again.position == position
            assert again.trades == trades
        assert_cash(position, trades, fills)


@given(histories())
def test_commission_is_split_without_a_remainder(history: list[tuple[PositionKey, Fill]]) -> None:
    """P1: what trades and the open position carry is what was charged, exactly."""
    for key in KEYS:
        fills = [fill for of_key, fill in history if of_key == key]
        again = replay(key, fills)
        carried = [trade.commission for trade in again.trades] + [again.position.commission]
        assert sum_of(carried) == sum_of(fill.commission for fill in fills)


def _profits(trades: list[Trade]) -> list[Decimal]:
    return [sum_of([trade.realized]) for trade in trades]


def _other(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY


def _reflected(fill: Fill, axis: Decimal) -> Decimal:
    assert fill.price is not None
    return EXACT.subtract(EXACT.multiply(Decimal(2), axis), fill.price)
