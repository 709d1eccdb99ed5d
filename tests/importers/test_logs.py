"""An activity log against a ledger: what is booked once, what is compared, what is refused."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import dtcpos.importers.logs
from dtcpos.importers import ImportRefused, Scales
from dtcpos.keeping.posting import Posting
from dtcpos.model import Instrument, Source
from dtcpos.store import PositionRepository
from tests.importers.writing import NOW, Row, counts, held, imported, later, log, realized, told, trades
from tests.notation import KEY, at, fill
from tests.outcome import outcome_of
from tests.pair import Pair, fills_of

D = Decimal
FIXTURES = Path(__file__).parents[2] / "fixtures" / "imports"


@pytest.fixture
def ledger() -> PositionRepository:
    return PositionRepository.in_memory()


def sighted(ledger: PositionRepository) -> list[list[str]]:
    """Where every fill has been seen, in the order of the ledger."""
    fills = fills_of(ledger)
    seen = ledger.sightings_of([fill.id for fill in fills if fill.id is not None])
    return [sorted({str(each.source) for each in seen[fill.id or 0]}) for fill in fills]


def journal_length(ledger: PositionRepository) -> int:
    return int(ledger.database.conn.execute("SELECT count(*) FROM journal").fetchone()[0])


# Booking


def test_the_fixture_is_booked(ledger: PositionRepository) -> None:
    """U7: a scale-in, partial exits and a flip from Sierra's own columns; both accounts in their modes."""
    report = imported(ledger, FIXTURES / "activity.txt")
    assert counts(report) == (6, 0, 0)
    assert report.differences == ()
    assert held(ledger) == ["120005 +1 MNQZ26-CME"]
    assert realized(ledger) == [D("3.00"), D("2.25")]
    assert {account.account: account.mode for account in ledger.accounts()} == {"Sim1": "SIM", "120005": "LIVE"}


def test_a_second_import_changes_nothing(ledger: PositionRepository) -> None:
    """N4, U7: the same file again, and the same log saved in local time and in another order, are only recognised."""
    imported(ledger, FIXTURES / "activity.txt")
    before, entries = ledger.content_hash(), journal_length(ledger)
    assert counts(imported(ledger, FIXTURES / "activity.txt", now=later(60))) == (0, 6, 0)
    report = imported(ledger, FIXTURES / "activity_chicago.txt", zone=ZoneInfo("America/Chicago"), now=later(120))
    assert counts(report) == (0, 6, 0)
    assert (ledger.content_hash(), journal_length(ledger)) == (before, entries)


def test_identical_rows_without_ids_both_count(ledger: PositionRepository, tmp_path: Path) -> None:
    """N5, U7: two equal rows are two executions, and stay two however often the file is imported."""
    row = told("+1 @ 5050.25", FillExecutionServiceID="")
    path = log(tmp_path, row, row)
    assert counts(imported(ledger, path)) == (2, 0, 0)
    assert held(ledger) == ["Sim1 +2 MESZ26-CME"]
    assert counts(imported(ledger, path)) == (0, 2, 0)


def test_rows_with_neither_execution_nor_order_id(ledger: PositionRepository, tmp_path: Path) -> None:
    """N5: content and time are all that is left, and they are enough for the same file."""
    nameless = {"InternalOrderID": "0", "ServiceOrderID": ""}
    path = log(tmp_path, told("+1 @ 5050.25", **nameless), told("+1 @ 5050.25", 60, **nameless))
    assert counts(imported(ledger, path)) == (2, 0, 0)
    assert counts(imported(ledger, path)) == (0, 2, 0)


def test_one_id_twice_in_a_file_is_one_execution(ledger: PositionRepository, tmp_path: Path) -> None:
    """N4: a log that repeats an execution has told it twice."""
    row = told("+1 @ 5050.25", FillExecutionServiceID="E-1")
    assert counts(imported(ledger, log(tmp_path, row, row))) == (1, 1, 0)


def test_overlapping_logs_add_up(ledger: PositionRepository, tmp_path: Path) -> None:
    """N5: an order filled over two days, told without ids by two logs that share a day."""
    first, second, third = (told("+1 @ 5050.25", day * 86_400) for day in range(3))
    assert counts(imported(ledger, log(tmp_path, first, second), now=at(10**6))) == (2, 0, 0)
    assert counts(imported(ledger, log(tmp_path, second, third), now=at(10**6))) == (1, 1, 0)
    assert held(ledger) == ["Sim1 +3 MESZ26-CME"]


