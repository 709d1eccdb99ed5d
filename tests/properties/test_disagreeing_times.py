"""The live feed, history and a log each date executions in their own way: ledger and order of arrival agree.

Invariants:
1. After every telling and every correction, positions and trades are what a replay of the ledger gives.
2. Each execution is booked and announced once, and what the ledger comes to does not depend on who told it first.
3. What a person takes back is as if it had not been entered.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.errors import UsageError
from dtcpos.keeping.corrections import Corrections
from dtcpos.keeping.imported import ImportedLog, Logged
from dtcpos.keeping.lookup import Lookup
from dtcpos.keeping.posting import Posting
from dtcpos.model import Fill, Side, Source
from dtcpos.store import PositionRepository
from dtcpos.updates import FillUpdate
from tests.outcome import outcome_of, prove

MORNING = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
NOW = MORNING + timedelta(minutes=10)
_ROUNDED = {"down": 0, "up": 999, "later": 1000, "earlier": -1000, "much later": 2000}


def _dated(milliseconds: int, way: str) -> datetime:
    return MORNING + timedelta(seconds=(milliseconds + _ROUNDED[way]) // 1000)


class Morning:
    """Up to eight executions, each at a price of its own, and how each source tells them."""

    def __init__(self, chance: random.Random) -> None:
        milliseconds, held = 3000, Decimal(0)
        cumulative: Counter[str] = Counter()
        sides: dict[str, Side] = {}
        several = chance.random() < 0.3
        way = chance.choice(list(_ROUNDED))
        states, log_states = chance.random() < 0.5, chance.random() < 0.5
        prefix, log_prefix = chance.choice(["X", "X", "H"]), chance.choice(["X", "G"])
        self.live: list[Fill] = []
        self.past: list[Fill] = []
        self.log: list[Fill] = []
        for number in range(chance.randint(1, 8)):
            # No two at one instant: which of those is the first, nobody says.
            milliseconds += chance.choice([10, 50, 100, 300, 700, 1000, 1500])
            order = str(chance.randint(100, 102) if several else 100 + number)
            side = sides.setdefault(order, chance.choice(list(Side)))
            quantity = chance.randint(1, 2)
            cumulative[order] += quantity
            held += quantity if side is Side.BUY else -quantity
            fill = Fill(
                account="Sim1",
                symbol="MES",
                side=side,
                quantity=Decimal(quantity),
                price=Decimal(5000 + number),
                time=MORNING + timedelta(milliseconds=milliseconds),
                time_is_exact=True,
                execution_id=f"X-{number}",
                order_id=order,
                source=Source.LIVE,
            )
            second = _dated(milliseconds, chance.choice([*[way] * 3, *_ROUNDED]))
            whole = fill._replace(time_is_exact=False, time=second)
            is_whole = chance.random() < 0.2
            told = whole._replace(time=_dated(milliseconds, "down")) if is_whole else fill
            self.live.append(told._replace(cumulative_quantity=Decimal(cumulative[order])))
            self.past.append(
                whole._replace(
                    source=Source.BACKFILL, execution_id=f"{prefix}-{number}", position_after=held if states else None
                )
            )
            written = fill.time + timedelta(milliseconds=chance.choice([0, 7, 303, -304, 1205]))
            logged = fill._replace(time=written) if chance.random() < 0.5 else whole
            self.log.append(
                logged._replace(
                    source=Source.IMPORT,
                    execution_id=f"{log_prefix}-{number}",
                    position_after=held if log_states else None,
                )
            )
        places: Counter[datetime] = Counter()
        for index, fill in sorted(enumerate(self.past), key=lambda each: each[1].time):
            self.past[index] = fill._replace(place=places[fill.time])
            places[fill.time] += 1

    def tellings(self, chance: random.Random) -> list[tuple[Any, ...]]:
        """Return what is told: some of it live, mostly all of it by history, at times all of it by a log."""
        told: list[tuple[Any, ...]] = [("live", fill) for fill in self.live if chance.random() < 0.7]
        told += [("history",)] if chance.random() < 0.8 else []
        return told + ([("log", chance.randint(0, 3))] if chance.random() < 0.4 else [])

    def corrections(self, chance: random.Random) -> list[tuple[Any, ...]]:
        """Return what the server and a person say otherwise."""
        facts: list[dict[str, Any]] = [{"price": Decimal(4990)}, {"quantity": Decimal(3)}, {"side": Side.BUY}]
        elsewhere: dict[str, Any] = {"symbol": "MNQ"}
        moved: dict[str, Any] = {"time": MORNING + timedelta(milliseconds=chance.randint(2000, 9000))}
        said: list[tuple[Any, ...]] = [("history",)]
        for _ in range(chance.randint(1, 4)):
            fill = chance.choice(chance.choice([self.live, self.past]))
            restated = ("restate", fill._replace(**chance.choice([*facts, elsewhere])))
            fixed = (chance.choice(["void", "replace", "undo", "there and back"]), chance.randint(0, 7))
            said.append(chance.choice([restated, (*fixed, chance.choice([*facts, moved])), ("reload",)]))
        return said


class Ledger:
    """A ledger that is told things, each in a transaction, and proves itself after each."""

    def __init__(self, morning: Morning) -> None:
        self.repository = PositionRepository.in_memory()
        self.announced: list[int | None] = []
        self._morning = morning
        self._posting = Posting(self.repository)

    def tell(self, *all_told: tuple[Any, ...]) -> Ledger:
        for told in all_told:
            with self.repository.transaction():
                self._one(*told)
            prove(self.repository)
        return self

    def _one(self, kind: str, *words: Any) -> None:
        match kind:
            case "live":
                self._note(self._posting.post_live(words, now=NOW))
            case "history":
                past = sorted(self._morning.past, key=lambda fill: fill.time)
                self._note(self._posting.post_history("Sim1", past, now=NOW))
            case "restate" if words[0].source is Source.LIVE:
                self._posting.post_live(words, now=NOW)
            case "restate":
                self._posting.post_history("Sim1", words, now=NOW)
            case "log":
                self._import(*words)
            case "reload":
                self._posting.reload()
            case _:
                self._enter(kind, *words)
                self._posting.reload()

    def _note(self, updates: Sequence[object]) -> None:
        self.announced += [update.fill.id for update in updates if isinstance(update, FillUpdate)]

    def _import(self, cut: int) -> None:
        log, posting, lookup = ImportedLog(self.repository), Posting(self.repository), Lookup(self.repository)
        ordered = sorted(self._morning.log, key=lambda fill: fill.time)
        rows = [Logged(line, fill, (fill.order_id,)) for line, fill in enumerate(ordered, 1)]
        parts = [part for part in (rows[:cut], rows[cut:]) if part]
        for part in parts:
            log.learn(part, lookup)
        for part in parts:
            posting.post_import(part, log, now=NOW)
        posting.catch_up(log, now=NOW)
        log.note_caught_up()
        log.remember()
        self._posting.reload()

    def _enter(self, kind: str, which: int, changes: dict[str, Any]) -> None:
        fills = self.repository.fills_of_key("Sim1", "MES")
        if not fills:
            return
        fill_id = fills[which % len(fills)].id
        assert fill_id is not None
        entries = Corrections(self.repository, now=NOW)
        try:
            if kind == "void":
                entries.void(fill_id, reason="not ours")
            elif kind == "replace":
                entries.replace(fill_id, changes=changes, reason="misheard")
            elif kind == "undo":
                entries.undo(None, reason="it was right")
            else:
                before = self.exactly()
                entries.void(fill_id, reason="not ours")
                Corrections(self.repository, now=NOW).undo(None, reason="it is")
                assert self.exactly() == before
        except UsageError:
            # Nothing to undo, or corrected since.
            pass

    def exactly(self) -> tuple[object, ...]:
        """What the ledger comes to, with every time in full."""
        fills = self.repository.fills_of_key("Sim1", "MES")
        trades = self.repository.trades_of_key("Sim1", "MES")
        return (
            sorted((fill.price, fill.side, fill.quantity, fill.time, fill.time_is_exact) for fill in fills),
            sorted((each.entry_time, each.exit_time, str(each.realized), each.fills) for each in trades),
            outcome_of(self.repository, ids=False),
        )


def told_in_any_order(chance: random.Random) -> None:
    morning = Morning(chance)
    told = morning.tellings(chance)
    ledger = Ledger(morning).tell(*told)
    everything = any(kind != "live" for kind, *_ in told)
    expected = len(morning.live) if everything else len(told)
    assert len(ledger.repository.fills_of_key("Sim1", "MES")) == expected
    assert len(set(ledger.announced)) == len(ledger.announced)
    for _ in range(2):
        chance.shuffle(told)
        assert Ledger(morning).tell(*told).exactly() == ledger.exactly()


def corrected_in_any_order(chance: random.Random) -> None:
    morning = Morning(chance)
    said = morning.tellings(chance) + morning.corrections(chance)
    chance.shuffle(said)
    Ledger(morning).tell(*said)


@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_sources_that_date_differently_come_to_one_ledger(chance: random.Random) -> None:
    """N4, N10: rounded up, down or a second off, in any order: each once, and the same positions and trades."""
    told_in_any_order(chance)


@settings(max_examples=60)
@given(st.randoms(use_true_random=False))
def test_corrections_between_them_are_booked_in_their_place(chance: random.Random) -> None:
    """N8, N10: what the server restates and a person enters, voids and takes back is always what a replay gives."""
    corrected_in_any_order(chance)


@pytest.mark.long
@pytest.mark.timeout(1200)
@settings(max_examples=5000)
@given(st.integers(0, 10**9))
def test_very_many_mornings(seed: int) -> None:
    """N4, N8, N10: the same, thousands of times."""
    told_in_any_order(random.Random(seed))
    corrected_in_any_order(random.Random(seed))
