"""Breaks and their answers: what differs is found, said, kept, and settled only by someone's decision."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dtcpos.keeping.answers import Policy
from dtcpos.model import PositionKey, Status
from dtcpos.store import PositionRepository
from dtcpos.updates import AlertUpdate, BreakUpdate, SyncedUpdate
from tests.pair import Pair

D = Decimal
KEY = PositionKey("SIM", "Sim1", "MES")
TERMS = "account Sim1\nsymbol MES tick 0.25 value 1.25\n"
LONG_ONE = "history Sim1 BUY 1 MES @ 5000 id E-1 order 1001 ago 1h\n"
# What the server says the second time, and what kind of break that is.
KINDS = {
    "quantity": "held Sim1 MES 3 @ 5010\n",
    "side": "held Sim1 MES -2 @ 5010\n",
    "missing_there": "held Sim1 MES 0 @ 5010\n",
    "average_price": "held Sim1 MES 1 @ 5010\n",
}


def ledger(first: str = LONG_ONE) -> PositionRepository:
    """Return a ledger that has met the account once, with `first` on the server."""
    pair = Pair(terms=TERMS + first).connect().settle()
    pair.keeper.stop(now=pair.now)
    return pair.repository


def come_back(repository: PositionRepository, terms: str, **options: object) -> Pair:
    return Pair(terms=TERMS + terms, repository=repository, **options).connect().settle()


def breaks_of(pair: Pair) -> list[str]:
    return [found.kind for found in pair.repository.open_breaks()]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "missing_there"])
def test_each_difference_is_a_break_and_changes_nothing(kind: str) -> None:
    """N12: a snapshot is a check: the position stays as the fills made it, and the break says what differs."""
    pair = come_back(ledger(), KINDS[kind])
    assert breaks_of(pair) == [kind]
    assert [update.break_.kind for update in pair.told if isinstance(update, BreakUpdate)] == [kind]
    assert pair.keeper.positions[KEY].signed_quantity == 1
    assert pair.keeper.positions[KEY].cost == 5000
    (synced,) = [update for update in pair.told if isinstance(update, SyncedUpdate)]
    assert synced.breaks == 1


def test_what_the_server_no_longer_mentions_is_a_break_once_snapshots_are_trusted() -> None:
    """N13: closed elsewhere with no history: the position stays until someone answers."""
    pair = come_back(ledger(), "")
    assert breaks_of(pair) == ["missing_there"]
    assert pair.keeper.positions[KEY].signed_quantity == 1


def test_what_only_the_server_holds_is_a_break_after_first_contact() -> None:
    """N12: later a snapshot opens nothing by itself."""
    repository = ledger(LONG_ONE + "history Sim1 SELL 1 MES @ 5001 id E-2 order 1002 ago 30m\n")
    assert repository.positions() == {}
    pair = come_back(repository, "held Sim1 MES 2 @ 5010\n")
    assert breaks_of(pair) == ["missing_here"]
    assert KEY not in pair.keeper.positions


def test_the_same_break_is_one_break_however_often_we_look() -> None:
    """N2: restarting finds what is known and adds nothing."""
    repository = ledger()
    for _ in range(3):
        come_back(repository, KINDS["quantity"])
    assert len(repository.open_breaks()) == 1


def test_a_break_goes_when_the_server_agrees_again() -> None:
    """S3: agreement resolves it, and says so."""
    repository = ledger()
    come_back(repository, KINDS["quantity"])
    pair = come_back(repository, LONG_ONE)
    assert breaks_of(pair) == []
    assert [update.is_resolved for update in pair.told if isinstance(update, BreakUpdate)] == [True]


@pytest.mark.parametrize("policy", [Policy.REPORT, Policy.BACKFILL, Policy.ASK])
def test_policies_that_only_report_change_nothing(policy: Policy) -> None:
    """N13: nothing is changed that a policy was not given for."""
    pair = come_back(ledger(), KINDS["side"], policy=policy)
    assert breaks_of(pair) == ["side"]
    assert pair.keeper.positions[KEY].signed_quantity == 1


@pytest.mark.parametrize(
    ("terms", "held", "realized"),
    [
        # 3 lots at 5010 are worth 15030; ours cost 5000, so the two that came in cost 10030.
        (KINDS["quantity"], "+3 cost 15030", []),
        # Our lot went out at a price nobody knows, two came in at the server's average.
        (KINDS["side"], "-2 cost -10020", [None]),
        ("", "flat", [None]),
    ],
)
def test_adopting_books_what_the_server_states(terms: str, held: str, realized: list[Decimal | None]) -> None:
    """N13: quantity and average become the server's; the profit of what left unseen is null, never invented."""
    pair = come_back(ledger(), terms, policy=Policy.ADOPT)
    position = pair.keeper.positions.get(KEY)
    words = "flat" if position is None else f"{position.signed_quantity:+f} cost {position.cost:f}"
    assert words == held
    trades = pair.repository.trades_of_key("Sim1", "MES", after=None)
    assert [trade.realized for trade in trades] == realized
    assert breaks_of(pair) == []
    again = come_back(pair.repository, terms, policy=Policy.ADOPT)
    assert again.repository.count_of_key("Sim1", "MES") == pair.repository.count_of_key("Sim1", "MES")
    assert not [update for update in again.told if isinstance(update, BreakUpdate)]


