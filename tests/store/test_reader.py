from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest

from dtcpos.errors import LedgerError
from dtcpos.model import Break, Instrument, Mark, PositionKey, Snapshot, Verification
from dtcpos.store import EVERYTHING, LedgerReader, PositionRepository, Selection
from tests.store.ledgers import LIVE, MES, MNQ, SIM, account, at, entry, fill, fill_small, position, trade

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a ledger #1%20.db"


@pytest.fixture
def repository(path: Path) -> Iterator[PositionRepository]:
    with PositionRepository.open(path) as opened:
        fill_small(opened)
        yield opened


@pytest.fixture
def reader(repository: PositionRepository, path: Path) -> Iterator[LedgerReader]:
    with LedgerReader.open(path) as opened:
        yield opened


def test_a_holding_has_everything_that_is_stored_about_it(repository: PositionRepository, reader: LedgerReader) -> None:
    """P9, P10, P12: one answer holds position, comparison, mark, instrument, brackets, snapshots and open breaks."""
    instrument = Instrument(symbol=MNQ, point_value=Decimal(2), tick=Decimal("0.25"), currency="USD")
    mark = Mark(symbol=MNQ, price=Decimal("25310.25"), time=at(20))
    agreed = Verification(key=LIVE, agreed_quantity=Decimal(1), agreed_at=at(3), compared_at=at(4), outcome="differs")
    difference = Break(
        key=LIVE, kind="quantity", held_quantity=Decimal(1), held_average=None, reported_quantity=Decimal(2),
        reported_average=Decimal("25300.5"), found_at=at(4),
    )  # fmt: skip
    with repository.transaction():
        repository.put_instrument(instrument)
        repository.put_marks([mark])
        repository.put_verification(agreed)
        repository.set_brackets(LIVE, Decimal(25400), Decimal("25280.5"))
        repository.set_heat(LIVE, at(11))
        repository.set_initial_risk(LIVE, Decimal(20))
        repository.set_entry_snapshot(LIVE, vwap=Decimal(25299), cum_delta=Decimal(-4), poc=Decimal("25298.25"))
        answered = repository.add_break(difference)
        repository.answer_break(answered, "keep", at(5))
        repository.add_break(difference)
    (held,) = reader.positions()
    assert held.key == LIVE
    assert held.position == position(LIVE, opened_by=4, seconds=9, cost=Decimal("25300.75"))
    assert (held.mark, held.instrument, held.verification) == (mark, instrument, agreed)
    assert (held.target_price, held.stop_price, held.heat_since) == (Decimal(25400), Decimal("25280.5"), at(11))
    assert (held.entry_vwap, held.entry_cum_delta, held.entry_poc) == (Decimal(25299), Decimal(-4), Decimal("25298.25"))
    assert held.initial_risk == Decimal(20)
    assert [one.id for one in held.breaks] == [2]
    assert reader.marks() == {MNQ: mark}
    assert [one.id for one in reader.breaks()] == [2]
    assert [one.answer for one in reader.breaks(only_open=False)] == ["keep", ""]
    assert reader.breaks(Selection(account="Sim1")) == []


def test_a_holding_without_anything_around_it_says_so(reader: LedgerReader) -> None:
    """P4: what is not known is None, and not compared is not agreed."""
    (held,) = reader.positions()
    assert (held.mark, held.instrument, held.target_price, held.breaks) == (None, None, None, ())
    assert held.verification == Verification(key=LIVE)


@pytest.mark.parametrize(
    ("selection", "ids"),
    [
        (EVERYTHING, [1, 2, 4]),
        (Selection(modes=("SIM",)), [1, 2]),
        (Selection(modes=("SIM", "LIVE")), [1, 2, 4]),
        (Selection(modes=()), []),
        (Selection(account="120005"), [4]),
        (Selection(account="Sim1", symbol=MES), [1, 2]),
        (Selection(account="Sim1", symbol=MES, since=at(2)), [2]),
        (Selection(symbol=MNQ), [4]),
        (Selection(since=at(5)), [2, 4]),
        (Selection(since=at(1.25), until=at(5)), [1]),
    ],
)
def test_fills_are_selected(reader: LedgerReader, selection: Selection, ids: list[int]) -> None:
    """M2: only current fills, each with its account's mode; `since` is included and `until` is not."""
    found = list(reader.fills(selection))
    assert [one.id for one, _ in found] == ids
    assert all(mode == {"Sim1": "SIM", "120005": "LIVE"}[one.account] for one, mode in found)