def test_a_later_export_that_names_its_executions(ledger: PositionRepository, tmp_path: Path) -> None:
    """N6: an id where the earlier log had none does not make another execution."""
    imported(ledger, log(tmp_path, told("+1 @ 5050.25")))
    assert counts(imported(ledger, log(tmp_path, told("+1 @ 5050.25", FillExecutionServiceID="E-1")))) == (0, 1, 0)


def test_other_content_under_a_known_id_supersedes(ledger: PositionRepository, tmp_path: Path) -> None:
    """N8: the newer counts, the older stays readable, and going back and forth changes nothing more."""
    first = log(tmp_path, told("+1 @ 5050.25", FillExecutionServiceID="E-1"), name="first.txt")
    second = log(tmp_path, told("+1 @ 5050.50", FillExecutionServiceID="E-1"), name="second.txt")
    imported(ledger, first)
    report = imported(ledger, second)
    assert counts(report) == (0, 0, 1)
    assert report.notes == ("line 2: execution E-1 was BUY 1 @ 5050.25 and is now BUY 1 @ 5050.5",)
    assert [fill.price for fill in ledger.fills([1, 2])] == [D("5050.25"), D("5050.50")]
    assert counts(imported(ledger, first)) == (0, 1, 0)
    assert ledger.positions()[KEY].cost == D("5050.50")


def test_a_fill_a_person_voided_stays_void(ledger: PositionRepository, tmp_path: Path) -> None:
    """U7: importing the file again does not undo a correction, with an id or without."""
    from dtcpos.keeping.corrections import Corrections

    path = log(tmp_path, told("+1 @ 5050.25"), told("+1 @ 5050.25", 1, FillExecutionServiceID="E-1"))
    imported(ledger, path)
    for number in (1, 2):
        with ledger.transaction():
            Corrections(ledger, now=NOW).void(number, reason="busted")
    assert counts(imported(ledger, path)) == (0, 2, 0)
    assert held(ledger) == []


def test_the_order_of_the_rows_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """N10: forwards, backwards, in small parts and with little room, a log comes to the same ledger."""
    rows = [
        told(f"{'+' if number % 5 < 3 else '-'}1 @ {5000 + number % 7}", number * 0.7, InternalOrderID=number % 11 + 1)
        for number in range(120)
    ]
    outcomes = []
    for backwards, rows_per_part, rows_per_run in product((False, True), (7, 5000), (10, 50_000)):
        monkeypatch.setattr(dtcpos.importers.logs, "ROWS_PER_PART", rows_per_part)
        monkeypatch.setattr("dtcpos.importers.spool.Spool.__init__.__kwdefaults__", {"rows_per_run": rows_per_run})
        ledger = PositionRepository.in_memory()
        path = log(tmp_path, *(reversed(rows) if backwards else rows))
        assert counts(imported(ledger, path)) == (120, 0, 0)
        assert counts(imported(ledger, path)) == (0, 120, 0)
        outcomes.append(outcome_of(ledger))
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_a_log_that_ends_before_what_is_known_is_booked_in_its_place(
    ledger: PositionRepository, tmp_path: Path
) -> None:
    """N10: earlier executions that arrive late re-book what came after them, and nothing before."""
    for number in (3, 2, 1):
        rows = [told("+1 @ 5000", number * 100), told(f"-1 @ {5000 + number}", number * 100 + 50)]
        imported(ledger, log(tmp_path, *rows))
    assert realized(ledger) == [D(1), D(2), D(3)]
    path = log(tmp_path, told("+1 @ 4990", 175), told("-1 @ 4991", 375))
    imported(ledger, path)
    assert realized(ledger) == [D(1), D(6)]


# The same execution from elsewhere


def told_as_the_ledger_has_it(pair: Pair, **cells: object) -> list[Row]:
    """Rows that tell what the ledger knows, at its own times and under the same ids unless `cells` say otherwise."""
    return [
        told(
            f"{'+' if each.signed_quantity > 0 else '-'}{each.quantity} @ {each.price}",
            at_time=each.time,
            **{
                "TradeAccount": each.account,
                "Symbol": each.symbol,
                "FillExecutionServiceID": each.execution_id,
                "ServiceOrderID": each.order_id,
                **cells,
            },
        )
        for each in fills_of(pair.repository)
    ]


@pytest.fixture
def traded() -> Pair:
    """Two equal fills of one order and an exit, told live and told again by history."""
    pair = Pair().connect()
    pair.fill("+1 MES @ 5312.25", id="a-1", order="77", of=2)
    pair.fill("+1 MES @ 5312.25", id="a-2", order="77", of=2)
    pair.fill("-1 MES @ 5313", id="a-3", order="78")
    pair.settle()
    return pair.reconnect().settle()


