"""Entries nobody dated, where our clock and the server's disagree: they take their place among the executions."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.booking import arranged
from dtcpos.keeping.answers import Policy
from dtcpos.keeping.corrections import Corrections
from dtcpos.keeping.dating import dated
from dtcpos.keeping.posting import Posting
from dtcpos.keeping.session import moment_of_clock
from dtcpos.model import ZERO, Fill, Source
from dtcpos.store import PositionRepository
from tests.clocks.skew import SkewedPair
from tests.notation import KEY, at, fill
from tests.outcome import prove

# Our clock against the server's: right, minutes ahead, minutes behind.
SKEWS = [0.0, 180.0, 540.0, -180.0, -3600.0]


def closed(pair: SkewedPair, price: str) -> None:
    """Close what is held as `dtcpos close` without a time does."""
    with PositionRepository.open(pair.repository.path) as repository, repository.transaction():
        corrections = Corrections(repository, now=moment_of_clock(pair.our_now))
        corrections.close("Sim1", "MES", price=Decimal(price), quantity=None, time=None, reason="on the phone")


@pytest.mark.parametrize("ahead", SKEWS)
def test_a_close_comes_after_what_it_closes_and_before_what_follows(tmp_path: Path, ahead: float) -> None:
    """P1: the profit of an entry is that of its place, whichever clock is wrong."""
    pair = SkewedPair(ahead=ahead, repository=PositionRepository.open(tmp_path / "l.db")).connect()
    pair.fill("+2 MES @ 5000", id="E-1", order="1").wait(60)
    closed(pair, "5010")
    pair.wait(1).fill("+1 MES @ 5020", id="E-2", order="2").fill("-1 MES @ 5021", id="E-3", order="3")
    assert pair.trades("Sim1") == ["Sim1 LONG 2 MES 5000 to 5010 = 20", "Sim1 LONG 1 MES 5020 to 5021 = 1"]
    prove(pair.repository)
    pair.repository.close()


@pytest.mark.parametrize("ahead", SKEWS)
def test_what_is_adopted_comes_before_what_follows(ahead: float) -> None:
    """P1: the answer to a break takes its place too: one trade, not two that cross zero."""
    pair = SkewedPair(ahead=ahead).connect()
    pair.fill("+1 MES @ 5000", id="E-1", order="1").settle()
    pair.keeper.stop(now=pair.now)
    again = SkewedPair(
        ahead=ahead,
        terms="account Sim1\nsymbol MES tick 0.25 value 1.25\nheld Sim1 MES 3 @ 5010\n",
        repository=pair.repository,
        policy=Policy.ADOPT,
    )
    again.now = pair.now + 60
    again.connect().settle()
    assert again.positions() == ["Sim1 +3 MES @ 5010"]
    again.wait(1).fill("-3 MES @ 5020", id="E-2", order="2")
    assert again.trades("Sim1") == ["Sim1 LONG 3 MES 5010 to 5020 = 30"]
    prove(again.repository)


@pytest.mark.parametrize(
    "latest",
    [
        [fill("+1 @ 5000", 5.25)],
        [fill("+1 @ 5000", 5, time_is_exact=False)],
        [fill("+1 @ 5000", 5, time_is_exact=False, place=0), fill("+1 @ 5000", 5, time_is_exact=False, place=1)],
        [fill("+1 @ 5000", 5.5, position_after=Decimal(1)), fill("-1 @ 5001", 5.25, position_after=Decimal(0))],
        [fill("+1 @ 5000", 5.999_999)],
    ],
    ids=["exact", "a second", "placed", "chained against the clock", "the last of a second"],
)
@pytest.mark.parametrize("behind_s", [-1.0, 0.0, 0.5, 3.0, 3600.0])
def test_an_entry_follows_every_execution_known(latest: list[Fill], behind_s: float) -> None:
    """N10: by the order of the ledger itself, not by comparing times; what is known keeps its own order."""
    repository = PositionRepository.in_memory()
    now = at(5 - behind_s)
    with repository.transaction():
        posting = Posting(repository)
        posting.post_history(KEY.account, [one for one in latest if one.source is not Source.LIVE], now=at(6))
        posting.post_live(latest, now=at(6))
        before = [one.id for one in arranged(repository.fills_of_key(*KEY[1:]), ZERO)]
        entry = fill("+7 @ 1", time=dated(repository, *KEY[1:], now), id=None, source=Source.ADJUSTMENT)
        posting.post_entry(entry, now=now)
        after = [one.id for one in arranged(repository.fills_of_key(*KEY[1:]), ZERO)]
    assert after[:-1] == before
    prove(repository)


@pytest.mark.parametrize(
    ("lags", "expected"),
    [([], 0), ([200, 185, 190], 185), ([0.4, 60], 0.4), ([-300], 0), ([40_000], 0), ([40_000, 180], 180)],
    ids=["nothing heard", "a slow server", "a busy one", "one ahead", "told late", "told late by a slow one"],
)
def test_the_servers_clock_is_known_from_what_was_heard_live(lags: list[float], expected: float) -> None:
    """P10: the least delay counts; an execution told hours late, or by a clock ahead of ours, says nothing."""
    repository, now = PositionRepository.in_memory(), at(100_000)
    with repository.transaction():
        posting = Posting(repository)
        for lag in lags:
            posting.post_live([fill("+1 @ 5000", 100_000 - lag)], now=now)
    assert now - dated(repository, KEY.account, "another", now) == timedelta(seconds=expected)
