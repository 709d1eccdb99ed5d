"""F5: a million trades as CSV against a bare loop over the same table, and what memory it takes."""

from __future__ import annotations

import csv
import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.model import Account, Instrument, Trade
from dtcpos.store import PositionRepository
from tests.benchmarks.bare import Report, seconds_of, spread, timed
from tests.benchmarks.test_stats import KEYS, START, trade_of

TRADES = 1_000_000
# Peak resident memory of a fresh process that exports, in KiB; what getrusage says includes the parent's.
_EXPORT = """
import sys
from pathlib import Path
from dtcpos.cli.app import app
sys.argv = ["dtcpos", "export", "trades", "--db", sys.argv[1], "--output", sys.argv[2], "--config", ""]
try:
    app()
except SystemExit as end:
    assert not end.code, end.code
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else ["VmHWM: 0"]
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


def trade(number: int) -> Trade:
    """Return a trade of one to five lots, with averages and ratios that do not terminate."""
    plain = trade_of(number)
    lots, price = Decimal(number % 5 + 1), plain.opened_notional
    assert price is not None
    assert plain.realized is not None
    assert plain.commission is not None
    return plain._replace(
        quantity=lots,
        total_quantity=lots,
        opened_notional=(price + number % 37) * lots,
        closed_notional=(price + number % 37) * lots + plain.realized,
        mae=min(plain.realized, -plain.realized, Decimal(-(number % 97))),
        mfe=max(plain.realized, Decimal(number % 89)),
        commission=plain.commission * lots,
    )


def fill_ledger(path: Path, count: int) -> None:
    with PositionRepository.open(path) as repository, repository.transaction():
        for key in KEYS:
            repository.put_account(Account(account=key.account, mode=key.mode, rule="name", first_seen_at=START))
            repository.put_instrument(Instrument(symbol=key.symbol, point_value=Decimal(5), currency="USD"))
        for start in range(1, count + 1, 10_000):
            repository.add_trades([trade(number) for number in range(start, min(start + 10_000, count + 1))])


def bare_export(path: Path, out: Path) -> None:
    """Write the table as it is, which computes nothing: no profit in money, no averages, no ratios."""
    connection = sqlite3.connect(path)
    with out.open("w", newline="", encoding="utf-8") as file:
        found = connection.execute("SELECT * FROM trade ORDER BY mode, exit_time, id")
        writer = csv.writer(file)
        writer.writerow([column[0] for column in found.description])
        for row in found:
            writer.writerow(row)
    connection.close()


def exported(path: Path, out: Path) -> int:
    """Export in a process of its own and return its peak memory in KiB."""
    ran = subprocess.run(
        [sys.executable, "-c", _EXPORT, str(path), str(out)], capture_output=True, text=True, check=True, timeout=300
    )
    return int(ran.stdout)


@pytest.mark.timeout(900)
def test_a_million_trades(tmp_path: Path, report: Report) -> None:
    """F5: the whole command, its start included, and a tenth of the rows for the memory it takes."""
    path, small = tmp_path / "ledger.db", tmp_path / "small.db"
    fill_ledger(path, TRADES)
    fill_ledger(small, TRADES // 10)
    peak_small = exported(small, tmp_path / "small.csv")
    ratios, seconds, peak = [], [], 0
    for _ in range(3):
        bare = seconds_of(lambda: bare_export(path, tmp_path / "bare.csv"))
        with timed() as ours:
            peak = max(peak, exported(path, tmp_path / "ours.csv"))
        ratios.append(ours[0] / bare)
        seconds.append(ours[0])
    with (tmp_path / "ours.csv").open(encoding="utf-8") as lines:
        assert sum(1 for _ in lines) == TRADES + 1
    report.add("F5", "export of 1,000,000 trades / bare csv loop", spread(ratios), "at most 2", f"{min(seconds):.1f} s")
    memory = f"{peak / 1024:.0f} MB, {peak_small / 1024:.0f} MB for a tenth"
    if peak_small:
        report.add("F5", "memory: 1,000,000 trades / 100,000", f"{peak / peak_small:.2f}", "flat", memory)