def test_the_last_fills_and_the_new_ones_are_found(reader: LedgerReader) -> None:
    """U1: `tail` asks for the last ones and then for what came after them."""
    assert [one.id for one, _ in reader.fills(last=2)] == [2, 4]
    assert [one.id for one, _ in reader.fills(Selection(account="Sim1", symbol=MES), last=1)] == [2]
    assert [one.id for one, _ in reader.fills(last=0)] == []
    assert [one.id for one, _ in reader.fills(after_id=1)] == [2, 4]
    assert [one.id for one, _ in reader.fills(after_id=4)] == []


def test_trades_come_by_exit_and_for_a_cursor_by_id(repository: PositionRepository, reader: LedgerReader) -> None:
    """U3, P10: one order for people, across modes, and one for cursors."""
    paper = PositionKey("PAPER", "p1", MES)
    with repository.transaction():
        repository.put_account(account(paper))
        repository.add_trades([trade(20, 3, 30, LIVE), trade(10, 1, 4), trade(30, 1, 4.5, paper)])
    assert [one.trade.id for one in reader.trades()] == [3, 4, 1, 2]
    assert [one.trade.id for one in reader.trades(Selection(modes=("SIM", "LIVE", "SIM")))] == [3, 1, 2]
    assert [one.trade.id for one in reader.trades(Selection(modes=("SIM",), since=at(5)))] == [1]
    assert [one.trade.id for one in reader.trades(Selection(account="Sim1", symbol=MES, until=at(5)))] == [3]
    assert [one.trade.id for one in reader.trades(Selection(account="Sim1", modes=("LIVE",)))] == []
    assert [one.trade.id for one in reader.trades(after_id=1)] == [2, 3, 4]
    assert [one.trade.id for one in reader.trades(Selection(modes=("SIM",)), after_id=1)] == [3]
    assert list(reader.trades(Selection(modes=("NONE",)))) == []
    assert list(reader.trades(Selection(modes=()))) == []


def test_a_closed_trade_has_its_instrument_and_its_entry(repository: PositionRepository, reader: LedgerReader) -> None:
    """P4, P8: points become money by the instrument, and R by the initial risk."""
    with repository.transaction():
        repository.put_instrument(Instrument(symbol=MNQ, point_value=Decimal(2)))
        repository.set_initial_risk(LIVE, Decimal("20.5"))
        repository.add_trades([trade(4, 9, 30, LIVE)])
        shown = Snapshot(vwap=Decimal("25300.25"), cum_delta=Decimal(-7), poc=Decimal(25300))
        repository.set_trade_snapshots(trade(4, 9, 30, LIVE), entry=None, exit_=shown)
    plain, closed = reader.trades()
    assert (closed.exit_vwap, closed.exit_cum_delta, closed.exit_poc) == (shown.vwap, shown.cum_delta, shown.poc)
    assert (plain.instrument, plain.initial_risk) == (None, None)
    assert closed.instrument is not None
    assert (closed.instrument.point_value, closed.initial_risk, closed.entry_vwap) == (2, Decimal("20.5"), None)
    assert closed.trade.key == LIVE


def test_the_journal_is_read_by_what_it_is_about(repository: PositionRepository, reader: LedgerReader) -> None:
    """N8: every entry, those of one key, those of one mode, those after one."""
    repository.add_journal([entry("session", account="", symbol="", at=at(50))])
    assert [one.id for one in reader.journal()] == [1, 2, 3]
    assert [one.id for one in reader.journal(Selection(account="Sim1", symbol=MES))] == [1]
    assert [one.id for one in reader.journal(Selection(modes=("LIVE",)))] == [2]
    assert [one.cause for one in reader.journal(Selection(since=at(50)))] == ["session"]
    assert [one.id for one in reader.journal(after_id=2)] == [3]


