"""Market data and instruments: marks, excursions, subscriptions, the worth of a point."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.dtc import Encoding, MarketDataFeedStatus
from dtcpos.keeping.corrections import Corrections
from dtcpos.keeping.posting import Posting
from dtcpos.keeping.quotes import FLUSH_S
from dtcpos.keeping.session import moment_of_clock
from dtcpos.model import Instrument, PositionKey, Source, Terms
from dtcpos.store import PositionRepository
from dtcpos.updates import AlertUpdate
from tests.notation import fill
from tests.outcome import prove
from tests.pair import TERMS, Pair

D = Decimal
KEY = PositionKey("SIM", "Sim1", "MES")


def extremes(pair: Pair) -> tuple[Decimal | None, ...]:
    position = pair.repository.positions()[KEY]
    return position.price_min, position.price_max, position.mae, position.mfe


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("ticks", [107, 112, 134, 137, 142, 146, 147])
def test_trades_of_every_generation_move_the_extremes(encoding: Encoding, ticks: int) -> None:
    """P7: long 1 @5000, low 4990, add 2 @4992, high 5010: worst -10 points, best 46, in every encoding."""
    pair = Pair(terms=TERMS + f"ticks {ticks}\n", encoding=encoding).connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1").wait(1)
    pair.perform("tick MES 4995", "tick MES 4990", "tick MES 4991").wait(1)
    pair.fill("+2 MES @ 4992", id="E-2").wait(1)
    pair.perform("tick MES 5010", "tick MES 5001").wait(1)
    assert extremes(pair) == (D(4990), D(5010), D(-10), D(46))


def test_extremes_are_written_within_a_tenth_of_a_second_and_survive_a_crash() -> None:
    """P7: a crash loses at most 100 ms of excursion and nothing of the position."""
    pair = Pair().connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1").wait(1)
    pair.perform("tick MES 4990").wait(FLUSH_S + 0.01)
    assert extremes(pair)[0] == 4990
    pair.crash().settle()
    pair.perform("tick MES 5003").wait(1)
    assert extremes(pair) == (D(4990), D(5003), D(-10), D(3))


def test_extremes_are_written_with_the_fill_that_closes() -> None:
    """P7: what a tick taught is in the trade even if the next message is the exit."""
    pair = Pair().connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1").wait(1)
    pair.perform("tick MES 4990")
    pair.fill("-1 MES @ 5001", id="E-2")
    (trade,) = pair.repository.trades_of_key("Sim1", "MES")
    assert (trade.mae, trade.mfe, trade.price_min) == (D(-10), D(1), D(4990))


def test_the_last_price_is_kept_with_its_time() -> None:
    """P10: a mark says how old it is."""
    pair = Pair().connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1").wait(1)
    pair.perform("tick MES 5002.25").wait(1)
    rows = pair.repository.database.conn.execute("SELECT symbol, price FROM mark").fetchall()
    assert rows == [("MES", "5002.25")]


def test_subscriptions_are_renewed_when_the_feed_comes_back() -> None:
    """P10: the server forgets what was subscribed while its feed was away."""
    pair = Pair().connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1").wait(1)
    before = pair.sent[-1].count(b"e\x00")  # type 101, little endian
    pair.send(MarketDataFeedStatus(Status=2)).wait(1)
    assert pair.sent[-1].count(b"e\x00") > before
    pair.perform("tick MES 4990").wait(1)
    assert extremes(pair)[0] == 4990


def test_without_market_data_nothing_is_subscribed() -> None:
    """P10: --no-market-data means none."""
    pair = Pair(market_data=False).connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1").wait(1)
    pair.perform("tick MES 4990").wait(1)
    assert extremes(pair)[0] == 5000


def test_a_symbol_nobody_can_value_is_said_once() -> None:
    """P4: points only, money null, one warning."""
    pair = Pair(terms="account Sim1\nno-answer definitions\nsymbol XYZ tick 1 value 1\n").connect().settle()
    pair.fill("+1 XYZ @ 5000", id="E-1").wait(5)
    pair.fill("+1 XYZ @ 5001", id="E-2").wait(5)
    said = [update.text for update in pair.told if isinstance(update, AlertUpdate) and update.kind == "instrument"]
    assert said == ["no point value known for XYZ: points only; `dtcpos instruments set` can say it"]
    assert pair.repository.instrument("XYZ") == Instrument(symbol="XYZ")


def test_the_servers_definition_is_asked_for_and_kept() -> None:
    """P4: CurrencyValuePerIncrement / MinPriceIncrement."""
    pair = Pair().connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1").wait(3)
    instrument = pair.repository.instrument("MES")
    assert instrument is not None
    assert (instrument.point_value, instrument.tick, instrument.point_value_source) == (D(5), D("0.25"), "server")


def test_what_only_the_shipped_table_knows_is_asked_for() -> None:
    """P5: executions of a log, long closed, learn their price factor at the next logon, and keep it."""
    pair = Pair(terms="account Sim1\nsymbol MES tick 0.25 value 1.25 multiplier 0.01\n")
    imported = [
        fill(text, number, execution_id=f"L-{number}", symbol="MES", source=Source.IMPORT, id=None)
        for number, text in enumerate(("+1 @ 500025", "-1 @ 500050"))
    ]
    with pair.repository.transaction():
        for each in imported:
            Posting(pair.repository).post_entry(each, now=each.time)
    pair.connect().settle()
    (trade,) = pair.repository.trades_of_key("Sim1", "MES")
    assert trade.realized == D("0.25")
    instrument = pair.repository.instrument("MES")
    assert instrument is not None
    assert (instrument.multiplier, instrument.multiplier_source) == (D("0.01"), "server")


def session_of(multiplier: str) -> Pair:
    terms = f"account Sim1\nsymbol MES tick 0.25 value 1.25{multiplier}\n"
    pair = Pair(terms=terms).connect().settle()
    pair.fill("+2 MES @ 5000.25", id="E-1").wait(3)
    pair.perform("tick MES 4990.5").wait(1)
    pair.fill("-1 MES @ 5010.75", id="E-2").wait(1)
    pair.fill("-2 MES @ 5011", id="E-3").wait(1)
    return pair


def test_scaled_and_unscaled_servers_give_the_same_trades() -> None:
    """P5: a display multiplier the server states changes nothing but the wire."""
    plain, scaled = session_of(""), session_of(" multiplier 0.01")
    assert scaled.repository.fills([1])[0].price == 500025
    assert scaled.trades() == plain.trades()
    assert scaled.positions() == plain.positions()
    bare = [[trade.mae, trade.mfe, trade.price_min, trade.price_max] for trade in _trades(plain)]
    assert [[trade.mae, trade.mfe, trade.price_min, trade.price_max] for trade in _trades(scaled)] == bare


def _trades(pair: Pair) -> list:  # type: ignore[type-arg]
    return pair.repository.trades_of_key("Sim1", "MES")


def test_commission_comes_from_the_settings_and_is_split_on_a_flip() -> None:
    """P6: per contract and side, by symbol or root, with where it came from; split exactly when a fill flips."""
    pair = Pair(instrument_rules={"MES": Terms(commission=D("0.62"))}).connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1").wait(1)
    pair.fill("-3 MES @ 5010", id="E-2").wait(1)
    (trade,) = _trades(pair)
    assert trade.commission == D("1.24")
    assert pair.repository.positions()[KEY].commission == D("1.24")
    instrument = pair.repository.instrument("MES")
    assert instrument is not None
    assert instrument.commission_source == "settings"


def test_a_commission_learned_later_books_the_fills_again() -> None:
    """P6: projections follow; the ledger's rows stay as they are."""
    pair = Pair().connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1").fill("-1 MES @ 5001", id="E-2").wait(3)
    assert [trade.commission for trade in _trades(pair)] == [None]
    again = Pair(repository=pair.repository, instrument_rules={"MES": Terms(commission=D("0.62"))})
    again.keeper.start(now=again.now)
    assert [trade.commission for trade in _trades(pair)] == [D("1.24")]
    assert "commission_unknown" not in _trades(pair)[0].flags


