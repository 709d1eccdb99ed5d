"""The alert for executions that history shows to be missing."""

from __future__ import annotations

from tests.pair import Pair


def test_a_missing_execution_is_told_once_a_session() -> None:
    """N3: history states a position that its executions do not come to; every session says so once."""
    pair = Pair("").connect().settle()
    pair.fill("+1 MES @ 5000", id="e-1").settle()
    pair.fill("+1 MES @ 5001", id="e-2", position="4").settle()
    pair.reconnect().settle()
    (text,) = pair.alerts("gap")
    assert text.startswith("SIM Sim1 MES: 2 lots bought missing between e-1 (")
    assert ") and e-2 (" in text
    pair.reconnect().settle()
    assert pair.alerts("gap") == [text, text]


def test_first_contact_is_no_gap() -> None:
    """N9: what was held before the history began is carried in, not missed."""
    terms = "account Sim1\nsymbol MES tick 0.25 value 1.25\nheld Sim1 MES 3 @ 4990\n"
    pair = Pair("", terms=terms).connect().settle()
    pair.fill("+1 MES @ 5000", id="e-1").settle().reconnect().settle()
    assert pair.alerts("carried")
    assert not pair.alerts("gap")


def test_executions_that_come_by_themselves_are_no_gap() -> None:
    """N3: missed while away, then told by history: nothing is missing."""
    pair = Pair("").connect().settle()
    pair.fill("+1 MES @ 5000", id="e-1")
    pair.lose()
    pair.fill("+2 MES @ 5001", id="e-2").fill("-1 MES @ 5002", id="e-3")
    pair.connect().settle()
    assert pair.positions()
    assert not pair.alerts("gap")
