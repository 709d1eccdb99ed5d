"""Much of everything: a backlog, many accounts, ticks and days; the file and the memory grow with fills alone."""

from __future__ import annotations

import gc
import random
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.dtc import Encoding, encode
from dtcpos.dtc.messages.market import MarketDataUpdateTrade
from dtcpos.model import PositionKey
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import LedgerReader, PositionRepository
from tests.crash.commands import finished, started
from tests.load.crowd import Crowd, calm, reads
from tests.outcome import assert_true, prove
from tests.pair import Pair

TERMS = "account Sim1\naccount 120005\nsymbol MES tick 0.25 value 1.25\nsymbol MNQ tick 0.25 value 0.50\n"
KEY = PositionKey("SIM", "Sim1", "MES")
TICK = Decimal("0.25")
MIB = 1 << 20
# Work is counted here and not time, so neither side may give the other up.
PATIENT = ("--timeout", "600", "--heartbeat", "300", "--request-timeout", "300")


def caught_up(folder: Path, fills: int) -> None:
    """Let a first contact meet so many fills, half of them while it is connected, beside a reader and a writer."""
    path = folder / "l.db"
    PositionRepository.open(path).close()
    crowd = Crowd()
    text = (
        f"{TERMS}history-burst {fills // 2} Sim1 MES @ 5050\nstart connect\n--\nburst {fills // 2} 120005 MNQ @ 18000\n"
    )
    with SimulatedServer(parse_dialogue(text, name="backlog")) as server:
        crowd.join("entry", lambda: _entered(path))
        crowd.join("reader", reads(path))
        for _ in range(2):
            child = started("connect", server.address, "--once", "--json", *PATIENT, "--db", path)
            output, complaints = child.communicate(timeout=600)
            assert (child.returncode, complaints) == (0, ""), complaints
            assert output
        crowd.leave(120)
        print(f"{fills} fills beside {dict(crowd.done)}")
        with LedgerReader.open(path) as reader:
            assert_true(reader, server.venue)
            assert sum(1 for _ in reader.fills()) == fills
            assert reader.integrity() == "ok"


def _entered(path: Path) -> None:
    calm(finished("switch", "LIVE", "--db", path, "--config", ""), (0,))


def test_a_backlog_is_caught_up(tmp_path: Path) -> None:
    """N3: thousands of fills at first contact, each booked once, durable when the command ends."""
    caught_up(tmp_path, 3_000)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_backlog_of_a_hundred_thousand_is_caught_up(tmp_path: Path) -> None:
    """N3: the same with 100,000."""
    caught_up(tmp_path, 100_000)


def test_eight_accounts_of_fifty_symbols_in_both_modes() -> None:
    """M3: four hundred positions side by side, each its own, none added to another's mode."""
    accounts = [f"Sim{number}" for number in range(4)] + [f"12000{number}" for number in range(4)]
    symbols = [f"S{number:02d}" for number in range(50)]
    terms = "\n".join(
        [*(f"account {name}" for name in accounts), *(f"symbol {name} tick 0.25 value 1" for name in symbols)]
    )
    pair = Pair(terms=terms, one_position_per_account=False).connect().settle()
    held = {
        (account, symbol): place + turn + 1
        for place, account in enumerate(accounts)
        for turn, symbol in enumerate(symbols)
    }
    for (account, symbol), quantity in held.items():
        pair.fill(f"+{quantity} {symbol} @ 100", account=account, id=f"{account}-{symbol}", order=f"{account}-{symbol}")
    pair.reconnect().settle()
    stored = pair.repository.positions()
    assert {key[1:]: position.signed_quantity for key, position in stored.items()} == held
    assert Counter(key.mode for key in stored) == {"SIM": 200, "LIVE": 200}
    assert not pair.repository.open_breaks()
    prove(pair.repository)


def ticked(path: Path, ticks: int) -> None:
    """Hold a position through so many trades of its symbol, and know its extremes to the tick."""
    chance, price = random.Random(20_261_122), Decimal(5000)
    with PositionRepository.open(path) as repository:
        pair = Pair(repository=repository).connect().settle()
        pair.fill("+2 MES @ 5000", id="E-1", order="1").settle()
        pages, prices = pages_of(repository), [price]
        for start in range(0, ticks, 1_000):
            octets = bytearray()
            for _ in range(min(1_000, ticks - start)):
                price += chance.choice((-TICK, TICK))
                prices.append(price)
                octets += encode(
                    MarketDataUpdateTrade(SymbolID=1, Price=float(price), Volume=1.0, DateTime=pair.now),
                    Encoding.BINARY,
                )
            pair.now = round(pair.now + 0.5, 3)
            pair.feed(bytes(octets))
            pair.wait(0.2)
        held = repository.positions()[KEY]
        assert (held.price_min, held.price_max) == (min(prices), max(prices))
        assert (held.mae, held.mfe) == (2 * (min(prices) - 5000), 2 * (max(prices) - 5000))
        pair.wait(1)
        with LedgerReader.open(path) as reader:
            assert reader.marks()["MES"].price == price
        pair.fill(f"-2 MES @ {price}", id="E-2", order="2")
        (trade,) = repository.trades_of_key("Sim1", "MES")
        assert (trade.mae, trade.mfe) == (held.mae, held.mfe)
        assert trade.realized == 2 * (price - 5000)
        assert pages_of(repository) <= pages + 1, "ticks grow no file"