def heat_of(pair: Pair) -> object:
    return pair.repository.heats().get(KEY)


def test_heat_is_since_when_the_position_is_under_water() -> None:
    """P12: it begins with the first trade below, survives a crash, ends with the first at or above."""
    pair = Pair().connect().settle()
    pair.fill("+2 MES @ 5000", id="E-1").wait(1)
    assert heat_of(pair) is None
    pair.perform("tick MES 4999.75").wait(1)
    since = heat_of(pair)
    assert since is not None
    pair.perform("tick MES 4999.5").wait(1)
    pair.crash().settle()
    pair.perform("tick MES 4999.75").wait(1)
    assert heat_of(pair) == since
    pair.perform("tick MES 5000").wait(1)
    assert heat_of(pair) is None
    pair.perform("tick MES 4999.75").wait(1)
    pair.fill("-3 MES @ 4999.75", id="E-2").wait(1)
    assert heat_of(pair) is None, "a new position starts dry"


def test_heat_of_a_short_is_above_its_price() -> None:
    """P12: the other way round."""
    pair = Pair().connect().settle()
    pair.fill("-1 MES @ 5000", id="E-1").wait(1)
    pair.perform("tick MES 4999").wait(1)
    assert heat_of(pair) is None
    pair.perform("tick MES 5000.25").wait(1)
    assert heat_of(pair) is not None