EVERYWHERE = [["BACKFILL", "IMPORT", "LIVE"]] * 3


def test_live_history_and_log_are_three_sightings(traded: Pair, tmp_path: Path) -> None:
    """N4: the same execution through 301, 304 and an imported log is one fill with three sightings."""
    path = log(tmp_path, *told_as_the_ledger_has_it(traded))
    assert counts(imported(traded.repository, path)) == (0, 3, 0)
    assert sighted(traded.repository) == EVERYWHERE
    before = traded.repository.content_hash()
    assert counts(imported(traded.repository, path)) == (0, 3, 0)
    assert traded.repository.content_hash() == before


@pytest.mark.parametrize("order", ["ServiceOrderID", "InternalOrderID", "ExchangeOrderID"])
@pytest.mark.parametrize("names", ["", "X-"])
def test_ids_that_never_meet(traded: Pair, tmp_path: Path, order: str, names: str) -> None:
    """N4, N6: without the ledger's ids an order's executions match as a multiset, whichever name the order goes by."""
    rows = []
    for number, row in enumerate(told_as_the_ledger_has_it(traded)):
        others = {"ServiceOrderID": f"9{number // 2}", "InternalOrderID": f"8{number // 2}", "ExchangeOrderID": ""}
        execution_id = f"{names}{number}" if names else ""
        rows.append({**row, **others, order: row["ServiceOrderID"], "FillExecutionServiceID": execution_id})
    path = log(tmp_path, *rows)
    assert counts(imported(traded.repository, path)) == (0, 3, 0)
    assert sighted(traded.repository) == EVERYWHERE
    assert counts(imported(traded.repository, path)) == (0, 3, 0)


def test_a_missed_execution_of_a_known_order_is_found(traded: Pair, tmp_path: Path) -> None:
    """N6: where the log's ids are the ledger's, an equal fill under an unknown id is another fill."""
    rows = told_as_the_ledger_has_it(traded)
    missed = {**rows[1], "FillExecutionServiceID": "a-9"}
    assert counts(imported(traded.repository, log(tmp_path, *rows, missed))) == (1, 3, 0)


def test_without_ids_the_ones_too_many_are_new(traded: Pair, tmp_path: Path) -> None:
    """N6: the ledger has two of the order's equal fills, so the third the log tells is missing."""
    rows = [{**row, "FillExecutionServiceID": ""} for row in told_as_the_ledger_has_it(traded)]
    path = log(tmp_path, *rows, rows[1])
    assert counts(imported(traded.repository, path)) == (1, 3, 0)
    assert counts(imported(traded.repository, path)) == (0, 4, 0)


@pytest.mark.parametrize("order", ["ServiceOrderID", "InternalOrderID", "ExchangeOrderID"])
@pytest.mark.parametrize("names", ["a-", "X-", ""])
def test_a_log_that_comes_first(tmp_path: Path, order: str, names: str) -> None:
    """N4: the server's history and its live feed recognise what a log told before them."""
    ledger = PositionRepository.in_memory()
    pair = Pair(repository=ledger)
    pair.fill("+1 MES @ 5312.25", id="a-1", order="77", away=True, of=2)
    pair.fill("+1 MES @ 5312.25", id="a-2", order="77", away=True, of=2)
    pair.fill("-1 MES @ 5313", id="a-3", order="78", away=True)
    rows = [
        told(text, at_time=at_time, Symbol="MES", InternalOrderID=f"{number}9", ServiceOrderID=f"8{number}")
        | {order: number, "FillExecutionServiceID": f"{names}{place}" if names else ""}
        for place, (text, number, at_time) in enumerate(
            (
                ("+1 @ 5312.25", "77", _noon(0.002)),
                ("+1 @ 5312.25", "77", _noon(0.004)),
                ("-1 @ 5313", "78", _noon(0.006)),
            ),
            start=1,
        )
    ]
    assert counts(imported(ledger, log(tmp_path, *rows))) == (3, 0, 0)
    pair.keeper = pair._new_keeper()
    pair.connect().settle()
    assert sighted(ledger) == [["BACKFILL", "IMPORT"]] * 3
    assert pair.positions() == ["Sim1 +1 MES @ 5312.25"]


def _noon(seconds: float) -> object:
    from dtcpos.keeping.session import moment_of_clock
    from tests.pair import NOON

    return moment_of_clock(NOON + seconds)


# What is stated beside


