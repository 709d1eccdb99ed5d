"""`dtcpos positions`."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve

from dtcpos.cli.keys import POSITION_KEYS
from dtcpos.model import Break, PositionKey, Verification
from tests.cli.conftest import LIVE_MNQ, MES, MNQ, NOW, SIM_MES, Shell, fill, record


def test_json_has_the_fixed_keys_and_exact_numbers(shell: Shell) -> None:
    """P3: keys scripts depend on, in order; prices exact; absent values null."""
    sim = shell("positions", "--mode", "sim", "--json").json
    assert len(sim) == 1
    assert tuple(sim[0]) == POSITION_KEYS
    assert sim[0] | {} == {
        "mode": "SIM",
        "account": "Sim1",
        "symbol": MES,
        "side": "LONG",
        "quantity": 2,
        "entry_price": 5051,
        "cost": 10102,
        "entry_time": "2026-11-20T14:03:01.250000Z",
        "target_price": 5070,
        "stop_price": 5040,
        "entry_vwap": None,
        "entry_cum_delta": None,
        "entry_poc": None,
        "trade_min_price": 5051,
        "trade_max_price": 5051,
        "mae": 0,
        "mfe": 0,
        "mark_price": Decimal("5055.5"),
        "mark_time": "2026-11-20T15:59:57.000000Z",
        "unrealized_points": 9,
        "unrealized_pnl": 45,
        "realized_pnl": 0,
        "commission": None,
        "currency": "USD",
        "status": "UNVERIFIED",
        "status_reason": "not yet compared with the server",
        "verified_at": None,
        "updated_at": sim[0]["updated_at"],
        "flags": ["commission_unknown"],
        "mark_age_s": 3,
        "realized_points": 0,
        "heat_since": None,
    }


def test_money_is_null_where_the_worth_of_a_point_is_unknown(shell: Shell) -> None:
    """P4: points only, never a guess."""
    (found,) = shell("positions", "--symbol", MNQ, "--json").json
    assert (found["mae"], found["mfe"], found["realized_pnl"], found["currency"]) == (None, None, None, None)
    assert (found["realized_points"], found["unrealized_points"]) == (0, None)


def test_every_status_says_why(shell: Shell) -> None:
    """Each figure says how true it is: agreed, not compared, or contradicted."""
    found = {(row["mode"], row["symbol"]): row for row in shell("positions", "--json").json}
    assert found["LIVE", MES]["status"] == "VERIFIED"
    assert found["LIVE", MES]["verified_at"] == "2026-11-20T16:00:00.000000Z"
    assert found["LIVE", MNQ]["status"] == "BREAK"
    assert found["LIVE", MNQ]["status_reason"] == "the server holds 2, the ledger 1"
    assert found["SIM", MES]["status"] == "UNVERIFIED"


def test_a_silent_link_makes_stale(shell: Shell) -> None:
    """S3: another process sees the silence after two heartbeat intervals."""
    with shell.writer as writer, writer.transaction():
        (link,) = writer.links()
        writer.put_link(evolve(link, last_heard_at=NOW.replace(hour=15)))
    (found,) = shell("positions", "--mode", "LIVE", "--symbol", MES, "--json").json
    assert (found["status"], found["status_reason"]) == ("STALE", "the link has been silent for 3600 s")


def test_the_table_fits_80_columns_and_shows_mode_and_account(shell: Shell) -> None:
    """Modes are grouped, never summed; without a terminal the table is plain text."""
    lines = shell("positions").out.splitlines()
    assert all(len(line) <= 80 for line in lines[:5])
    assert lines[0].split()[:4] == ["MODE", "ACCOUNT", "SYMBOL", "QTY"]
    assert [line.split()[:3] for line in lines[1:5]] == [
        ["LIVE", "120005", MES],
        ["LIVE", "120005", MNQ],
        [],
        ["SIM", "Sim1", MES],
    ]
    assert "BREAK  LIVE 120005 MNQZ26-CME: the server holds 2, the ledger 1" in lines
    assert "\x1b" not in "".join(lines)


def test_filters(shell: Shell) -> None:
    """M2: a mode, an account, a symbol; ALL is every mode, one group each."""
    assert len(shell("positions", "--mode", "ALL", "--json").json) == 3
    assert len(shell("positions", "--account", "120005", "--json").json) == 2
    assert shell("positions", "--symbol", "CLF27-NYMEX", "--json").out == "[]\n"
    assert shell("positions", "--account", "nobody").out == "no open positions\n"


def test_a_misspelt_mode_is_not_an_empty_answer(shell: Shell) -> None:
    """U4: the value and the remedy, exit 2: nothing printed that looks like flat."""
    ran = shell("positions", "--mode", "LVE", code=2)
    assert ran.out == ""
    assert ran.err == "dtcpos: no account is in mode 'LVE'; known are LIVE, SIM and ALL\n"


def test_require_verified_exits_6_and_names_what_is_not(shell: Shell) -> None:
    """A script that trades on the answer can insist; what is fine passes."""
    ran = shell("positions", "--require", "verified", "--json", code=6)
    assert len(ran.json) == 3
    assert "LONG 2 MESZ26-CME @ 5051 in SIM Sim1" in ran.err
    assert "LONG 1 MNQZ26-CME @ 18200.25 in LIVE 120005" in ran.err
    assert "SHORT" not in ran.err
    shell("positions", "--mode", "LIVE", "--symbol", MES, "--require", "verified")


def test_a_position_only_the_server_holds_is_shown(shell: Shell) -> None:
    """A break without a position of ours is not silence: it is listed, and it is not verified."""
    key = PositionKey("LIVE", "120005", "CLF27-NYMEX")
    with shell.writer as writer, writer.transaction():
        writer.add_break(
            Break(
                key=key,
                kind="missing_here",
                held_quantity=Decimal(0),
                held_average=None,
                reported_quantity=Decimal(-3),
                reported_average=Decimal("-37.63"),
                found_at=NOW,
            )
        )
    text = shell("positions").out
    assert "the ledger holds nothing, the server SHORT 3 @ -37.63" in text
    ran = shell("positions", "--symbol", "CLF27-NYMEX", "--require", "verified", code=6)
    assert "only the server holds" in ran.err


def test_the_view_chosen_with_switch_is_the_default(shell: Shell) -> None:
    """M1: the view narrows the listing and says what it leaves out; --mode overrides it."""
    shell("switch", "LIVE")
    ran = shell("positions", "--json")
    assert {row["mode"] for row in ran.json} == {"LIVE"}
    assert "not shown: 1 open in SIM" in shell("positions").err
    assert len(shell("positions", "--mode", "ALL", "--json").json) == 3
    assert {row["mode"] for row in shell("positions", "--mode", "SIM", "--json").json} == {"SIM"}


def test_two_accounts_two_symbols_two_modes_side_by_side(shell: Shell) -> None:
    """M3: eight positions of eight keys, none over another."""
    keys = [
        PositionKey(mode, f"{mode}{number}", symbol)
        for mode in ("LIVE", "SIM")
        for number in (8, 9)
        for symbol in (MES, MNQ)
    ]
    with shell.writer as writer, writer.transaction():
        for key in keys:
            record(writer, key, [fill(key, "+1 @ 1", minute=9)])
    found = [PositionKey(row["mode"], row["account"], row["symbol"]) for row in shell("positions", "--json").json]
    assert sorted(set(found) & set(keys)) == keys


def test_an_average_that_does_not_terminate_is_rounded_to_10_decimals(shell: Shell) -> None:
    """P3: entry_price is cost over quantity, half-even at 10 decimals; cost itself is exact."""
    key = PositionKey("SIM", "Sim1", "6EZ26-CME")
    with shell.writer as writer, writer.transaction():
        record(writer, key, [fill(key, "+1 @ 1.08455", minute=9), fill(key, "+2 @ 1.0846", minute=10)])
    (found,) = shell("positions", "--symbol", "6EZ26-CME", "--json").json
    assert (found["cost"], found["entry_price"]) == (Decimal("3.25375"), Decimal("1.0845833333"))


def test_agreement_with_another_quantity_is_no_agreement(shell: Shell) -> None:
    """A fill makes a position unverified until the server agrees again."""
    with shell.writer as writer, writer.transaction():
        writer.put_verification(
            Verification(key=SIM_MES, agreed_quantity=Decimal(1), agreed_at=NOW, compared_at=NOW, outcome="agreed")
        )
    (found,) = shell("positions", "--mode", "SIM", "--json").json
    assert (found["status"], found["status_reason"]) == ("UNVERIFIED", "changed since the server last agreed")


def test_no_ledger_is_exit_5_with_the_remedy(shell: Shell) -> None:
    """N14: one line, never a new empty file."""
    absent = shell.path.with_name("absent.db")
    ran = shell("positions", "--db", str(absent), code=5)
    assert ran.err.startswith(f"dtcpos: no ledger at {absent}; ")
    assert ran.err.count("\n") == 1
    assert not absent.exists()


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_wide_terminals_get_more_columns(shell: Shell, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Optional columns come and go with the width; mode, account, quantity and status never go."""
    monkeypatch.setenv("COLUMNS", str(columns))
    header = shell("positions").out.splitlines()[0].split()
    assert {"MODE", "ACCOUNT", "SYMBOL", "QTY", "STATUS"} <= set(header)
    assert ("MAE" in header) is (columns == 200)


def test_live_mnq_break_is_about_that_key(shell: Shell) -> None:
    """A break belongs to its own key and to no other."""
    found = shell("positions", "--mode", "LIVE", "--json").json
    assert [row["symbol"] for row in found if row["status"] == "BREAK"] == [LIVE_MNQ.symbol]
