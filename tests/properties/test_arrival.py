"""The final state does not depend on how executions arrive: order, repetition, frames, losses, the source.

Invariants:
1. Any permutation, any duplication and any split into reads of live executions gives the in-order run's ledger.
2. Any subset of the live messages lost, and history told afterwards, gives the ledger of all of them live.
3. Through any losses of the line, refusals and kills, the ledger in the end is the venue's truth.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.dtc import BuySell, Encoding, OrderUpdate, encode
from tests.outcome import assert_true, outcome_of, prove
from tests.pair import NOON, Pair

executions = st.lists(
    st.tuples(
        st.sampled_from(["Sim1", "120005"]),
        st.sampled_from(["MES", "MNQ"]),
        st.sampled_from([BuySell.BUY, BuySell.SELL]),
        st.integers(1, 4),
        st.sampled_from([5050.0, 5050.25, 5051.5]),
        st.integers(1, 900),
    ),
    min_size=1,
    max_size=14,
)
Executions = list[tuple[str, str, int, int, float, int]]


def messages(drawn: Executions) -> list[OrderUpdate]:
    """Return live executions, each at a millisecond of its own, each the only one of its order."""
    told = []
    milliseconds = int(NOON * 1000)
    for number, (account, symbol, side, quantity, price, later) in enumerate(drawn, 1):
        milliseconds += later
        told.append(
            OrderUpdate(
                Symbol=symbol,
                ServerOrderID=f"{100 + number}",
                OrderStatus=7,
                OrderUpdateReason=4,
                BuySell=side,
                OrderQuantity=float(quantity),
                FilledQuantity=float(quantity),
                LastFillPrice=price,
                LastFillQuantity=float(quantity),
                LastFillDateTime=milliseconds,
                LastFillExecutionID=f"E-{number}",
                TradeAccount=account,
            )
        )
    return told


@settings(max_examples=40)
@given(executions, st.sampled_from(list(Encoding)), st.randoms(use_true_random=False))
def test_order_repetition_and_frames_do_not_matter(
    drawn: Executions, encoding: Encoding, chance: random.Random
) -> None:
    """N10: shuffled, some of them twice, cut into reads of any size: positions and trades of the in-order run."""
    told = messages(drawn)
    in_order = Pair(encoding=encoding).connect().send(*told)
    arriving = told + chance.choices(told, k=chance.randint(0, len(told)))
    chance.shuffle(arriving)

    def pieces(octets: bytes) -> Iterator[bytes]:
        begin = 0
        while begin < len(octets):
            end = begin + chance.randint(1, 1500)
            yield octets[begin:end]
            begin = end

    pair = Pair(encoding=encoding).connect()
    for piece in pieces(b"".join(encode(message, encoding) for message in arriving)):
        pair.feed(piece)
    assert outcome_of(pair.repository) == outcome_of(in_order.repository)
    assert len(pair.told_fills()) == len(told)
    prove(pair.repository)


@settings(max_examples=40)
@given(executions, st.sets(st.integers(0, 13)), st.booleans(), st.randoms(use_true_random=False))
def test_what_was_lost_live_comes_from_history(
    drawn: Executions, lost: set[int], reconnects: bool, chance: random.Random
) -> None:
    """N3, N10: any subset of the live messages lost, then history of everything: the state of all of them live."""
    ledgers = []
    for losses in (set(), lost):
        pair = Pair().connect()
        for number, (account, symbol, side, quantity, price, later) in enumerate(drawn):
            pair.wait(later / 300)
            signed = f"{'+' if side == BuySell.BUY else '-'}{quantity} {symbol} @ {price}"
            pair.fill(signed, id=f"E-{number}", order=f"{number}", account=account, away=number in losses)
            if losses and reconnects and chance.random() < 0.2:
                pair.reconnect()
        pair.reconnect().settle()
        assert_true(pair.repository, pair.performance.venue)
        ledgers.append(outcome_of(pair.repository))
    assert ledgers[0] == ledgers[1]


@settings(max_examples=40)
@given(st.integers(0, 10**9))
def test_through_any_faults_the_ledger_ends_at_the_venues_truth(seed: int) -> None:
    """N1, N2, N3, N5, N6, N9, N11: random sessions with lost lines, kills, refusals, cut batches, ids of every kind."""
    troubled(random.Random(seed))


@pytest.mark.long
@pytest.mark.timeout(1200)
@settings(max_examples=4000)
@given(st.integers(0, 10**9))
def test_through_very_many_faults_the_ledger_ends_at_the_venues_truth(seed: int) -> None:
    """N1, N2, N3, N5, N6, N11: the same, thousands of times."""
    troubled(random.Random(seed))


def troubled(chance: random.Random) -> None:
    terms, script = _terms(chance), "\n".join(_script(chance))
    pair = Pair(script, terms=terms, encoding=chance.choice(list(Encoding)), request_timeout_s=1.0).connect()
    while not pair.performance.is_over:
        if pair.is_down or chance.random() < 0.02:
            assert pair.keeper.failure is None
            chance.choice([pair.reconnect, pair.crash])()
        else:
            pair.step()
    _sync(pair)
    has_past = "held" in terms
    assert_true(pair.repository, pair.performance.venue, has_past=has_past)
    assert pair.repository.open_breaks() == []
    before = pair.repository.content_hash()
    _sync(pair)
    assert pair.repository.content_hash() == before
    # A ledger that knows nothing but history comes to the same.
    fresh = Pair(terms=terms, performance=pair.performance)
    fresh.now = pair.now
    fresh.connect().settle()
    assert_true(fresh.repository, pair.performance.venue, has_past=has_past)
    if not has_past:
        assert outcome_of(fresh.repository, ids=False) == outcome_of(pair.repository, ids=False)


def _sync(pair: Pair) -> None:
    pair.crash().wait(12)
    # What is left of the script's faults may break off a few more sessions.
    for _ in range(8):
        if not pair.is_down:
            return
        pair.reconnect().wait(12)
    raise AssertionError("no session lives")


def _terms(chance: random.Random) -> str:
    accounts = [f"account {name}{chance.choice(['', ' no-position-after'])}" for name in ("Sim1", "120005")]
    multiplier = chance.choice(["", " multiplier 0.01"])
    past = chance.choice([[], [], ["held Sim1 MES -2 @ 5000", "held 120005 MNQ 3 @ 5050.25"]])
    symbols = [f"symbol MES tick 0.25 value 1.25{multiplier}", "symbol MNQ tick 0.25 value 0.5"]
    return "\n".join([*accounts, *symbols, *past])


def _script(chance: random.Random) -> Iterator[str]:
    naming = chance.choice(["id X-{0}", "id L{0} history-id H-{1}-{0}", "id -"])
    orders: list[tuple[str, str, str]] = []
    for number in range(chance.randint(3, 14)):
        if chance.random() < 0.25:
            yield from _fault(chance)
        if chance.random() < 0.25:
            yield chance.choice(["wait 0.05", "wait 1.1", "wait 2.5", "repeat last", "repeat all", "tick MES 5049"])
        if not orders or chance.random() < 0.5:
            account, symbol = chance.choice(["Sim1", "120005"]), chance.choice(["MES", "MES", "MNQ"])
            orders.append((account, symbol, chance.choice(["BUY", "SELL"])))
        order_id = chance.randrange(len(orders))
        account, symbol, side = orders[order_id]
        name = naming.format(number, chance.randint(1, 99))
        away = chance.choice(["", "", "", "away "])
        price = chance.choice(["5050", "5050.25", "5051"])
        yield f"{away}fill {account} {side} {chance.randint(1, 3)} {symbol} @ {price} {name} order {order_id + 1} of 40"
        if "X-" in name and chance.random() < 0.1:
            yield f"correct {account} X-{number} @ {chance.choice(['5052', '5049.75'])}"
    yield "answer all"


def _fault(chance: random.Random) -> Iterator[str]:
    topic = chance.choice(["history", "positions", "orders"])
    yield from chance.choice(
        [
            ["drop"],
            ["drop", "await"],
            [f"cut {chance.randint(1, 400)}"],
            [f"cut-batch {topic} after {chance.randint(0, 2)}{chance.choice(['', ' stay'])}"],
            [f"cut-batch accounts after {chance.randint(0, 2)}"],
            [f"no-answer {topic}"],
            [f"reject {topic} sorry"],
            ["answer all"],
        ]
    )