def test_prices_the_server_saw_while_we_were_away_are_taken_over() -> None:
    """P7: high and low during the position, stated in the snapshot, widen what we saw."""
    pair = Pair(terms=TERMS + "extremes on\n").connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1").wait(1)
    pair.lose()
    pair.perform("tick MES 4985", "tick MES 5004")
    pair.connect().settle()
    assert extremes(pair) == (D(4985), D(5004), D(-15), D(4))


def test_a_mode_rule_that_came_too_late_is_said() -> None:
    """M2: an account keeps its mode until a person moves it, and the settings that disagree do not do so in silence."""
    pair = Pair().connect().settle()
    again = Pair(repository=pair.repository, mode_rules={"120005": "SIM"})
    told = again.keeper.start(now=again.now)
    (alert,) = [update for update in told if isinstance(update, AlertUpdate)]
    assert "120005 in SIM (kept in LIVE); run `dtcpos accounts set 120005 SIM`" in alert.text


def followed_file(folder: Path) -> tuple[Pair, PositionRepository]:
    """Return a pair that is long 1 with a price still to be written, and another opening of its ledger."""
    path = folder / "ledger.db"
    pair = Pair(repository=PositionRepository.open(path)).connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1").settle()
    pair.perform("tick MES 4990")
    return pair, PositionRepository.open(path)


def test_another_process_takes_away_nothing_that_prices_have_taught(tmp_path: Path) -> None:
    """P7: an extreme still to be written is kept where the position stayed as it was."""
    pair, other = followed_file(tmp_path)
    other.set_preference("a", "b")
    pair.perform("tick MES 4995").wait(1)
    assert extremes(pair) == (D(4990), D(5000), D(-10), D(0))


@pytest.mark.parametrize("end", [lambda pair: pair.keeper.stop(now=pair.now), Pair.lose])
def test_what_a_person_closed_stays_closed_when_the_session_ends(tmp_path: Path, end: Callable[[Pair], object]) -> None:
    """N2, U1: an extreme written with the end of the session brings no position back."""
    pair, other = followed_file(tmp_path)
    with other.transaction():
        entries = Corrections(other, now=moment_of_clock(pair.now))
        entries.close("Sim1", "MES", price=D(5001), quantity=None, time=None, reason="by phone")
    end(pair)
    assert other.positions() == {}
    prove(other)
