"""Snapshots at entry and exit: from the tape where it is known, from a feed where there is one, else null."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from decimal import Decimal

import pytest

from dtcpos.dtc import (
    Encoding,
    FeedStatus,
    MarketDataFeedStatus,
    MarketDataFeedSymbolStatus,
    MarketDataReject,
    MarketDataUpdateTrade,
)
from dtcpos.model import Snapshot
from dtcpos.settings import TradingDay
from dtcpos.updates import TradeUpdate
from tests.pair import Pair, bytewise

D = Decimal
# A minute after the clock of the tests begins.
DAY = TradingDay(timezone="UTC", start=time(12, 1))
NOTHING = (None, None, None)


def before_open(**options: object) -> Pair:
    """A keeper that follows MES and is synced before the trading session begins."""
    return Pair(**{"trading_day": DAY, "symbols": ["MES"], **options}).connect().settle()


def into_session(pair: Pair) -> Pair:
    return pair.wait(61)


def traded(pair: Pair, *ticks: str, ahead_s: float = 0, factor: int = 1) -> Pair:
    """Send `5000 x 2 bid` as a trade of now."""
    symbol_id = 1
    messages = []
    for tick in ticks:
        price, _, volume, side = tick.split()
        messages.append(
            MarketDataUpdateTrade(
                SymbolID=symbol_id,
                Price=float(price) * factor,
                Volume=float(volume),
                AtBidOrAsk=("none", "bid", "ask").index(side),
                DateTime=pair.now + ahead_s,
            )
        )
    return pair.send(*messages)


def entry_of(pair: Pair) -> tuple[Decimal | None, ...]:
    row = pair.repository.database.conn.execute("SELECT entry_vwap, entry_cum_delta, entry_poc FROM open_position")
    return decimals(row.fetchone())


def trade_of(pair: Pair) -> tuple[tuple[Decimal | None, ...], tuple[Decimal | None, ...]]:
    row = pair.repository.database.conn.execute(
        "SELECT entry_vwap, entry_cum_delta, entry_poc, exit_vwap, exit_cum_delta, exit_poc FROM trade ORDER BY id DESC"
    ).fetchone()
    return decimals(row[:3]), decimals(row[3:])


def decimals(row: tuple[str | None, ...]) -> tuple[Decimal | None, ...]:
    return tuple(None if text is None else D(text) for text in row)


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("split", [None, bytewise])
def test_the_session_at_entry_and_at_exit(encoding: Encoding, split: Callable[..., object] | None) -> None:
    """Entry: (2x5000 + 1x5000.5 + 1x5001)/4 = 5000.375, delta 1+1-2 = 0, poc 5000. Exit: 4 more bought at 5001."""
    pair = into_session(before_open(encoding=encoding, split=split))
    traded(pair, "5000 x 2 bid", "5000.5 x 1 ask", "5001 x 1 ask")
    pair.fill("+1 MES @ 5001", id="E-1")
    assert entry_of(pair) == (D("5000.375"), D(0), D(5000))
    traded(pair, "5001 x 4 ask")
    pair.fill("-1 MES @ 5001", id="E-2")
    # 20001.5 + 20004 = 40005.5 over 8
    assert trade_of(pair) == ((D("5000.375"), D(0), D(5000)), (D("5000.6875"), D(4), D(5001)))
    (told,) = pair.told_of(TradeUpdate)
    assert told.closed is not None
    assert (told.closed.entry_poc, told.closed.exit_vwap) == (D(5000), D("5000.6875")), "the line printed says so too"


def test_ticks_behind_a_fill_in_the_same_read_are_not_at_its_entry() -> None:
    """S1: the figures do not depend on how the stream is cut into reads."""
    pair = into_session(before_open())
    pieces: list[bytes] = []
    feed, pair.feed = pair.feed, pieces.append  # type: ignore[method-assign]
    traded(pair, "5000 x 1 bid")
    pair.fill("+1 MES @ 5000", id="E-1")
    traded(pair, "5010 x 9 ask")
    pair.fill("-1 MES @ 5010", id="E-2")
    pair.feed = feed  # type: ignore[method-assign]
    pair.feed(b"".join(pieces))
    assert trade_of(pair) == ((D(5000), D(-1), D(5000)), (D(5009), D(8), D(5010)))


def test_a_restart_keeps_the_entry_and_knows_nothing_of_the_session() -> None:
    """Subscribed after the session began: null until the next begins; what was known at entry stays."""
    pair = into_session(before_open())
    traded(pair, "5000 x 2 bid")
    pair.fill("+1 MES @ 5001", id="E-1").wait(1)
    pair.crash().settle()
    traded(pair, "5002 x 2 bid")
    assert entry_of(pair) == (D(5000), D(-2), D(5000))
    pair.fill("-1 MES @ 5002", id="E-2")
    assert trade_of(pair) == ((D(5000), D(-2), D(5000)), NOTHING)


@pytest.mark.parametrize("options", [{"symbols": []}, {"market_data": False}])
def test_a_symbol_subscribed_late_is_not_known(options: dict[str, object]) -> None:
    """Only what is in `[server] symbols` or was held before is heard from the first trade on."""
    pair = into_session(before_open(**options))
    pair.fill("+1 MES @ 5001", id="E-1").wait(1)
    if "symbols" in options:
        traded(pair, "5000 x 2 bid")
    pair.fill("-1 MES @ 5001", id="E-2")
    assert trade_of(pair) == (NOTHING, NOTHING)


def test_a_position_held_before_the_session_is_followed_through_it() -> None:
    """What was once held stays subscribed, so the session after is known."""
    pair = before_open(symbols=[])
    pair.fill("+1 MES @ 5001", id="E-1").wait(1)
    assert entry_of(pair) == NOTHING
    into_session(pair)
    traded(pair, "5000 x 2 bid")
    pair.fill("-1 MES @ 5001", id="E-2")
    assert trade_of(pair) == (NOTHING, (D(5000), D(-2), D(5000)))


def reconnected(pair: Pair) -> None:
    pair.reconnect().settle()


def feed_lost(pair: Pair) -> None:
    pair.send(MarketDataFeedStatus(Status=FeedStatus.UNAVAILABLE))


def symbol_lost_and_back(pair: Pair) -> None:
    for status in (FeedStatus.UNAVAILABLE, FeedStatus.AVAILABLE):
        pair.send(MarketDataFeedSymbolStatus(SymbolID=1, Status=status))


def timeless(pair: Pair) -> None:
    pair.send(MarketDataUpdateTrade(SymbolID=1, Price=5000.0, Volume=1.0, DateTime=4e9 * 1000))


@pytest.mark.parametrize("gap", [reconnected, feed_lost, symbol_lost_and_back, timeless])
def test_a_gap_makes_the_session_unknown(gap: Callable[[Pair], None]) -> None:
    """Null until the next session starts, whatever was heard before and after."""
    pair = into_session(before_open())
    traded(pair, "5000 x 2 bid")
    gap(pair)
    traded(pair, "5000 x 2 bid")
    pair.fill("+1 MES @ 5001", id="E-1")
    assert entry_of(pair) == NOTHING


def test_status_that_was_never_lost_is_no_gap() -> None:
    """A server may tell that a symbol is available as often as it likes."""
    pair = into_session(before_open())
    traded(pair, "5000 x 2 bid")
    pair.send(MarketDataFeedSymbolStatus(SymbolID=1, Status=FeedStatus.AVAILABLE))
    pair.fill("+1 MES @ 5001", id="E-1")
    assert entry_of(pair) == (D(5000), D(-2), D(5000))


def test_an_execution_told_late_has_no_snapshot() -> None:
    """The market of now is not that of half a minute ago."""
    pair = into_session(before_open())
    traded(pair, "5000 x 2 bid")
    pair.fill("+1 MES @ 5001", id="E-1", away=True)
    pair.wait(30).reconnect().settle()
    assert pair.positions() == ["Sim1 +1 MES @ 5001"]
    assert entry_of(pair) == NOTHING


def test_a_reversal_is_an_exit_and_an_entry() -> None:
    """P1: one fill, one trade, one new position, each with the market of that moment."""
    pair = into_session(before_open())
    traded(pair, "5000 x 2 bid")
    pair.fill("+1 MES @ 5001", id="E-1")
    traded(pair, "5003 x 6 ask")
    pair.fill("-3 MES @ 5003", id="E-2")
    at_turn = (D("5002.25"), D(4), D(5003))
    assert trade_of(pair) == ((D(5000), D(-2), D(5000)), at_turn)
    assert entry_of(pair) == at_turn
    traded(pair, "5003 x 1 bid")
    pair.fill("-1 MES @ 5003", id="E-3")
    assert entry_of(pair) == at_turn, "an increase is no entry"


def test_a_display_multiplier_is_applied() -> None:
    """P5: prices as people write them; volumes as they are."""
    terms = "account Sim1\nsymbol MES tick 0.25 value 1.25 multiplier 0.01\n"
    pair = into_session(before_open(terms=terms))
    traded(pair, "5000 x 1 bid", "5000.5 x 3 ask", factor=100)
    pair.fill("+1 MES @ 5001", id="E-1")
    assert entry_of(pair) == (D("5000.375"), D(2), D("5000.5"))


def test_a_fill_before_the_first_trade_of_its_session_knows_nothing() -> None:
    """The tape still is of the session before."""
    pair = before_open()
    traded(pair, "5000 x 2 bid")
    into_session(pair).fill("+1 MES @ 5001", id="E-1")
    assert entry_of(pair) == NOTHING


def test_a_feed_comes_before_the_tape_and_is_asked_at_entry_and_exit() -> None:
    """Its figures are display prices already; where it says nothing of the symbol, the tape does."""
    told = {"MES": Snapshot(vwap=D("4999.5"), cum_delta=D(-120), poc=D(4998))}
    pair = into_session(before_open(snapshot_feed=told.get))
    traded(pair, "5000 x 2 bid")
    pair.fill("+1 MES @ 5001", id="E-1")
    assert entry_of(pair) == (D("4999.5"), D(-120), D(4998))
    told["MES"] = Snapshot()
    pair.fill("-1 MES @ 5001", id="E-2")
    assert trade_of(pair)[1] == NOTHING
    told.clear()
    pair.fill("+1 MES @ 5001", id="E-3")
    assert entry_of(pair) == (D(5000), D(-2), D(5000))


def test_a_symbol_the_server_refuses_is_said_once_and_not_asked_for_again() -> None:
    """A misspelt symbol in the settings must not become a conversation without end."""
    pair = before_open()
    sent = len(pair.sent[-1])
    pair.send(MarketDataReject(SymbolID=1, RejectText="no such symbol")).wait(5)
    assert pair.alerts("market_data") == ["the server gives no market data for MES: no such symbol"]
    assert pair.sent[-1].count(b"MES\0") == bytes(pair.sent[-1][:sent]).count(b"MES\0")
