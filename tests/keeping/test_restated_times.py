"""An execution that one source dates a little earlier than another: it is booked in its place, and nothing is lost."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dtcpos.dtc import BuySell, Encoding, HistoricalOrderFillResponse, OrderUpdate, encode
from tests.outcome import prove
from tests.pair import Pair

NOON = 1_795_867_200


def dated(told_ms: int) -> Pair:
    """Bought at 12:00:00, flat at 12:00:03, bought again at 12:00:04, all by history; the last is told live too."""
    terms = "account Sim1\nsymbol MES tick 0.25 value 1.25\nno-answer history"
    pair = Pair(terms=terms, request_timeout_s=1.0).connect()
    past = [
        HistoricalOrderFillResponse(
            RequestID=pair.keeper._session._sync._current.request_id,
            TotalNumberMessages=3,
            MessageNumber=number,
            Symbol="MES",
            BuySell=side,
            Price=5000.0 + number,
            DateTime=NOON + second,
            Quantity=1.0,
            UniqueExecutionID=f"H-{number}",
            ServerOrderID=f"{number}",
        )
        for number, side, second in ((1, 1, 0), (2, 2, 3), (3, 1, 4))
    ]
    pair.feed(b"".join(encode(message, Encoding.BINARY) for message in past))
    pair.feed(live("3", BuySell.BUY, 5003.0, told_ms))
    return pair.settle()


def live(number: str, side: BuySell, price: float, told_ms: int) -> bytes:
    return encode(
        OrderUpdate(
            Symbol="MES",
            ServerOrderID=number,
            OrderStatus=7,
            OrderUpdateReason=4,
            BuySell=side,
            OrderQuantity=1.0,
            FilledQuantity=1.0,
            LastFillPrice=price,
            LastFillQuantity=1.0,
            LastFillDateTime=NOON * 1000 + told_ms,
            LastFillExecutionID=f"H-{number}",
            TradeAccount="Sim1",
        ),
        Encoding.BINARY,
    )


@pytest.mark.parametrize("told_ms", [2_900, 3_000, 3_900, 4_000, 4_900, 5_000])
def test_a_live_statement_may_move_an_execution_before_a_flat_point(told_ms: int) -> None:
    """N4, N10: a server that rounds its history's seconds up does not make a position disappear."""
    pair = dated(told_ms)
    assert [position.signed_quantity for position in pair.keeper.positions.values()] == [1]
    prove(pair.repository)


def test_what_was_moved_is_corrected_in_the_place_it_had() -> None:
    """N8, N10: the trade that it was part of there is made anew as well."""
    pair = dated(3_900)
    pair.feed(live("4", BuySell.SELL, 5004.0, 3_950))
    assert pair.settle().positions() == []
    row = pair.repository.fills([3])[0]
    pair.keeper._posting.reload()
    with pair.repository.transaction():
        pair.keeper._posting.post_correction(row, row._replace(price=Decimal(5009)), now=row.time)
    prove(pair.repository)