def test_executions_ahead_of_the_clock_are_told(ledger: PositionRepository, tmp_path: Path) -> None:
    """U7: a log read in a zone too far west lies ahead, which nothing in a new ledger speaks against; it is said."""
    path = log(tmp_path, told("+1 @ 5050.25"), told("-1 @ 5051", 60))
    assert not any("ahead" in note for note in imported(ledger, path, now=at(120)).notes)
    report = imported(PositionRepository.in_memory(), path, zone=ZoneInfo("America/Chicago"), now=at(120))
    (note,) = [note for note in report.notes if "ahead" in note]
    assert note.startswith("executions that lie ahead of this computer's clock (")
    assert ": 2; " in note
    assert note.endswith("--timezone ZONE")


def test_a_quantity_that_does_not_follow_is_reported_once(ledger: PositionRepository, tmp_path: Path) -> None:
    """U7: the log begins in the middle of a position; the lots it lacks are named, and nothing is invented."""
    rows = [told("-1 @ 5051", 5, PositionQuantity=2), told("-1 @ 5052", 6, PositionQuantity=1)]
    path = log(tmp_path, *rows)
    for _ in range(2):
        (difference,) = imported(ledger, path).differences
        assert difference.kind == "quantity"
        assert (difference.stated, difference.held) == (D(2), D(-1))
        assert "3 lots bought missing before" in difference.text
    assert held(ledger) == ["Sim1 -2 MESZ26-CME"]


