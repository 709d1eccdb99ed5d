"""Statistics of a million trades against a bare loop over the same rows, and how long pairing takes."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.earnings import performance
from dtcpos.model import Account, Direction, Instrument, PositionKey, Trade
from dtcpos.settings import TradingDay
from dtcpos.store import PositionRepository, Selection
from dtcpos.store.exits import ExitReader
from tests.benchmarks.bare import Report, spread, timed

TRADES = 1_000_000
START = datetime(2022, 1, 3, tzinfo=UTC)
KEYS = (PositionKey("LIVE", "120005", "MESZ26-CME"), PositionKey("SIM", "Sim1", "ESZ26-CME"))
_BARE = "SELECT entry_time, exit_time, realized, commission, mae, mfe FROM trade ORDER BY mode, exit_time"


def trade_of(number: int) -> Trade:
    """Return the trade of that number: two keys by turns, two and a half minutes apart."""
    entered, points = START + timedelta(seconds=150 * number), Decimal(number * 7 % 81 - 40) / 4
    price = Decimal(20_000 + number % 400) / 4
    return Trade(
        key=KEYS[number % 2],
        direction=Direction.LONG,
        quantity=Decimal(1),
        total_quantity=Decimal(1),
        entry_time=entered,
        exit_time=entered + timedelta(seconds=5 + number % 400),
        opened_notional=price,
        closed_notional=price + points,
        realized=points,
        commission=Decimal("1.24"),
        price_min=price,
        price_max=price,
        mae=min(points, Decimal(0)),
        mfe=max(points, Decimal(0)),
        fills=2,
        opened_by=2 * number,
        closed_by=2 * number + 1,
    )


def fill_ledger(path: Path, count: int) -> None:
    """Write a ledger of so many trades; statistics of two fills each never ask for the fills."""
    with PositionRepository.open(path) as repository, repository.transaction():
        for key in KEYS:
            repository.put_account(Account(account=key.account, mode=key.mode, rule="name", first_seen_at=START))
            repository.put_instrument(Instrument(symbol=key.symbol, point_value=Decimal(5), currency="USD"))
        for start in range(1, count + 1, 10_000):
            repository.add_trades([trade_of(number) for number in range(start, min(start + 10_000, count + 1))])


def bare_sums(path: Path) -> tuple[Decimal, Decimal, timedelta]:
    """Add up what anybody would add up: profit, excursions and time, exactly."""
    net = excursions = Decimal(0)
    time = timedelta()
    connection = sqlite3.connect(path)
    for entered, exited, realized, commission, mae, mfe in connection.execute(_BARE):
        net += Decimal(realized) * 5 - Decimal(commission)
        excursions += Decimal(mae) + Decimal(mfe)
        time += datetime.fromisoformat(exited) - datetime.fromisoformat(entered)
    connection.close()
    return net, excursions, time


@pytest.mark.timeout(600)
def test_a_million_trades(tmp_path: Path, report: Report) -> None:
    """Every figure and breakdown of a million trades, against a loop that adds up four of them."""
    path = tmp_path / "ledger.db"
    fill_ledger(path, TRADES)
    ratios, seconds = [], []
    for _ in range(3):
        with timed() as bare:
            net, _, _ = bare_sums(path)
        with timed() as ours, ExitReader.open(path) as reader:
            blocks = performance(reader, Selection(), trading_day=TradingDay())
        assert sum(block.earned.net or 0 for block in blocks) == net
        ratios.append(ours[0] / bare[0])
        seconds.append(ours[0])
    report.add("", "stats of 1,000,000 trades / bare loop", spread(ratios), "", f"{min(seconds):.1f} s")
