"""Verdicts that must not be hasty, agreements that must not outlive what was agreed, and breaks that must end."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dtcpos.booking import average_price
from dtcpos.dtc import OrderUpdate, PositionUpdate
from dtcpos.keeping.answers import Answer, Policy, answer_break
from dtcpos.keeping.posting import Posting
from dtcpos.keeping.session import moment_of_clock
from dtcpos.keeping.sync import Sync
from dtcpos.model import PositionKey, Status
from dtcpos.store import PositionRepository
from dtcpos.updates import BreakUpdate
from tests.pair import Pair

D = Decimal
KEY = PositionKey("SIM", "Sim1", "MES")
TERMS = "account Sim1\nsymbol MES tick 0.25 value 1.25\n"
SCALED = "account Sim1\nsymbol MES tick 0.25 value 1.25 multiplier 0.01\n"
LONG_ONE = "history Sim1 BUY 1 MES @ 5000 id E-1 order 1001 ago 1h\n"


def ledger(terms: str = TERMS + LONG_ONE) -> PositionRepository:
    pair = Pair(terms=terms).connect().settle()
    pair.keeper.stop(now=pair.now)
    return pair.repository


def come_back(repository: PositionRepository, terms: str, **options: object) -> Pair:
    return Pair(terms=terms, repository=repository, **options).connect().settle()


@pytest.mark.parametrize(("held", "quantity", "average"), [("2 @ 5001", 2, "5001"), ("-1 @ 5010", -1, "5010")])
def test_adopting_through_a_display_multiplier_books_the_wires_price(held: str, quantity: int, average: str) -> None:
    """P5, N13: the server's average is a display price, the ledger's rows hold the wire's."""
    pair = come_back(ledger(SCALED + LONG_ONE), f"{SCALED}held Sim1 MES {held}\n", policy=Policy.ADOPT)
    position = pair.keeper.positions[KEY]
    assert (position.signed_quantity, average_price(position)) == (quantity, D(average))
    again = come_back(pair.repository, f"{SCALED}held Sim1 MES {held}\n")
    assert again.keeper.open_breaks == []


def test_a_break_ends_when_both_are_flat() -> None:
    """N13: the missing exit came with the next history; nothing differs any more."""
    repository = ledger()
    assert len(come_back(repository, TERMS).keeper.open_breaks) == 1
    pair = come_back(repository, TERMS + LONG_ONE + "history Sim1 SELL 1 MES @ 5010 id E-2 order 1002 ago 5m\n")
    assert pair.keeper.open_breaks == []
    assert [update.is_resolved for update in pair.told if isinstance(update, BreakUpdate)] == [True]
    assert KEY not in pair.keeper.positions


def test_an_answer_goes_by_what_is_held_now() -> None:
    """N13: a break found before a correction never books the difference of then."""
    repository = ledger()
    pair = come_back(repository, f"{TERMS}held Sim1 MES 2 @ 5001\n")
    (found,) = pair.keeper.open_breaks
    pair.fill("+1 MES @ 5002", id="E-9", away=True)
    with repository.transaction():
        posting = Posting(repository)
        answer_break(repository, posting, found, Answer.ADOPT, reason="x", moment=moment_of_clock(pair.now))
        answer_break(repository, posting, found, Answer.ADOPT, reason="x", moment=moment_of_clock(pair.now))
    assert repository.positions()[KEY].signed_quantity == 2


def test_a_quantity_that_comes_back_is_not_the_one_agreed_with() -> None:
    """S3: UNVERIFIED until the server has agreed since the last fill, in other processes too."""
    pair = Pair(terms=TERMS).connect().settle()
    pair.fill("+2 MES @ 5000", id="E-1").wait(1)
    assert pair.status() is Status.VERIFIED
    silent = Pair(terms=TERMS + "no-answer positions\nno-answer history\n", repository=pair.repository)
    silent.connect()
    for number, (side, after) in enumerate([(1, 3.0), (2, 2.0)]):
        update = OrderUpdate(
            Symbol="MES",
            TradeAccount="Sim1",
            ServerOrderID=f"77{number}",
            OrderUpdateReason=4,
            OrderStatus=7,
            BuySell=side,
            LastFillPrice=5001.0,
            LastFillQuantity=1.0,
            FilledQuantity=1.0,
            LastFillDateTime=int(silent.now * 1000) + number,
            LastFillExecutionID=f"X-{number}",
        )
        silent.send(update)
        assert silent.keeper.positions[KEY].signed_quantity == after
    assert silent.status() is Status.UNVERIFIED


