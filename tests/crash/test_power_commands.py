"""A machine that loses its power while commands write: the ledger, what was exported, and the copy that was made."""

from __future__ import annotations

import csv
import random
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from dtcpos.model import Account, Fill, Side
from dtcpos.store import PositionRepository
from tests.cli.conftest import Shell
from tests.crash.images import LOSSES, Disk, files_in, put, python_calls
from tests.crash.test_power import Facts, Recorded, facts_of, pytestmark, sound
from tests.crash.vfs import Tape, recording
from tests.importers.writing import log, told

__all__ = ["pytestmark"]

START = datetime(2026, 11, 20, 14, tzinfo=UTC)


@frozen(kw_only=True)
class Promise:
    """What a command that ended well has said: rows of the ledger, and files that are in their place."""

    facts: Facts
    placed: dict[str, bytes]
    is_rebuilt: bool = False


class Chores:
    """A folder with a ledger, what is exported from it, and the commands of a day."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "ledger.db"
        self.out = folder / "out"
        self.shell = Shell(self.path)
        self.spare = folder.with_name("spare")

    def begin(self) -> None:
        """Make a ledger with a position whose row is not what its fills give."""
        self.out.mkdir(parents=True)
        self.spare.mkdir()
        log(self.spare, *(told(f"+{number} @ {5000 + number}", number) for number in range(1, 4)))
        self.book(1, 6)
        self.shell("import", str(log(self.spare, told("-2 @ 5050", 3600), name="first.txt")))
        connection = sqlite3.connect(self.path)
        connection.execute("UPDATE open_position SET cost = '1'")
        connection.commit()
        connection.close()

    def book(self, first: int, count: int) -> None:
        """Book round trips as `connect` does, one transaction."""
        from dtcpos.keeping.posting import Posting

        with PositionRepository.open(self.path) as repository, repository.transaction():
            if repository.account("Sim5") is None:
                known = Account(account="Sim5", mode="SIM", rule="name", first_seen_at=START)
                repository.put_account(known)
            fills = [
                Fill(
                    account="Sim5",
                    symbol="MES",
                    side=Side.BUY if number % 2 else Side.SELL,
                    quantity=Decimal(1),
                    price=Decimal(5000 + number),
                    time=START.replace(minute=number),
                    execution_id=f"B-{number}",
                    booked_at=START,
                )
                for number in range(first, first + count)
            ]
            Posting(repository).post_live(fills, now=START)

    def export(self) -> None:
        """Write what is new to files of their own."""
        for what in ("fills", "journal"):
            target = self.out / f"{what}-{{number}}.csv"
            self.shell("export", what, "--cursor", what, "--output", str(target))

    def day(self) -> list[Callable[[], object]]:
        """Return what is done, one after another."""
        shell, reason = self.shell, ("--reason", "by phone")
        add = ("fix", "add", "Sim5", "MES")
        return [
            lambda: shell("rebuild"),
            lambda: shell(*add, "BUY", "2", "5001", "--time", "2026-11-20T15:00:00Z", *reason),
            lambda: shell("fix", "void", "2", *reason),
            lambda: shell("undo", *reason),
            lambda: shell("close", "Sim5", "MES", "--price", "5003", *reason),
            self.export,
            lambda: shell("backup", str(self.out / "copy.db")),
            lambda: self.book(7, 5),
            lambda: shell("import", str(self.spare / "log.txt")),
            self.export,
            lambda: shell("accounts", "set", "Sim5", "LIVE"),
            lambda: shell("instruments", "set", "MES", "--point-value", "5", "--commission", "0.62"),
            lambda: self.book(12, 3),
            self.export,
            lambda: shell("export", "trades", "--output", str(self.out / "all.csv")),
            lambda: shell("backup", "--force", str(self.out / "copy.db")),
        ]

    def placed(self) -> dict[str, bytes]:
        """Return the finished files."""
        return {name: content for name, content in files_in(self.out).items() if not name.startswith(".")}

    def recorded(self) -> Recorded:
        """Do all of it and record what happens to the disk."""
        self.begin()
        before = files_in(self.folder)
        with recording(self.folder) as tape, python_calls(tape):
            for number, do in enumerate(self.day()):
                do()
                self.promise(tape, is_rebuilt=number >= 0)
            events = list(tape.events)
        return Recorded(events=events, before=before)

    def promise(self, tape: Tape, *, is_rebuilt: bool) -> None:
        events, tape.keeps = tape.keeps, False
        facts = facts_of(self.path)
        tape.keeps = events
        tape.add("told", content=Promise(facts=facts, placed=self.placed(), is_rebuilt=is_rebuilt))

    def restored(self, files: dict[str, bytes]) -> None:
        """Put an image where the run was: a cursor remembers whole paths."""
        shutil.rmtree(self.folder)
        self.out.mkdir(parents=True)
        put(files, self.folder)

    def hold(self, promise: Promise | None) -> None:
        """Hold what is found against what was promised, then do what the next morning does."""
        if promise is not None:
            found = facts_of(self.path)
            assert {row: found.get(row) for row in promise.facts} == promise.facts
            # A later file of the same name may have taken a place, whole.
            for name, content in promise.placed.items():
                assert (self.out / name).exists()
                assert name in ("copy.db", "all.csv") or (self.out / name).read_bytes() == content
        if promise is None or not promise.is_rebuilt:
            self.shell("rebuild")
        sound(self.path)
        if (copy := self.out / "copy.db").exists():
            sound(copy)
        self.shell("import", str(self.spare / "log.txt"))
        self.export()
        sound(self.path)
        self.no_row_twice_and_none_missing()

    def no_row_twice_and_none_missing(self) -> None:
        for what in ("fills", "journal"):
            whole = self.spare / "whole.csv"
            whole.unlink(missing_ok=True)
            self.shell("export", what, "--output", str(whole))
            parts = [rows_of(path) for path in self.out.glob(f"{what}-*.csv")]
            assert all(parts)
            union = [str(row) for part in parts for row in part]
            if what == "journal":
                assert sorted(union) == sorted(map(str, rows_of(whole)))
            ids = [row["execution_id"] for part in parts for row in part if row.get("execution_id")]
            assert len(ids) == len(set(ids))
            if what == "fills":
                assert {row["execution_id"] for row in rows_of(whole)} <= {*ids, ""}
        assert not [name for name in files_in(self.out) if name.startswith((".fills", ".journal"))]


def rows_of(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows))


def tried(chores: Chores, recorded: Recorded, points: Callable[[int], bool], chance: random.Random) -> int:
    disk, promise, count = Disk.holding(recorded.before), None, 0
    for place, event in enumerate(recorded.events):
        if event.kind == "told":
            promise = event.content
        else:
            disk.apply(event)
        if not points(place):
            continue
        count += 1
        loss = chance.choice(LOSSES)
        chores.restored(disk.image(loss, chance))
        try:
            chores.hold(promise)
        except BaseException as error:
            error.add_note(f"after {place} {event.kind} {event.name}: {loss}")
            raise
    return count


def test_no_loss_of_power_undoes_what_a_command_said_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """N1, N14, U3: rebuild, fix, import, export and backup are there whole once they ended, no row is in two files."""
    monkeypatch.setenv("DTCPOS_CONFIG", "")
    chores, chance = Chores(tmp_path / "run"), random.Random(5)
    recorded = chores.recorded()
    assert {"create", "rename", "delete", "folder", "told"} <= {event.kind for event in recorded.events}
    # The steps of an export are few among all the writes.
    placing = [n for n, event in enumerate(recorded.events) if event.kind in ("rename", "folder")]
    chosen = {*chance.sample(placing, 5), *chance.sample(range(len(recorded.events)), 5)}
    assert tried(chores, recorded, chosen.__contains__, chance) == len(chosen)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(2))
def test_no_loss_of_power_at_any_point_undoes_what_a_command_said_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """N1, N14, U3: the same after every single thing done to the disk."""
    monkeypatch.setenv("DTCPOS_CONFIG", "")
    chores, chance = Chores(tmp_path / "run"), random.Random(seed)
    count = tried(chores, chores.recorded(), lambda _: True, chance)
    print(f"{count} images")


def test_a_file_put_in_place_is_on_the_disk_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """U3: each rename is followed by a flush of its folder before the command ends."""
    monkeypatch.setenv("DTCPOS_CONFIG", "")
    recorded = Chores(tmp_path / "run").recorded()
    renames = [place for place, event in enumerate(recorded.events) if event.kind == "rename"]
    assert len(renames) >= 5
    for place in renames:
        after = [event for event in recorded.events[place:] if event.kind in ("folder", "told")]
        assert (after[0].kind, after[0].name) == ("folder", "out")
