"""What years of trading change: every daily command against the same on an almost empty ledger, and the long ones.

A ledger of 5,000,000 fills and 1,000,000 trades takes 3 GB and some minutes to make, so these are run by
`pytest tests/benchmarks -s -m long`; DTCPOS_BENCHMARK_TRADES makes it smaller.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dtcpos.booking import replay
from dtcpos.model import PositionKey
from dtcpos.store import LedgerReader
from tests.benchmarks.bare import Report, seconds_of, spread, timed
from tests.benchmarks.feed import ROOT, Venue, feeding, live_frames
from tests.benchmarks.ledger import FILLS_PER_TRADE, make_ledger
from tests.benchmarks.test_fills import answer, synced_keeper

TRADES = int(os.environ.get("DTCPOS_BENCHMARK_TRADES", "1000000"))
FEW = 100
TURNS = 7
LIVE = 20_000
DAILY = (
    "positions --json",
    "positions",
    "tail",
    "tail --account Sim1 --symbol MESH20-CME",
    "status",
    "accounts",
    "stats --since today",
    "history --account Sim1 --symbol MESH26-CME -n 20",
    "export trades --cursor t --output {folder}/trades-{{number}}.csv",
    "export fills --cursor f --output {folder}/fills-{{number}}.csv",
)
# Codes that say how the ledger is: no line is up, something needs attention.
TOLD = (0, 3, 6)
_PEAK = """
import sys
from pathlib import Path
from dtcpos.cli.app import app
sys.argv = ["dtcpos", *sys.argv[1:]]
try:
    app()
except SystemExit as end:
    assert end.code in (None, 0), end.code
lines = Path("/proc/self/status").read_text().splitlines() if Path("/proc/self/status").exists() else ["VmHWM: 0"]
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")), file=sys.stderr)
"""

pytestmark = [pytest.mark.long, pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A ledger of a few trades, and one of many."""
    folder = tmp_path_factory.mktemp("scale")
    until = datetime.now(UTC)
    return make_ledger(folder / "few.db", FEW, until=until), make_ledger(folder / "many.db", TRADES, until=until)


def run(path: Path, words: str) -> float:
    """Run a command on a ledger and return the seconds it took."""
    command = [sys.executable, "-m", "dtcpos", *words.format(folder=path.parent / path.stem).split(), "--db", str(path)]
    with timed() as spent:
        ran = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=3600)
    assert ran.returncode in TOLD, ran.stderr
    return spent[0]


def peak_of(path: Path, words: str) -> tuple[float, float]:
    """Run a command in a process of its own; return the seconds it took and its peak memory in MB."""
    command = [sys.executable, "-c", _PEAK, *words.split(), "--db", str(path)]
    with timed() as spent:
        ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=7200)
    return spent[0], int(ran.stderr.splitlines()[-1]) / 1024


def test_daily_commands(ledgers: tuple[Path, Path], report: Report) -> None:
    """F4: what is asked all day takes as long with five million fills as with five hundred."""
    few, many = ledgers
    for path in ledgers:
        (path.parent / path.stem).mkdir(exist_ok=True)
    for words in DAILY:
        # The first time an export has everything to tell, and the many pages of the other are read from the disk.
        for path in ledgers:
            run(path, words)
        ratios, seconds = [], []
        for _ in range(TURNS):
            bare = run(few, words)
            seconds.append(run(many, words))
            ratios.append(seconds[-1] / bare)
        name = words.partition(" --output")[0]
        figures = f"{statistics.median(seconds) * 1e3:.0f} ms"
        what = f"`{name}`, {TRADES * FILLS_PER_TRADE:,} fills / {FEW * FILLS_PER_TRADE:,}"
        report.add("F4", what, spread(ratios), "at most 1.3", figures)


def test_connecting_once(ledgers: tuple[Path, Path], report: Report) -> None:
    """F6: `connect --once` with nothing new opens a ledger of any size in the same time."""
    ratios, seconds = [], []
    for turn in range(TURNS + 1):
        spent = []
        for path in ledgers:
            with feeding() as feed:
                spent.append(run(path, f"connect 127.0.0.1:{feed.port} --once"))
        if turn:
            seconds.append(spent[1])
            ratios.append(spent[1] / spent[0])
    what = f"`connect --once`, nothing new, {TRADES * FILLS_PER_TRADE:,} fills / {FEW * FILLS_PER_TRADE:,}"
    report.add("F6", what, spread(ratios), "at most 1.3", f"{statistics.median(seconds) * 1e3:.0f} ms")


def replayed_per_second(path: Path) -> float:
    """Return how many fills a second a bare replay books, of a few keys whose fills are in memory."""
    with LedgerReader.open(path) as reader:
        keys = reader.keys()[:4]
        fills = {key: reader.fills_of_key(*key) for key in keys}
    spent = seconds_of(lambda: [replay(PositionKey("SIM", *key), fills[key]) for key in keys])
    return sum(map(len, fills.values())) / spent


def test_long_commands(ledgers: tuple[Path, Path], report: Report, tmp_path: Path) -> None:
    """F5, N15: what is about everything goes through it once, in memory that does not grow with it."""
    few, many = ledgers
    count = TRADES * FILLS_PER_TRADE
    bare = replayed_per_second(many)
    for words in ("verify", "rebuild --dry-run"):
        seconds, peak = peak_of(many, words)
        figures = f"{seconds:.0f} s, {count / seconds:,.0f} fills/s, {peak:.0f} MB; bare replay {bare:,.0f} fills/s"
        ratio = f"{bare * seconds / count:.1f}"
        report.add("N15", f"`{words}` of {count:,} fills, time / bare replay", ratio, "", figures)
    seconds, peak = peak_of(many, f"export trades --output {tmp_path / 'trades.csv'}")
    _, least = peak_of(few, f"export trades --output {tmp_path / 'few.csv'}")
    figures = f"{seconds:.0f} s, {peak:.0f} MB, {least:.0f} MB for {FEW}"
    report.add("F5", f"`export trades` of {TRADES:,}, memory / of {FEW}", f"{peak / least:.2f}", "flat", figures)


def test_bytes_per_fill(ledgers: tuple[Path, Path], report: Report, tmp_path: Path) -> None:
    """What a fill takes of the disk with its journal entry, its share of order and trade, and all indexes."""
    venue, path = Venue(), tmp_path / "live.db"
    keeper = synced_keeper(path, venue)
    for start in range(0, LIVE, 500):
        keeper.receive_data(b"".join(live_frames(start, 500)), now=time.time())
        answer(keeper, venue)
    keeper.stop(now=time.time())
    many = ledgers[1].stat().st_size / (TRADES * FILLS_PER_TRADE)
    figures = f"{LIVE:,} fills heard live; {many:.0f} bytes in the ledger of {TRADES * FILLS_PER_TRADE:,}"
    report.add("", "bytes of the file for a fill", f"{path.stat().st_size / LIVE:.0f}", "", figures)
