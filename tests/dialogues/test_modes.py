"""SIM and LIVE side by side: who decides, who is told, and that neither touches the other."""

from __future__ import annotations

import pytest

from dtcpos.model import PositionKey
from tests.pair import Pair

TERMS = """
account Sim1
account 120005
account PaperMoney
account DEMO-7
account apex-77
account eval.sim
symbol MES tick 0.25 value 1.25
symbol MNQ tick 0.25 value 0.50
"""


def modes(pair: Pair) -> dict[str, str]:
    return {account.account: account.mode for account in pair.repository.accounts()}


def test_names_decide_where_nobody_says_otherwise() -> None:
    """M2: sim, demo and paper in any case are SIM, the rest LIVE; each account is announced once, with the rule."""
    pair = Pair(terms=TERMS).connect().settle().reconnect().settle()
    assert modes(pair) == {
        "120005": "LIVE",
        "DEMO-7": "SIM",
        "PaperMoney": "SIM",
        "Sim1": "SIM",
        "apex-77": "LIVE",
        "eval.sim": "SIM",
    }
    assert sorted(pair.alerts("account")) == [
        "account 120005 is LIVE (no rule says otherwise)",
        "account DEMO-7 is SIM (name contains 'demo')",
        "account PaperMoney is SIM (name contains 'paper')",
        "account Sim1 is SIM (name contains 'sim')",
        "account apex-77 is LIVE (no rule says otherwise)",
        "account eval.sim is SIM (name contains 'sim')",
    ]


def test_an_explicit_map_comes_first() -> None:
    """M2: what the settings say of an account, by name or pattern, outweighs its name."""
    rules = {"apex-*": "SIM", "Sim1": "LIVE", "120005": "sim"}
    pair = Pair(terms=TERMS, mode_rules=rules).connect().settle()
    found = modes(pair)
    assert (found["apex-77"], found["Sim1"], found["120005"], found["DEMO-7"]) == ("SIM", "LIVE", "SIM", "SIM")
    assert "account apex-77 is SIM (settings: apex-*)" in pair.alerts("account")


def test_the_mode_stays_as_it_was_first_decided() -> None:
    """M2: rules changed later do not re-label what is stored behind anybody's back."""
    pair = Pair(terms=TERMS).connect().fill("+1 MES @ 5050", id="E-1")
    pair.options["mode_rules"] = {"Sim1": "LIVE"}
    pair.crash().settle()
    assert modes(pair)["Sim1"] == "SIM"
    assert set(pair.repository.positions()) == {PositionKey("SIM", "Sim1", "MES")}


@pytest.mark.parametrize("first", ["Sim1", "120005"])
def test_the_other_mode_is_left_alone(first: str) -> None:
    """M1: a position of one mode is open; everything that happens in the other leaves it as it is."""
    second = "120005" if first == "Sim1" else "Sim1"
    pair = Pair().connect().fill("+1 MES @ 5050", id="E-1", account=first)
    pair.fill("+1 MES @ 6000", id="E-1", account=second).fill("-3 MES @ 6010", id="E-2", account=second)
    pair.reconnect().settle()
    assert sorted(pair.positions()) == sorted([f"{first} +1 MES @ 5050", f"{second} -2 MES @ 6010"])
    assert pair.trades(second) == [f"{second} LONG 1 MES 6000 to 6010 = 10"]
    assert pair.trades(first) == []


def test_eight_positions_side_by_side() -> None:
    """M3: two accounts of each mode, two symbols each; the guard alerts and drops nothing."""
    terms = "account Sim1\naccount Sim2\naccount 120005\naccount 120006\n"
    pair = Pair(terms=terms + "symbol MES tick 0.25 value 1.25\nsymbol MNQ tick 0.25 value 0.50").connect()
    accounts = ("120005", "120006", "Sim1", "Sim2")
    for number, account in enumerate(accounts, 1):
        pair.fill(f"+{number} MES @ 5050", id="E-1", account=account)
        pair.fill(f"-{number} MNQ @ 18000", id="E-2", account=account)
    pair.reconnect().settle()
    expected = [
        line
        for number, account in enumerate(accounts, 1)
        for line in (f"{account} +{number} MES @ 5050", f"{account} -{number} MNQ @ 18000")
    ]
    assert pair.positions() == expected
    assert len(pair.alerts("one_position_per_account")) == 4