def test_a_missing_execution_is_found_between_parts(
    ledger: PositionRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U7: every difference, also where a log is booked in many parts and follows what the ledger has."""
    monkeypatch.setattr(dtcpos.importers.logs, "ROWS_PER_PART", 2)
    stated = [1, 2, 3, 5, 6, 7, 9]
    rows = [told("+1 @ 5050", number, PositionQuantity=after) for number, after in enumerate(stated)]
    path = log(tmp_path, *rows)
    first, again = imported(ledger, path), imported(ledger, path)
    assert [difference.held for difference in first.differences] == [D(4), D(7)]
    assert [difference.text for difference in again.differences] == [each.text for each in first.differences]


def test_lots_told_again_after_they_were_carried_in(tmp_path: Path) -> None:
    """N9, U7: a log that tells what was carried in at first contact differs, and the way out is named."""
    ledger = PositionRepository.in_memory()
    carried = fill("+2 @ 5300", 100, source=Source.ADJUSTMENT, flags=("carried",), order_id="", id=None)
    with ledger.transaction():
        Posting(ledger).post_entry(carried, now=NOW)
    report = imported(
        ledger, log(tmp_path, told("+2 @ 5300", 5, PositionQuantity=2), told("-1 @ 5301", 200, PositionQuantity=1))
    )
    assert [difference.held for difference in report.differences] == [D(3)]
    assert "`dtcpos fix void 1 --reason TEXT` takes it out" in report.notes[-1]


def test_price_ranges_are_compared_and_not_applied(ledger: PositionRepository, tmp_path: Path) -> None:
    """U7: the log's own high and low of a position are worth knowing, no difference to look at, and not ours."""
    rows = [
        told("+1 @ 5050", 1, PositionQuantity=1),
        told("-1 @ 5052", 2, PositionQuantity=0, HighDuringPosition=5053, LowDuringPosition=5049),
        told("-1 @ 5052", 3, PositionQuantity=-1),
        told("+1 @ 5050", 4, PositionQuantity=0, HighDuringPosition=5052, LowDuringPosition=5050),
    ]
    path = log(tmp_path, *rows)
    for _ in range(2):
        report = imported(ledger, path)
        assert report.differences == ()
        (found,) = report.ranges
        assert "1 of 2 trades have another price range in the log" in found.text
        assert "5049 to 5053 there, 5050 to 5052 here; not applied" in found.text
    assert [(trade.price_min, trade.price_max) for trade in trades(ledger)] == [(D(5050), D(5052))] * 2


# What is refused


@pytest.mark.parametrize("factor", [D(100), D("0.01"), D(10)])
def test_scaled_prices_are_found_by_what_is_known(traded: Pair, tmp_path: Path, factor: Decimal) -> None:
    """P5, U7: refused with the factor to give, nothing changed; with it, the same executions."""
    rows = [{**row, "FillPrice": str(D(row["FillPrice"]) * factor)} for row in told_as_the_ledger_has_it(traded)]
    path = log(tmp_path, *rows)
    before = traded.repository.content_hash()
    with pytest.raises(ImportRefused, match=rf"prices of MES are not those.*--scale MES={1 / factor:f}[, ]"):
        imported(traded.repository, path)
    assert traded.repository.content_hash() == before
    assert counts(imported(traded.repository, path, scales=Scales(None, {"MES": 1 / factor}))) == (0, 3, 0)


def test_scaled_prices_are_found_by_the_last_price(ledger: PositionRepository, tmp_path: Path) -> None:
    """P5: a hundred times the last price known is no market move; a person may say that it is."""
    imported(ledger, log(tmp_path, told("+1 @ 5050.25")))
    path = log(tmp_path, told("+1 @ 506025", 900, InternalOrderID=7, ServiceOrderID=8))
    with pytest.raises(ImportRefused, match=r"line 2 has 506025, the last price known is 5050.25; .*MESZ26-CME=0.01"):
        imported(ledger, path)
    assert counts(imported(ledger, path, scales=Scales(None, {"MESZ26-CME": D(1)}))) == (1, 0, 0)


def test_scaled_prices_are_found_by_the_tick(ledger: PositionRepository, tmp_path: Path) -> None:
    """P5: prices that never use the symbol's own tick; prices that do are left alone."""
    with ledger.transaction():
        ledger.put_instrument(Instrument(symbol=KEY.symbol, tick=D("0.25")))
    scaled = [told(f"+1 @ {505000 + 25 * number}", number) for number in range(8)]
    with pytest.raises(ImportRefused, match=r"8 prices such as 505000 beside a tick of 0\.25"):
        imported(ledger, log(tmp_path, *scaled))
    plain = [told(f"+1 @ {5050 + D(number) / 4}", number) for number in range(8)]
    assert counts(imported(ledger, log(tmp_path, *plain))) == (8, 0, 0)


def test_a_display_multiplier_is_the_ledger_s_own(ledger: PositionRepository, tmp_path: Path) -> None:
    """P5: the ledger keeps the wire's price; a log of display prices needs the factor back."""
    with ledger.transaction():
        ledger.put_instrument(Instrument(symbol=KEY.symbol, tick=D("0.25"), multiplier=D("0.01")))
    shown = [told(f"+1 @ {5050 + D(number) / 4}", number) for number in range(8)]
    with pytest.raises(ImportRefused, match=r"--scale MESZ26-CME=100[, ]"):
        imported(ledger, log(tmp_path, *shown))
    imported(ledger, log(tmp_path, *shown), scales=Scales(D(100)))
    assert ledger.positions()[KEY].price_min == D(5050)


def test_the_wrong_zone_is_found_by_what_is_known(traded: Pair, tmp_path: Path) -> None:
    """U7: times six hours off are refused with the remedy; with the zone, the same executions."""
    rows = []
    for row, each in zip(told_as_the_ledger_has_it(traded), fills_of(traded.repository), strict=True):
        rows.append({**row, "DateTime": told("+1 @ 1", at_time=each.time - timedelta(hours=6))["DateTime"]})
    path = log(tmp_path, *rows)
    with pytest.raises(ImportRefused, match=r"the times are those of another zone: line 2 is at .* --timezone"):
        imported(traded.repository, path)
    assert counts(imported(traded.repository, path, zone=ZoneInfo("America/Chicago"))) == (0, 3, 0)


def test_a_refused_file_leaves_nothing(ledger: PositionRepository, tmp_path: Path) -> None:
    """U7: a bad line at the end of a log, or a bad second file, and nothing at all is imported."""
    good = log(tmp_path, told("+1 @ 5050"), name="good.txt")
    bad = log(tmp_path, told("+1 @ 5050"), told("+1 @ 5050", Quantity="x"), name="bad.txt")
    for paths in ((bad,), (good, bad), (good, tmp_path / "none.txt"), (tmp_path,)):
        with pytest.raises(ImportRefused):
            imported(ledger, *paths)
    assert (ledger.keys(), ledger.accounts(), journal_length(ledger)) == ([], [], 0)


def test_a_dry_run_changes_nothing_and_says_everything(ledger: PositionRepository, tmp_path: Path) -> None:
    """U7: the counts of the real run, each file seeing those before it, and an untouched ledger."""
    first, second = log(tmp_path, told("+1 @ 5050"), name="1.txt"), log(tmp_path, told("+1 @ 5050"), name="2.txt")
    assert counts(imported(ledger, first, second, is_dry_run=True)) == (0, 1, 0)
    assert (ledger.keys(), journal_length(ledger)) == ([], 0)


def test_modes_follow_the_rules(ledger: PositionRepository, tmp_path: Path) -> None:
    """M2: an account first met in a log is put where the settings say."""
    report = imported(ledger, log(tmp_path, told("+1 @ 5050")), mode_rules={"Sim*": "PRACTICE"})
    assert [account.mode for account in ledger.accounts()] == ["PRACTICE"]
    assert report.notes == ("account Sim1 is PRACTICE (settings: Sim*)",)