@pytest.mark.parametrize(("price", "realized"), [(D(5012), D(12)), (None, None)])
def test_closing_at_a_price_or_at_none(price: Decimal | None, realized: Decimal | None) -> None:
    """N13: with a price the profit is known, without one the trade has none."""
    pair = come_back(ledger(), "", policy=Policy.CLOSE, close_price=price)
    assert KEY not in pair.keeper.positions
    (trade,) = pair.repository.trades_of_key("Sim1", "MES", after=None)
    assert trade.realized == realized
    assert ("exit_unknown" in trade.flags) == (realized is None)


def test_closing_is_for_what_the_server_no_longer_has() -> None:
    """N13: a policy to close never closes what the server says is open."""
    pair = come_back(ledger(), KINDS["quantity"], policy=Policy.CLOSE, close_price=D(5012))
    assert breaks_of(pair) == ["quantity"]
    assert pair.keeper.positions[KEY].signed_quantity == 1


def test_kept_is_settled_as_long_as_the_server_says_the_same() -> None:
    """N13: no break, no VERIFIED either; another statement of the server is another break."""
    pair = come_back(ledger(), KINDS["quantity"], policy=Policy.KEEP)
    assert breaks_of(pair) == []
    assert pair.repository.verifications()[KEY].outcome == "kept against the server's +3"
    again = come_back(pair.repository, KINDS["quantity"])
    assert breaks_of(again) == []
    assert again.repository.verifications()[KEY].outcome == "kept against the server's +3"
    other = come_back(pair.repository, KINDS["side"])
    assert breaks_of(other) == ["side"]


def test_silence_about_an_account_never_confirmed_is_no_break() -> None:
    """N11: chart simulation accounts may never appear in a snapshot, so absence says nothing until one has agreed."""
    repository = ledger(LONG_ONE + 'reject positions "not served"\n')
    assert not repository.accounts()[0].snapshots_trusted
    pair = come_back(repository, "")
    assert breaks_of(pair) == []
    assert pair.keeper.positions[KEY].signed_quantity == 1
    assert pair.status() is Status.UNVERIFIED
    assert pair.keeper.unfinished == ()


def test_an_account_whose_snapshot_did_not_come_is_unfinished() -> None:
    """N11: no answer is said as such, and nothing is changed."""
    pair = come_back(ledger(), "no-answer positions\n", request_timeout_s=0.5)
    assert pair.keeper.positions[KEY].signed_quantity == 1
    assert pair.keeper.unfinished == ("Sim1: positions unanswered",)
    assert pair.status() is Status.UNVERIFIED


def test_a_second_symbol_in_an_account_is_announced_and_booked() -> None:
    """M3: the guard alerts and never drops a fact."""
    pair = Pair().connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1")
    pair.fill("+1 MNQ @ 25000", id="E-2")
    alerts = [update for update in pair.told if isinstance(update, AlertUpdate)]
    assert [alert.text for alert in alerts if alert.kind == "one_position_per_account"] == [
        "account Sim1 now holds MNQ beside MES"
    ]
    assert len(pair.keeper.positions) == 2


def test_statuses_tell_the_worst_first() -> None:
    """S3: BREAK, then UNVERIFIED, then STALE, then VERIFIED."""
    assert list(Status) == [Status.BREAK, Status.UNVERIFIED, Status.STALE, Status.VERIFIED]