def test_people_can_ask_with_sql(repository: PositionRepository, reader: LedgerReader) -> None:
    """The views give current rows with numbers as numbers."""
    rows = repository.database.execute("SELECT mode, price FROM fills").fetchall()
    assert rows == [("SIM", 6850.25), ("SIM", 6852.0), ("LIVE", 25300.75)]
    assert repository.database.execute("SELECT side, quantity, entry_price FROM positions").fetchall() == [
        ("LONG", 1.0, 25300.75)
    ]
    assert repository.database.execute("SELECT realized_points, exit_price FROM trades").fetchall() == [(1.75, 6852.0)]
    assert repository.database.execute("SELECT count(*) FROM sighting").fetchone() == (4,)
    assert reader.content_hash() == repository.content_hash()


def test_a_reader_writes_nothing(reader: LedgerReader) -> None:
    """U1: a reader's connection cannot change the file."""
    with pytest.raises(LedgerError):
        reader._rows("DELETE FROM preference")


def test_a_reader_sees_that_another_process_wrote(repository: PositionRepository, reader: LedgerReader) -> None:
    """U1: `tail -f` and `--watch` ask for a number and not for the rows."""
    version = reader.data_version()
    assert reader.data_version() == version
    repository.set_preference("mode", "LIVE")
    assert reader.data_version() != version
    assert (reader.preference("mode"), reader.links(), reader.orders()) == ("LIVE", [], [])
    assert [one.account for one in reader.accounts()] == ["120005", "Sim1"]


def test_a_listing_pays_for_no_writer() -> None:
    """F4: neither sqlite-utils nor rich is loaded to read a ledger."""
    script = (
        "import sys; from dtcpos.store import LedgerReader; print('sqlite_utils' in sys.modules, 'rich' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    assert run.stdout.split() == ["False", "False"]


def test_the_room_names_what_it_has() -> None:
    """Every public name loads, and no other."""
    import dtcpos.store as room

    for name in room.__all__:
        assert getattr(room, name)
    with pytest.raises(AttributeError):
        room.nothing  # noqa: B018 - the access is what is tested


def test_readers_and_a_writer_do_not_disturb_each_other(path: Path) -> None:
    """U1: while one thread books, others read whole batches, never an error and never half of one."""
    batches, size = 60, 8
    PositionRepository.open(path).close()
    seen: list[list[int]] = [[], [], []]
    faults: list[BaseException] = []

    def read(counts: list[int]) -> None:
        try:
            with LedgerReader.open(path) as reader:
                while not counts or counts[-1] < batches * size:
                    counts.append(len(list(reader.fills())))
                    assert not counts[-1] or len(reader.positions()) == 1
        except (LedgerError, AssertionError) as fault:
            faults.append(fault)

    readers = [Thread(target=read, args=(counts,), daemon=True) for counts in seen]
    for one in readers:
        one.start()
    with PositionRepository.open(path) as repository:
        for batch in range(batches):
            with repository.transaction():
                first = repository.next_fill_id()
                repository.add_fills([fill(first + n, batch) for n in range(size)])
                repository.put_position(position(SIM, fills=batch + 1))
    for one in readers:
        one.join(60)
    assert not faults
    for counts in seen:
        assert counts[-1] == batches * size
        assert all(count % size == 0 for count in counts)
        assert all(earlier <= later for earlier, later in pairwise(counts))


@pytest.mark.parametrize("near", [1, 3, 1000])
def test_the_newest_fills_of_a_symbol_are_found_wherever_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, near: int
) -> None:
    """F4: near the end, by the index of an expired contract, or not at all; corrected and void ones are passed over."""
    monkeypatch.setattr("dtcpos.store.reader._NEAR", near)
    path = tmp_path / "ledger.db"
    with PositionRepository.open(path) as repository, repository.transaction():
        repository.add_fills([fill(number, number, account="Sim1" if number % 3 else "Sim2") for number in range(1, 9)])
        repository.add_fills([fill(9, 9, supersedes=7, is_void=True), fill(10, 10, supersedes=2)])
        repository.add_fills([fill(number, number, symbol=MNQ) for number in range(11, 16)])
    with LedgerReader.open(path) as reader:
        everything = [each.id for each, _ in reader.fills(Selection(symbol=MES))]
        assert everything == [1, 3, 4, 5, 6, 8, 10]
        for account in (None, "Sim1", "Sim2", "Sim9"):
            for symbol in (MES, MNQ, "CLF27"):
                selection = Selection(account=account, symbol=symbol)
                found = [each.id for each, _ in reader.fills(selection)]
                for count in range(1, 9):
                    assert [each.id for each, _ in reader.fills(selection, last=count)] == found[-count:]
