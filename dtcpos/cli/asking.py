"""Questions about breaks and unverified positions, on a terminal: the difference first, then what each answer does."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import typer

from dtcpos.booking import adopted, average_price, flat, fold
from dtcpos.cli.corrections import decimal
from dtcpos.cli.jsonout import plain
from dtcpos.cli.places import utc_now
from dtcpos.cli.render import break_text, held_text, place
from dtcpos.cli.writing import opened
from dtcpos.errors import UsageError
from dtcpos.keeping.answers import Answer, answer_break
from dtcpos.keeping.corrections import Corrections
from dtcpos.keeping.posting import Posting
from dtcpos.model import Break, Position

_SKIP = "skip"


def ask_about_breaks(path: Path, breaks: Sequence[Break], positions: Sequence[Position]) -> None:
    """Ask about each break and carry out the answer at once, each in a transaction of its own."""
    held = {position.key: position for position in positions}
    for found in breaks:
        print(f"\nBREAK  {break_text(found)}")
        position = held.get(found.key)
        choices = _choices(found, position)
        for word, effect in choices.items():
            print(f"  {word:<6} {effect}")
        word = _chosen(list(choices))
        if word == _SKIP:
            continue
        answer = Answer(word)
        price = _asked_price() if answer is Answer.CLOSE else None
        reason = _asked_reason()
        with opened(path) as repository, repository.transaction():
            posting = Posting(repository)
            answer_break(repository, posting, found, answer, price=price, reason=reason, moment=utc_now())
            after = posting.positions.get(found.key, flat(found.key))
        print(f"done: {place(found.key)} is now {_words(after)}")


def ask_about_positions(path: Path, positions: Sequence[Position]) -> None:
    """Ask about each open position that nobody could verify: keep it, close it at a price, or decide later."""
    for position in positions:
        print(f"\n{place(position.key)}: {_words(position)}")
        print("  keep   it is open at the broker too; nothing is changed")
        print("  close  it is closed at the broker; book that at a price you give, or at an unknown one")
        print("  skip   decide later")
        if _chosen(["keep", "close", _SKIP]) != "close":
            continue
        price, reason, now = _asked_price(), _asked_reason(), utc_now()
        with opened(path) as repository, repository.transaction():
            done = Corrections(repository, now=now).close(
                position.key.account, position.key.symbol, price=price, quantity=None, time=None, reason=reason
            )
        print(f"done: {place(position.key)} is now {_words(done.after)}; `dtcpos undo {done.entry_id}` takes it back")


def _choices(found: Break, position: Position | None) -> dict[str, str]:
    choices = {}
    steps = adopted(position, found, time=utc_now())
    if steps:
        booked = ", then ".join(
            f"{plain(step.signed_quantity)} @ {'an unknown price' if step.price is None else plain(step.price)}"
            for step in steps
        )
        after = fold(position or flat(found.key), steps)[-1].after
        choices["adopt"] = f"book {booked}; then we hold {_words(after)}, as the server states"
    if position is not None:
        choices["close"] = f"book {plain(-position.signed_quantity)} at a price you give; then we hold nothing"
    choices["keep"] = "change nothing; settled for as long as the server goes on saying the same"
    choices[_SKIP] = "decide later"
    return choices


def _words(position: Position) -> str:
    return held_text(position.signed_quantity, average_price(position))


def _chosen(words: list[str]) -> str:
    while True:
        given = str(typer.prompt(f"Answer ({', '.join(words)})", default=_SKIP)).strip().lower()
        fitting = [word for word in words if given and word.startswith(given)]
        if len(fitting) == 1:
            return fitting[0]
        print(f"{given!r} is none of {', '.join(words)}")


def _asked_price() -> Decimal | None:
    while True:
        given = str(typer.prompt("Price (Enter if nobody knows)", default="", show_default=False)).strip()
        if not given:
            return None
        try:
            return decimal(given, "price")
        except UsageError as error:
            print(error)


def _asked_reason() -> str:
    while True:
        given = str(typer.prompt("Reason, for the journal")).strip()
        if given:
            return given
