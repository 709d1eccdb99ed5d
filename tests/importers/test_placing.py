"""Older state files: what is taken over, what is compared, what is only said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.booking import average_price
from dtcpos.importers import ImportRefused, found_older_files, import_offer
from dtcpos.importers.older import file_account_of, parse_state
from dtcpos.keeping.posting import Posting
from dtcpos.model import Account, Instrument, PositionKey, Source
from dtcpos.store import LedgerReader, PositionRepository
from tests.importers.writing import NOW, counts, held, imported, later, log, panel, state, told
from tests.notation import KEY, at, fill
from tests.pair import Pair

D = Decimal
SYMBOL = "F.US.MESZ25"
PANEL_KEY = PositionKey("SIM", "Sim1", SYMBOL)
ENTERED = datetime(2025, 11, 16, 3, 17, 11, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> PositionRepository:
    return PositionRepository.open(tmp_path / "ledger.db")


def unchanged_by(ledger: PositionRepository, *paths: Path) -> None:
    before = ledger.content_hash()
    imported(ledger, *paths, now=later(60))
    assert ledger.content_hash() == before


def held_with(path: Path, key: PositionKey) -> object:
    with LedgerReader.open(path) as reader:
        return next(each for each in reader.positions() if each.key == key)


def test_a_position_of_tomorrow_is_not_taken_over(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6: every execution until then would be booked before it; the file is wrong, or the clock is."""
    report = imported(ledger, panel(tmp_path), now=ENTERED - timedelta(seconds=1))
    (difference,) = report.differences
    assert "its position is of 2025-11-16T03:17:11" in difference.text
    assert "ahead of this computer's clock" in difference.text
    assert not ledger.positions()


def test_a_position_becomes_ours(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6: quantity, price, entry time, brackets, entry snapshot, extremes and heat; provenance IMPORT; once."""
    path = panel(tmp_path)
    report = imported(ledger, path)
    assert (report.new, report.differences) == (1, ())
    holding = held_with(tmp_path / "ledger.db", PANEL_KEY)
    position = holding.position
    assert (position.signed_quantity, average_price(position), position.entry_time) == (D(2), D(6765), ENTERED)
    assert (holding.target_price, holding.stop_price) == (D("6768.25"), None)
    assert (holding.entry_vwap, holding.entry_cum_delta, holding.entry_poc) == (D("6765.5"), D("-12.5"), None)
    assert (position.price_min, position.price_max) == (D(6764), D("6765.25"))
    assert (position.mae, position.mfe) == (D(-2), D("0.50"))
    assert holding.heat_since == ENTERED + timedelta(seconds=9)
    (carried,) = ledger.fills_of_key("Sim1", SYMBOL)
    assert carried.source is Source.IMPORT
    assert "carried" in carried.flags
    unchanged_by(ledger, path)


def test_a_short_position(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6: the quantity is unsigned, is_long says which way."""
    imported(ledger, panel(tmp_path, is_long=False))
    assert held(ledger) == ["Sim1 -2 F.US.MESZ25"]
    assert (ledger.positions()[PANEL_KEY].mae, ledger.positions()[PANEL_KEY].mfe) == (D("-0.50"), D(2))


def test_a_price_of_zero_is_unset(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6: an entry price of 0.0 is unknown, and so is every profit; it is never taken for a price."""
    report = imported(ledger, panel(tmp_path, entry_price=0.0, trade_min_price=0.0, trade_max_price=0.0))
    position = ledger.positions()[PANEL_KEY]
    assert (position.cost, position.price_min) == (None, None)
    assert "the entry price is unset" in report.notes[1]


@pytest.mark.parametrize("name", ["runtime_state_panel2_SIM_.json", "runtime_state_panel2.json"])
def test_the_account_inside_counts(ledger: PositionRepository, tmp_path: Path, name: str) -> None:
    """U6: a file named `SIM_` with `current_account: Sim1` belongs to Sim1."""
    imported(ledger, panel(tmp_path, name))
    assert held(ledger) == ["Sim1 +2 F.US.MESZ25"]


def test_an_account_with_signs_in_its_name(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6: a file's name has `_` for them; the content names the account as it is."""
    assert file_account_of("AB-12.x") == "AB_12_x"
    path = panel(tmp_path, "runtime_state_panel2_LIVE_AB_12_x.json", current_account="AB-12.x", current_mode="LIVE")
    imported(ledger, path)
    assert held(ledger) == ["AB-12.x +2 F.US.MESZ25"]
    report = imported(ledger, state(tmp_path, "state_live_AB_12_x.json", heat_start_epoch=1763263050))
    assert "not set: the ledger has it since 2025-11-16T03:17:20Z" in report.notes[0]


def test_the_mode_of_an_account_nobody_has_ruled_on(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6, M2: the file's own word decides where no rule does, and that is said and remembered."""
    path = panel(tmp_path, "runtime_state_panel2_SIM_120005.json", current_account="120005")
    report = imported(ledger, path)
    assert [(account.mode, account.rule) for account in ledger.accounts()] == [("SIM", f"stated by {path.name}")]
    assert report.notes[0] == f"account 120005 is SIM (stated by {path.name})"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"current_mode": "LIVE"}, "its name says SIM, its content LIVE"),
        ({"current_account": "Sim2"}, "its name says account Sim1, its content Sim2"),
        ({"symbol": ""}, "it names no symbol"),
        ({"entry_time_epoch": None, "_saved_at_utc": None}, "neither when its position was entered nor when"),
    ],
)
def test_what_contradicts_itself_is_not_placed(
    ledger: PositionRepository, tmp_path: Path, said: dict[str, object], words: str
) -> None:
    """U6: nothing is guessed; what cannot be placed is said."""
    (difference,) = imported(ledger, panel(tmp_path, **said)).differences
    assert difference.text.startswith("not placed: ")
    assert words in difference.text
    assert (held(ledger), ledger.accounts()) == ([], [])