def test_after_a_fill_one_snapshot_convicts_nobody() -> None:
    """N12: the quiet question may be answered with an execution that is still on its way; it is asked once more."""
    pair = Pair(terms=TERMS).connect().settle()
    pair.fill("+1 MES @ 5000", id="E-1").wait(1)
    # The server states a lot more than it has told, as it does between an execution and its order update.
    pair.send(PositionUpdate(Symbol="MES", TradeAccount="Sim1", Quantity=2.0, AveragePrice=5000.0, Unsolicited=1))
    pair.wait(1)
    pair.fill("+1 MES @ 5000", id="E-2").settle()
    assert pair.keeper.open_breaks == []
    assert pair.status() is Status.VERIFIED


def test_a_message_told_twice_in_a_batch_counts_once() -> None:
    """N10: any duplication; a position of two lots is not one of four."""
    sync = Sync(request_timeout_s=10)
    sync.ask_positions("Sim1")
    request = sync.next_request(0.0)
    assert request is not None
    ended = []
    for number, symbol in ((1, "MES"), (1, "MES"), (2, "MNQ")):
        told = PositionUpdate(
            RequestID=request.RequestID,  # type: ignore[attr-defined]
            MessageNumber=number,
            TotalNumberMessages=2,
            Symbol=symbol,
            TradeAccount="Sim1",
            Quantity=2.0,
            AveragePrice=5000.0,
        )
        ended += sync.receive(told, now=0.0, received_at=moment_of_clock(0.0)) or []
    assert [(report.symbol, report.signed_quantity) for report in ended[0].reported] == [("MES", 2), ("MNQ", 2)]


def test_an_average_cannot_be_adopted_by_booking_nothing() -> None:
    """N2: the break stays what it is, and looking again adds nothing."""
    repository = ledger()
    for _ in range(2):
        pair = come_back(repository, f"{TERMS}held Sim1 MES 1 @ 5010\n", policy=Policy.ADOPT)
        assert [found.kind for found in pair.keeper.open_breaks] == ["average_price"]
    assert len(repository.open_breaks()) == 1


def test_keep_ends_when_the_server_has_agreed() -> None:
    """N13: settled for as long as the server says the same, and no longer."""
    repository = ledger()
    other = f"{TERMS}held Sim1 MES 3 @ 5000\n"
    come_back(repository, other, policy=Policy.KEEP)
    assert come_back(repository, TERMS + LONG_ONE).keeper.open_breaks == []
    assert len(come_back(repository, other).keeper.open_breaks) == 1


def test_history_of_other_accounts_is_not_followed() -> None:
    """M3: --account limits what is booked, whatever a server tells unasked."""
    terms = "account Sim1\naccount Sim2\nsymbol MES tick 0.25 value 1.25\n" + LONG_ONE
    pair = Pair(terms=terms + LONG_ONE.replace("Sim1", "Sim2").replace("E-1", "E-2"), accounts=["Sim2"])
    pair.connect().settle()
    assert {key.account for key in pair.keeper.positions} == {"Sim2"}


def test_a_sparse_rejection_leaves_the_bracket_alone() -> None:
    """P9: a rejected replace names the order and little more; the order lives on as it was."""
    pair = Pair(terms=TERMS).connect().settle()
    pair.perform(
        "order Sim1 1001 BUY 1 MES limit 5000",
        "order Sim1 1002 SELL 1 MES limit 5010 parent 1001 oco 1003",
        "order Sim1 1003 SELL 1 MES stop 4996 parent 1001 oco 1002",
    )
    pair.fill("+1 MES @ 5000", id="E-1", order="1001").wait(1)
    sparse = OrderUpdate(
        Symbol="MES", TradeAccount="Sim1", ServerOrderID="1003", OrderUpdateReason=10, OrderStatus=4, ClientOrderID="C"
    )
    pair.send(sparse).wait(1)
    rows = pair.repository.database.conn.execute("SELECT target_price, stop_price FROM open_position").fetchall()
    assert rows == [("5010", "4996")]


def test_a_multiplier_learned_after_the_comparison_changes_no_agreement() -> None:
    """P5: the same fills in other prices are what the server agreed with."""
    pair = Pair(terms=SCALED + LONG_ONE).connect().settle()
    assert pair.keeper.positions[KEY].cost == 5000
    assert pair.status() is Status.VERIFIED
