"""`import` from the command line: the summary, exit codes, dry runs, refusals."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.importers.writing import log, panel, state, told

ACTIVITY = Path(__file__).parents[2] / "fixtures" / "imports" / "activity.txt"


@pytest.fixture
def fresh(shell: Shell, tmp_path: Path) -> Shell:
    """A shell whose ledger does not exist yet."""
    return Shell(tmp_path / "new.db")


def test_the_summary_of_a_log(fresh: Shell) -> None:
    """U7: rows, executions new and seen before, and what is worth knowing; a second run changes nothing."""
    first = fresh("import", str(ACTIVITY))
    assert first.out.splitlines()[0] == (
        f"{ACTIVITY}: 9 rows, 6 fills: 6 new, 0 seen before, 0 superseded; 0 differences"
    )
    assert "account Sim1 is SIM (name contains 'sim')" in first.out
    assert first.err == ""
    assert "0 new, 6 seen before" in fresh("import", str(ACTIVITY)).out
    assert [row["symbol"] for row in fresh("positions", "--json").json] == ["MNQZ26-CME"]
    assert fresh("verify").out == "ok\n"


def test_the_summary_as_json(fresh: Shell, tmp_path: Path) -> None:
    """U6, U7: totals, and for each file its counts, differences, ranges and notes."""
    ran = fresh("import", str(ACTIVITY), str(panel(tmp_path)), "--json")
    found = ran.json
    assert {name: found[name] for name in ("rows", "fills", "new", "seen_before", "superseded")} == {
        "rows": 10, "fills": 7, "new": 7, "seen_before": 0, "superseded": 0,
    }  # fmt: skip
    assert (found["differences"], found["dry_run"]) == ([], False)
    first, second = found["files"]
    assert (first["file"], first["kind"], second["kind"]) == (str(ACTIVITY), "trade activity log", "state file")
    assert [each["kind"] for each in first["ranges"]] == ["range"]
    assert second["notes"] == ["SIM Sim1 F.US.MESZ25: taken over LONG 2 @ 6765; verify with broker"]


def test_differences_end_with_6(fresh: Shell, tmp_path: Path) -> None:
    """U7: the position quantity the log states is not ours: said on its line, and the exit code asks for attention."""
    path = log(tmp_path, told("+1 @ 5050.25", PositionQuantity=3))
    ran = fresh("import", str(path), code=6)
    assert "2 lots bought missing before" in ran.out
    assert ran.err == "dtcpos: 1 difference between file and ledger to look at\n"
    (difference,) = fresh("import", str(path), "--json", code=6).json["differences"]
    assert (difference["kind"], difference["symbol"]) == ("quantity", "MESZ26-CME")
    assert (difference["stated"], difference["held"]) == (Decimal(3), Decimal(1))


def test_a_dry_run_makes_nothing(fresh: Shell, tmp_path: Path) -> None:
    """U7: the same summary, no ledger made, and one that exists untouched."""
    assert "6 new" in fresh("import", str(ACTIVITY), "--dry-run").out
    assert not fresh.path.exists()
    fresh("import", str(ACTIVITY))
    before = fresh.path.read_bytes()
    ran = fresh("import", str(panel(tmp_path)), "--dry-run")
    assert ran.out.endswith("dry run: nothing was changed\n")
    assert "taken over LONG 2 @ 6765" in ran.out
    assert fresh.path.read_bytes() == before


def test_a_wrong_file_is_one_line(fresh: Shell, tmp_path: Path) -> None:
    """U4, U7: where, what, and the remedy; nothing of any file is imported, and no ledger is made."""
    bad = log(tmp_path, told("+1 @ 5050"), told("+1 @ 5050", Quantity="many"), name="bad.txt")
    ran = fresh("import", str(ACTIVITY), str(bad), code=2)
    assert ran.err == (
        f"dtcpos: {bad}, line 3: Quantity 'many' cannot be meant; a plain number with a dot is needed; "
        "nothing was imported\n"
    )
    missing = fresh("import", str(tmp_path / "none.txt"), code=2)
    assert "none.txt cannot be read: No such file or directory" in missing.err
    assert "is a folder; name the files in it" in fresh("import", str(tmp_path), code=2).err
    assert not fresh.path.exists()


def test_what_was_imported_before_a_refusal_is_told(fresh: Shell, tmp_path: Path) -> None:
    """U7: each file is whole or not at all; a log that does not fit the ledger leaves those before it in place."""
    scaled = log(tmp_path, told("+1 @ 505025", 900, ServiceOrderID="7", InternalOrderID="8"))
    ran = fresh("import", str(ACTIVITY), str(scaled), code=2)
    assert "6 new, 0 seen before" in ran.out
    assert "import it with --scale MESZ26-CME=0.01, or" in ran.err
    assert len(fresh("export", "fills", "--format", "json").json) == 6


def test_progress_is_for_terminals(fresh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """U7: a bar on standard error, and nothing of it among the results."""
    monkeypatch.setattr("dtcpos.cli.import_.is_terminal", lambda out: True)
    ran = fresh("import", str(ACTIVITY), "--json")
    assert ran.json["new"] == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--timezone", "Mars/Olympus"), "'Mars/Olympus' is not a known time zone"),
        (("--timezone", "../etc"), "is not a known time zone"),
        (("--scale", "zero"), "--scale 'zero' is no factor"),
        (("--scale", "ESZ26=0"), "--scale 'ESZ26=0' is no factor"),
        (("--scale", "NaN"), "--scale 'NaN' is no factor"),
    ],
)
def test_wrong_options_name_the_value(fresh: Shell, words: tuple[str, ...], said: str) -> None:
    """U4: every error names the value and the remedy."""
    assert said in fresh("import", str(ACTIVITY), *words, code=2).err


def test_how_a_log_was_read_is_said(fresh: Shell, tmp_path: Path) -> None:
    """U7: nothing in a log tells its zone or its factor, so what was taken for granted is said."""
    said = fresh("import", str(ACTIVITY)).out
    assert "times were read as UTC, as File >> Export writes them; --timezone ZONE for those of" in said
    words = ("--timezone", "America/Chicago", "--scale", "MNQ=1")
    other = Shell(tmp_path / "other.db")
    told_now = other("import", str(ACTIVITY.with_name("activity_chicago.txt")), *words).out
    assert "times were read as America/Chicago; prices were multiplied: MNQ=1" in told_now
    assert "times were read" not in fresh("import", str(panel(tmp_path))).out


def test_scales_and_zones(fresh: Shell, tmp_path: Path) -> None:
    """P5, U7: a factor for everything, one for a root, and local time."""
    rows = [
        told("+1 @ 505025", DateTime="2026-11-20  08:30:00.5", FillExecutionServiceID="E-1"),
        told("+1 @ 18200.25", Symbol="MNQZ26-CME", DateTime="2026-11-20  08:30:01.5", FillExecutionServiceID="E-2"),
    ]
    words = ("--timezone", "America/Chicago", "--scale", "0.01", "--scale", "MNQ=1")
    fresh("import", str(log(tmp_path, *rows)), *words)
    fills = fresh("export", "fills", "--format", "json").json
    assert [(fill["price"], fill["time"]) for fill in fills] == [
        (Decimal("5050.25"), "2026-11-20T14:30:00.500000Z"),
        (Decimal("18200.25"), "2026-11-20T14:30:01.500000Z"),
    ]
    assert {(fill["source"], fill["execution_id"]) for fill in fills} == {("IMPORT", "E-1"), ("IMPORT", "E-2")}


def test_a_position_and_its_timers(fresh: Shell, tmp_path: Path) -> None:
    """U6: taken over with everything the file knows, its timers from another file; open and to be verified."""
    timers = state(tmp_path, "state_SIM_Sim1.json", entry_time_epoch=1763263000, heat_start_epoch=None)
    for _ in range(2):
        fresh("import", str(panel(tmp_path)), str(timers))
        (position,) = fresh("positions", "--json").json
    assert (position["quantity"], position["entry_price"], position["status"]) == (2, 6765, "UNVERIFIED")
    assert position["entry_time"] == "2025-11-16T03:16:40.000000Z"
    assert (position["target_price"], position["stop_price"]) == (Decimal("6768.25"), None)
    assert (position["entry_vwap"], position["entry_poc"]) == (Decimal("6765.5"), None)
    assert "carried" in position["flags"]
    assert fresh("verify").out == "ok\n"


def test_a_log_of_other_trades_than_the_ledger_s(shell: Shell) -> None:
    """U7: what the ledger holds beside the log's executions shows in the first quantity the log states."""
    before = len(shell("export", "fills", "--format", "json").json)
    ran = shell("import", str(ACTIVITY), code=6)
    assert "2 lots sold missing before 101.1" in ran.out
    assert len(shell("export", "fills", "--format", "json").json) == before + 6
    assert shell("import", str(ACTIVITY), code=6).out.count("missing before") == ran.out.count("missing before")