def test_a_mode_the_ledger_has_otherwise_is_not_placed(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6, M1: a SIM position never lands in a LIVE account; the remedy is named."""
    with ledger.transaction():
        ledger.put_account(Account(account="Sim1", mode="LIVE", rule="set by hand", first_seen_at=NOW))
    (difference,) = imported(ledger, panel(tmp_path)).differences
    assert difference.kind == "mode"
    assert "`dtcpos accounts set Sim1 SIM` corrects the ledger" in difference.text
    assert held(ledger) == []


def test_a_time_that_is_unset_is_the_time_of_saving(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6: it was held by then; that it may be older is said."""
    report = imported(ledger, panel(tmp_path, entry_time_epoch=None))
    assert ledger.positions()[PANEL_KEY].entry_time == datetime(2025, 11, 16, 3, 17, 29, 196295, UTC)
    assert "the entry time is unset" in report.notes[1]


def test_a_position_the_ledger_knows_is_compared(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6: executions of our own are better than a state file; agreement is said, a difference is reported."""
    rows = [told("+2 @ 6765", Symbol=SYMBOL, FillExecutionServiceID="E-1")]
    imported(ledger, log(tmp_path, *rows))
    same = imported(ledger, panel(tmp_path))
    assert (same.differences, same.notes) == ((), ("SIM Sim1 F.US.MESZ25: the ledger holds the same, LONG 2 @ 6765",))
    (difference,) = imported(ledger, panel(tmp_path, entry_qty=3)).differences
    assert (difference.stated, difference.held) == (D(3), D(2))
    (difference,) = imported(ledger, panel(tmp_path, entry_price=6764.0)).differences
    assert (
        "the file says LONG 2 @ 6764, the ledger has executions of its own and holds LONG 2 @ 6765" in difference.text
    )
    assert held(ledger) == ["Sim1 +2 F.US.MESZ25"]


def test_a_position_closed_since_is_not_opened_again(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6: a second import after the position was closed changes nothing."""
    path = panel(tmp_path)
    imported(ledger, path)
    imported(ledger, log(tmp_path, told("-2 @ 6770", Symbol=SYMBOL)))
    assert held(ledger) == []
    unchanged_by(ledger, path)


def test_wire_prices_are_scaled_as_the_instrument_says(ledger: PositionRepository, tmp_path: Path) -> None:
    """P5: the file has display prices, the ledger keeps those of the wire."""
    with ledger.transaction():
        ledger.put_instrument(Instrument(symbol=SYMBOL, multiplier=D("0.01")))
    imported(ledger, panel(tmp_path))
    assert [each.price for each in ledger.fills_of_key("Sim1", SYMBOL)] == [D(676500)]
    assert average_price(ledger.positions()[PANEL_KEY]) == D(6765)


def test_history_that_tells_the_same_lots_replaces_them(tmp_path: Path) -> None:
    """N9, U6: the lots taken over stand in for executions; at first contact the server's own take their place."""
    pair = Pair()
    pair.fill("+2 MES @ 5300", id="a-1", away=True)
    imported(pair.repository, panel(tmp_path, symbol="MES", entry_price=5300.0))
    pair.keeper = pair._new_keeper()
    pair.connect().settle()
    assert pair.positions() == ["Sim1 +2 MES @ 5300"]
    assert [each.execution_id for each in pair.repository.fills_of_key("Sim1", "MES")] == ["a-1"]


# Timers


def opened(ledger: PositionRepository, *flags: str, source: Source = Source.ADJUSTMENT) -> None:
    with ledger.transaction():
        Posting(ledger).post_entry(fill("+2 @ 6765", 100, flags=flags, source=source, order_id="", id=None), now=NOW)


def epoch(seconds: float) -> float:
    return at(seconds).timestamp()


def test_timers_set_entry_time_and_heat_only(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6: of a position whose entry nobody witnessed; quantity and money stay, and a second run changes nothing."""
    opened(ledger, "carried")
    before = ledger.positions()[KEY]
    path = state(
        tmp_path,
        "state_SIM_Sim1.json",
        entry_time_epoch=epoch(50),
        heat_start_epoch=epoch(60),
        trade_min_price=1.0,
        trade_max_price=99999.0,
    )
    report = imported(ledger, path)
    assert report.differences == ()
    holding = held_with(tmp_path / "ledger.db", KEY)
    assert (holding.position.entry_time, holding.heat_since) == (at(50), at(60))
    after = holding.position
    assert (after.signed_quantity, after.cost, after.mae, after.price_min) == (
        before.signed_quantity, before.cost, before.mae, before.price_min,
    )  # fmt: skip
    unchanged_by(ledger, path)


def test_an_execution_knows_its_own_time(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6: a timer does not move what the server, a log or a person told; heat is set all the same."""
    opened(ledger, source=Source.LIVE)
    report = imported(
        ledger, state(tmp_path, "state_SIM_Sim1.json", entry_time_epoch=epoch(50), heat_start_epoch=epoch(101))
    )
    assert "not set: the execution itself is known to be of 2026-11-20T14:31:40Z" in report.notes[0]
    assert ledger.positions()[KEY].entry_time == at(100)
    assert held_with(tmp_path / "ledger.db", KEY).heat_since == at(101)


def test_a_timer_beyond_other_executions_does_not_fit(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6: an entry time is set only where it leaves the order of the executions as it is."""
    opened(ledger, "carried")
    imported(ledger, log(tmp_path, told("-1 @ 6766", 200)))
    report = imported(
        ledger, state(tmp_path, "state_SIM_Sim1.json", entry_time_epoch=epoch(250), heat_start_epoch=epoch(-5))
    )
    assert "not set: other executions" in report.notes[0]
    assert "not set: the position is not that old" in report.notes[1]
    assert ledger.positions()[KEY].entry_time == at(100)


@pytest.mark.parametrize("symbols", [(), ("MESZ26-CME", "MNQZ26-CME")])
def test_timers_without_their_position(ledger: PositionRepository, tmp_path: Path, symbols: tuple[str, ...]) -> None:
    """U6: with none or several positions in the account nothing says which one is meant."""
    for number, symbol in enumerate(symbols):
        imported(ledger, log(tmp_path, told("+1 @ 5000", Symbol=symbol, ServiceOrderID=number + 1)))
    path = state(tmp_path, "state_SIM_Sim1.json", entry_time_epoch=epoch(50))
    report = imported(ledger, path)
    assert report.notes[0].startswith("not placed: its timers are of one position, but ")
    unchanged_by(ledger, path)


def test_an_empty_state_is_nothing_to_import(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6: schema 2.0 without a position, or with a quantity of 0, holds timers at most."""
    empty = state(tmp_path, "runtime_state_panel2_SIM_.json", entry_time_epoch=None, mode="SIM", account="",
                  trade_min_price=0.0, _schema_version="2.0")  # fmt: skip
    for path in (empty, panel(tmp_path, entry_qty=0, entry_time_epoch=0, heat_start_epoch=None, is_long=None)):
        assert imported(ledger, path).notes == ("it holds no position and no timer; nothing to import",)
    assert ledger.accounts() == []


def test_counts_are_those_of_executions(ledger: PositionRepository, tmp_path: Path) -> None:
    """U6: a position taken over is one new fill, and seen before the next time."""
    path = panel(tmp_path)
    assert counts(imported(ledger, path)) == (1, 0, 0)
    assert counts(imported(ledger, path)) == (0, 1, 0)


# Refusals, and what is found in a folder


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"_schema_version": "3.0"}, "_schema_version '3.0' cannot be meant"),
        ({"_schema_version": None}, "_schema_version is missing"),
        ({"is_long": None}, "is_long is missing"),
        ({"is_long": "yes"}, "is_long 'yes' cannot be meant"),
        ({"entry_qty": -2}, "entry_qty '-2' cannot be meant"),
        ({"entry_qty": "2"}, "entry_qty '2' cannot be meant"),
        ({"entry_price": 1e300}, "entry_price '1E+300' cannot be meant"),
        ({"entry_time_epoch": 12}, "entry_time_epoch '12' cannot be meant"),
        ({"_saved_at_utc": "2025-11-16T03:17:29"}, "_saved_at_utc '2025-11-16T03:17:29' cannot be meant"),
        ({"symbol": "A\nB"}, "symbol 'A\\nB' cannot be meant"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    ledger: PositionRepository, tmp_path: Path, said: dict[str, object], words: str
) -> None:
    """U6: one clear line with the value and the remedy, and nothing imported."""
    with pytest.raises(ImportRefused) as refusal:
        imported(ledger, panel(tmp_path, **said))
    assert words in str(refusal.value)
    assert str(refusal.value).endswith("; nothing was imported")
    assert ledger.accounts() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "is JSON, but no state file"),
        ('{"a": 1}', "is JSON, but no state file"),
        ('{"entry_qty": NaN}', "is no state file"),
        ("[" * 100_000, "is no state file"),
        ('{"entry_qty": 1e99999999999999999999}', "is no state file"),
        ("\xff", "is no state file"),
    ],
)
def test_other_json_is_refused(text: str, words: str) -> None:
    """U6: what is no state file is said to be none."""
    with pytest.raises(ImportRefused, match=words):
        parse_state(text.encode("latin-1"), Path("state_SIM_Sim1.json"))


def test_files_to_import_are_found_by_name(tmp_path: Path) -> None:
    """U6: what a first run may offer, and the command that imports it; never a folder, never a file of another name."""
    assert import_offer(tmp_path) is None
    for name in ("notes.txt", "state.json", "settings.json"):
        (tmp_path / name).touch()
    (tmp_path / "state_SIM_x.json").mkdir()
    assert import_offer(tmp_path) is None
    names = ["TradeActivityLog export.txt", "runtime_state_panel2_SIM_Sim1.json", "state_live_120005.json"]
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in found_older_files(tmp_path)] == names
    offer = import_offer(tmp_path)
    assert offer is not None
    assert '`dtcpos import "TradeActivityLog export.txt" runtime_state_panel2_SIM_Sim1.json' in offer
    assert found_older_files(tmp_path / "nowhere") == []
