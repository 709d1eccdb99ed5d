"""Answers to breaks: what a person, or a policy a person chose, does about a difference with the server.

Every answer books tagged adjustments or nothing, marks the break as answered, and is journaled with its reason. Runs
inside the caller's transaction.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from attrs import evolve

from dtcpos.booking import KEPT, adopted, close_out, flat
from dtcpos.booking.pricing import wire_price
from dtcpos.keeping.dating import dated
from dtcpos.keeping.journal import changed, position_text
from dtcpos.keeping.posting import Posting
from dtcpos.model import Break, Fill, Verification
from dtcpos.store import PositionRepository
from dtcpos.updates import BreakUpdate, Update


class Answer(StrEnum):
    """What can be done about a break."""

    ADOPT = "adopt"
    CLOSE = "close"
    KEEP = "keep"


class Policy(StrEnum):
    """What to do about breaks without being asked; `report` and `backfill` book history and nothing else."""

    ASK = "ask"
    REPORT = "report"
    BACKFILL = "backfill"
    ADOPT = "adopt"
    CLOSE = "close"
    KEEP = "keep"


def kept_words(found: Break) -> str:
    """Return the reason a position shows while a break about it is settled with `keep`."""
    theirs = found.reported_quantity or Decimal(0)
    return f"{KEPT} {theirs:+f}" if theirs else f"{KEPT} flat"


def answer_break(
    repository: PositionRepository,
    posting: Posting,
    found: Break,
    answer: Answer,
    *,
    price: Decimal | None = None,
    reason: str,
    moment: datetime,
) -> list[Update]:
    """Carry out an answer and return what it changed. `price` is the display price of a close, None if unknown."""
    held = posting.positions.get(found.key, flat(found.key))
    updates: list[Update] = []
    time = dated(repository, *found.key[1:], moment)
    for fill in _entries(posting, found, answer, price, reason, time):
        updates += posting.post_entry(fill, now=moment)
    after = posting.positions.get(found.key, flat(found.key))
    assert found.id is not None, found
    repository.answer_break(found.id, str(answer), moment)
    verification = Verification(key=found.key, compared_at=moment, outcome=kept_words(found))
    if answer is Answer.ADOPT:
        # The server agreed when it stated this, which may have been long before the answer.
        verification = evolve(
            verification, outcome="agreed", agreed_quantity=after.signed_quantity, agreed_at=found.found_at
        )
    repository.put_verification(verification)
    entry = changed(found.key, moment, f"break {answer}", position_text(held), position_text(after), None)
    repository.add_journal([entry._replace(reason=reason)])
    settled = evolve(found, answer=str(answer), answered_at=moment)
    return [*updates, BreakUpdate(break_=settled, is_resolved=True)]


def _entries(
    posting: Posting, found: Break, answer: Answer, price: Decimal | None, reason: str, time: datetime
) -> list[Fill]:
    held, instrument = posting.positions.get(found.key), posting.instruments.get(found.key.symbol)
    match answer:
        case Answer.ADOPT:
            fills = adopted(held, found, time=time)
            return [fill._replace(price=wire_price(fill.price, instrument), reason=reason) for fill in fills]
        case Answer.CLOSE if held is not None:
            return [close_out(held, price=wire_price(price, instrument), time=time, reason=reason)]
        case _:
            return []