def test_extremes_are_right_after_many_ticks(tmp_path: Path) -> None:
    """P7, F3: twenty thousand trades of a symbol held, the worst and the best of them known to the tick."""
    ticked(tmp_path / "l.db", 20_000)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_extremes_are_right_after_a_million_ticks(tmp_path: Path) -> None:
    """P7, F3: the same with a million."""
    ticked(tmp_path / "l.db", 1_000_000)


def rows_of(repository: PositionRepository) -> dict[str, int]:
    """Return how many rows every table has."""
    connection = repository.database.conn
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def pages_of(repository: PositionRepository) -> int:
    return int(repository.database.conn.execute("PRAGMA page_count").fetchone()[0])


def reconnected(path: Path, times: int) -> None:
    """Reconnect so often with nothing new, and with prices, statuses and heartbeats in between; the file stays."""
    with PositionRepository.open(path) as repository:
        pair = Pair(repository=repository).connect().settle()
        for number in range(20):
            pair.fill(f"{'-+'[number % 3 > 0]}1 MES @ {5000 + number}", id=f"E-{number}", order=f"{number}")
        pair.settle()
        # Once, for what the history adds to what was heard live: a sighting each.
        pair.reconnect().settle()
        rows, pages = rows_of(repository), pages_of(repository)
        fills = len(pair.told_fills())
        for number in range(times):
            pair.reconnect().perform(f"tick MES {4990 + number % 40}").wait(11)
        assert rows_of(repository) == rows
        assert pages_of(repository) <= pages + 2
        assert len(pair.told_fills()) == fills
        assert pair.keeper.is_synced
        prove(repository)


def test_reconnecting_with_nothing_new_adds_nothing(tmp_path: Path) -> None:
    """N2: no row in any table, however often; heartbeats, prices and snapshots add none either."""
    reconnected(tmp_path / "l.db", 40)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_reconnecting_a_thousand_times_adds_nothing(tmp_path: Path) -> None:
    """N2: the same a thousand times."""
    reconnected(tmp_path / "l.db", 1_000)


def memory_held() -> int:
    """Return the resident memory of this process in bytes."""
    gc.collect()
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) << 10
    raise AssertionError("no VmRSS")


class Soak:
    """Days of a trader with one keeper: sessions, losses of the line, prices, and executions in and out."""

    def __init__(self, path: Path) -> None:
        self.repository = PositionRepository.open(path)
        self.pair = Pair(repository=self.repository).connect().settle()
        self.fills = 0

    def day(self, fills: int = 20) -> None:
        """Let a day go by: a few losses of the line, prices between, every position closed in the end."""
        pair = self.pair
        for number in range(fills):
            side = "+" if number % 2 == 0 else "-"
            self.fills += 1
            pair.fill(f"{side}1 MES @ {5000 + number}", id=f"E-{self.fills}", order=f"{self.fills}", away=number == 7)
            pair.perform(f"tick MES {4995 + number}").wait(5)
            if number % 5 == 4:
                pair.reconnect().settle()
        pair.wait(120)
        # What a test remembers grows, what a keeper remembers must not.
        pair.told.clear()
        pair.sent[:-1] = []
        pair.heard[:-1] = []
        pair.now += 20 * 3_600
        pair.reconnect().settle()

    def stop(self) -> None:
        """End in order."""
        self.pair.keeper.stop(now=self.pair.now)
        prove(self.repository)
        self.repository.close()


def soaked(path: Path, *, warm_up: int, days: int) -> tuple[int, int, float]:
    """Return how memory grew over the days after the warm-up, how many fills were booked, and bytes of file a fill."""
    soak = Soak(path)
    for _ in range(warm_up):
        soak.day()
    memory, fills, size = memory_held(), soak.fills, pages_of(soak.repository)
    for _ in range(days):
        soak.day()
    grown, told = memory_held() - memory, soak.fills - fills
    ((page_size,),) = soak.repository.database.conn.execute("PRAGMA page_size")
    per_fill = (pages_of(soak.repository) - size) * page_size / told
    assert soak.repository.count_of_key("Sim1", "MES") == soak.fills
    soak.stop()
    return grown, told, per_fill


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_days_go_by(tmp_path: Path) -> None:
    """N2, S3: days with one keeper; what the file gains is what was booked."""
    _, fills, per_fill = soaked(tmp_path / "l.db", warm_up=1, days=1)
    assert fills == 20
    assert per_fill < 4_000


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_flat_over_many_days(tmp_path: Path) -> None:
    """N2, S3: months with one keeper: no memory gained but for what the venue of the test itself remembers."""
    grown, fills, per_fill = soaked(tmp_path / "l.db", warm_up=20, days=100)
    print(f"{fills} fills, memory grew by {grown / MIB:.1f} MiB, the file by {per_fill:.0f} bytes a fill")
    assert per_fill < 4_000
    assert grown < 16 * MIB
