"""`close`, `fix` and `undo` from the command line: before and after, dry runs, refusals."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell


def held(shell: Shell, account: str, symbol: str) -> object:
    rows = shell("positions", "--json", "--mode", "ALL").json
    found = [row for row in rows if (row["account"], row["symbol"]) == (account, symbol)]
    return found[0]["quantity"] if found else None


def first_held(shell: Shell) -> tuple[str, str]:
    row = shell("positions", "--json", "--mode", "ALL").json[0]
    return row["account"], row["symbol"]


def test_a_dry_run_shows_the_effect_and_changes_nothing(shell: Shell) -> None:
    """N13: position and profit before and after, the ledger as it was."""
    account, symbol = first_held(shell)
    before = held(shell, account, symbol)
    ran = shell("close", account, symbol, "--price", "5050.25", "--reason", "phone", "--dry-run")
    assert "before" in ran.out
    assert "after   nothing" in ran.out
    assert ran.out.endswith("dry run: nothing was changed\n")
    assert held(shell, account, symbol) == before


def test_close_and_undo(shell: Shell) -> None:
    """N13: closed with a reason, taken back with another; both name the journal's entry."""
    account, symbol = first_held(shell)
    before = held(shell, account, symbol)
    closed = shell("close", account, symbol, "--no-price", "--reason", "phone", "--json").json
    assert closed["after"] is None
    assert [trade["realized_pnl"] for trade in closed["trades"]] == [None]
    assert held(shell, account, symbol) is None
    undone = shell("undo", str(closed["entry"]), "--reason", "wrong account", "--json").json
    assert undone["after"]["quantity"] == before
    assert held(shell, account, symbol) == before


def test_fix_add_replace_and_void(shell: Shell) -> None:
    """N8: each is a further row; the fill's id names it."""
    account, symbol = first_held(shell)
    words = (account, "NGZ26-NYMEX", "BUY", "1", "3.125", "--time", "2026-11-20T10:00:00", "--reason", "missed")
    added = shell("fix", "add", *words, "--json").json
    assert (added["after"]["quantity"], added["after"]["entry_price"]) == (1, added["after"]["cost"])
    assert "nothing changed" in shell("fix", "add", *words).out
    fill = str(added["fill"])
    replaced = shell("fix", "replace", fill, "--price", "3.25", "--reason", "repriced", "--json").json
    assert replaced["after"]["cost"] == 3.25
    voided = shell("fix", "void", str(replaced["fill"]), "--reason", "busted", "--json").json
    assert voided["after"] is None
    assert held(shell, account, "NGZ26-NYMEX") is None
    assert "superseded by" in shell("fix", "void", fill, "--reason", "busted", code=2).err
    assert symbol


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["close", "Sim1", "NOPE", "--price", "1", "--reason", "x"], "nothing is held in SIM Sim1 NOPE"),
        (["close", "Nobody", "MESZ26-CME", "--price", "1", "--reason", "x"], "no account 'Nobody'"),
        (["close", "Sim1", "MESZ26-CME", "--reason", "x"], "give either --price P or --no-price"),
        (["close", "Sim1", "MESZ26-CME", "--price", "12,5", "--reason", "x"], "'12,5' is no number"),
        (["close", "Sim1", "MESZ26-CME", "--price", "nan", "--reason", "x"], "'nan' is no number"),
        (["close", "Sim1", "MESZ26-CME", "--price", "1", "--reason", " "], "--reason is empty"),
        (["fix", "add", "Sim1", "MES", "BUY", "-1", "5", "--time", "10:00", "--reason", "x"], "QUANTITY"),
        (["fix", "replace", "1", "--reason", "x"], "nothing to replace"),
        (["fix", "void", "99999", "--reason", "x"], "no fill 99999"),
        (["undo", "--reason", "x"], "no entry of a person to undo"),
        (["undo", "7", "--reason", "x"], "7 is no entry of a person"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_refusals_name_the_value_and_the_remedy(shell: Shell, words: list[str], said: str) -> None:
    """U4: one line, exit 2, nothing changed."""
    before = shell("export", "fills").out
    ran = shell(*words, code=2)
    assert ran.out == ""
    assert said in ran.err or "No such option" in ran.err
    assert ran.err.count("\n") == 1
    assert shell("export", "fills").out == before


def test_a_price_without_an_exact_wire_price(shell: Shell) -> None:
    """P5: a multiplier of 3 leaves no last digit; the price is rounded and the profit is known."""
    account, symbol = first_held(shell)
    shell("instruments", "set", symbol, "--multiplier", "3")
    closed = shell("close", account, symbol, "--price", "5000", "--reason", "phone", "--json").json
    (trade,) = closed["trades"]
    assert trade["exit_price"] is not None
    assert abs(float(trade["exit_price"]) - 5000) < 1e-9
