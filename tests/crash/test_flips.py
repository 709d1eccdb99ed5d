"""Bytes that changed on the disk: never a crash, never a wrong answer that `verify` calls right."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dtcpos.proving import prove
from dtcpos.store import AuditReader, PositionRepository
from tests.cli.conftest import Ran
from tests.crash.test_disk import run
from tests.crash.test_power import facts_of
from tests.crash.test_strange import killed

LISTINGS = (
    ("positions", "--json"),
    ("export", "fills"),
    ("export", "trades", "--format", "json"),
    ("export", "journal"),
    ("stats", "--json"),
    ("accounts", "--json"),
    ("instruments", "--json"),
    ("tail", "--json"),
)


class Flipper:
    """A ledger as it was closed, and what is said of it when something in it is changed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        killed(self.path)
        connection = sqlite3.connect(self.path)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try:
            self.tables = dict(connection.execute("SELECT pageno, name FROM dbstat"))
        except sqlite3.OperationalError:
            pytest.skip("this SQLite cannot tell which page belongs to which table")
        finally:
            connection.close()
        self.size = 2048
        self.octets = self.path.read_bytes()
        self.said = self.answers()

    def answers(self) -> list[Ran]:
        return [run(*words, "--db", self.path) for words in LISTINGS]

    def changed(self, octets: bytes) -> tuple[bool, bool]:
        """Look at a changed file with every command; return whether `verify` finds it and whether an answer changed."""
        for beside in self.path.parent.glob("ledger.db*"):
            beside.unlink()
        self.path.write_bytes(octets)
        proof, said = run("verify", "--db", self.path), self.answers()
        for ran in (proof, *said):
            assert ran.code in (0, 5, 6), ran
            assert ran.code != 5 or ran.err.count("\n") == 1, ran.err
        return proof.code in (5, 6), list(map(_lasting, said)) != list(map(_lasting, self.said))

    def flipped(self, chance: random.Random) -> tuple[bytes, int]:
        """Return the file with a bit flipped where something stands, and the page it is in."""
        octets = bytearray(self.octets)
        while not octets[place := chance.randrange(len(octets))]:
            pass
        octets[place] ^= 1 << chance.randrange(8)
        return bytes(octets), place // self.size + 1


def _lasting(ran: Ran) -> tuple[int, Any]:
    """Leave out what depends on when somebody asks."""
    try:
        rows = json.loads(ran.out)
    except ValueError:
        return ran.code, ran.out
    return ran.code, [_without_age(row) for row in rows] if isinstance(rows, list) else rows


def _without_age(row: Any) -> Any:
    if not isinstance(row, dict):
        return row
    return {name: value for name, value in row.items() if name not in ("mark_age_s", "status", "status_reason")}


def tally(flipper: Flipper, count: int, chance: random.Random) -> Counter[str]:
    """Flip a bit so many times; count what was found, and what changed no answer."""
    found: Counter[str] = Counter()
    for _ in range(count):
        octets, page = flipper.flipped(chance)
        is_found, is_other = flipper.changed(octets)
        if is_found:
            found["found"] += 1
        else:
            assert not is_other, (flipper.tables.get(page), _first_difference(flipper.octets, octets))
            found["without effect"] += 1
    return found


def _first_difference(before: bytes, after: bytes) -> tuple[int, bytes, bytes]:
    place = next(n for n, (old, new) in enumerate(zip(before, after, strict=True)) if old != new)
    return place, before[place - 12 : place + 12], after[place - 12 : place + 12]


def test_a_flipped_bit_is_found_or_changes_nothing(tmp_path: Path) -> None:
    """N15: `verify` finds it wherever an answer would change, and no command ever crashes."""
    found = tally(Flipper(tmp_path), 8, random.Random(4))
    assert found["found"] > 2


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(3))
def test_very_many_flipped_bits_are_found_or_change_nothing(tmp_path: Path, seed: int) -> None:
    """N15: the same, thousands of times."""
    print(dict(tally(Flipper(tmp_path), 1_000, random.Random(100 + seed))))


def test_a_changed_type_or_name_is_damage_and_no_fault_of_ours(tmp_path: Path) -> None:
    """N15: text that became bytes, and a column that got another name, are called damage by whoever trips over them."""
    flipper = Flipper(tmp_path)
    connection = sqlite3.connect(flipper.path)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'reported_quantity', 'reported_quantitx')")
    connection.commit()
    connection.close()
    _, is_other = flipper.changed(flipper.path.read_bytes())
    assert is_other
    assert "is damaged" in run("positions", "--db", flipper.path).err
    # The first letter of the mode in a row of open_position; its type is told in the record's header before.
    place = flipper.octets.index(b"SIMSim1MES")
    header = flipper.octets.rindex(bytes([19, 21, 19]), 0, place)
    octets = bytearray(flipper.octets)
    octets[header] -= 1
    assert flipper.changed(bytes(octets))[0]


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut short": lambda octets, chance: octets[: chance.randrange(1, len(octets))],
    "cut to pages": lambda octets, chance: octets[: 2048 * chance.randrange(1, len(octets) // 2048)],
    "a page of zeros": lambda octets, chance: _page_put(octets, chance, bytes(2048)),
    "a page of noise": lambda octets, chance: _page_put(octets, chance, chance.randbytes(2048)),
    "a page of another place": lambda octets, chance: _page_put(octets, chance, octets[-2048:]),
    "noise behind the end": lambda octets, chance: octets + chance.randbytes(2048),
}


def _page_put(octets: bytes, chance: random.Random, page: bytes) -> bytes:
    start = 2048 * chance.randrange(len(octets) // 2048)
    return octets[:start] + page + octets[start + 2048 :]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_told_in_one_line_by_every_command(tmp_path: Path, damage: str) -> None:
    """N14, N15: whatever page is lost, nothing crashes, and `verify` says so wherever an answer is another."""
    _damaged(tmp_path, damage, 1)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_damaged_anywhere_is_told_in_one_line_by_every_command(tmp_path: Path, damage: str) -> None:
    """N14, N15: the same for many places."""
    _damaged(tmp_path, damage, 80)


def _damaged(folder: Path, damage: str, count: int) -> None:
    flipper, chance = Flipper(folder), random.Random(damage)
    for _ in range(count):
        is_found, is_other = flipper.changed(DAMAGES[damage](flipper.octets, chance))
        assert is_found or not is_other


def _log_damaged(folder: Path, chance: random.Random, count: int) -> None:
    path, wal = folder / "ledger.db", folder / "ledger.db-wal"
    killed(path)
    octets, log = path.read_bytes(), wal.read_bytes()
    facts = facts_of(path)
    for _ in range(count):
        for beside in folder.glob("ledger.db*"):
            beside.unlink()
        path.write_bytes(octets)
        content = bytearray(log[: chance.randrange(len(log))] if chance.random() < 0.3 else log)
        if content:
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        wal.write_bytes(content)
        (folder / "ledger.db-shm").write_bytes(chance.randbytes(32_768))
        with AuditReader.open(path) as reader:
            assert list(prove(reader)) == []
        with PositionRepository.open(path) as repository:
            assert list(prove(AuditReader(repository.database.conn, path))) == []
        assert facts_of(path).items() <= facts.items()


def test_a_damaged_log_gives_the_ledger_of_an_earlier_moment(tmp_path: Path) -> None:
    """N14, N15: commits behind a flipped bit are gone, and asked for again at the next logon; what is left is sound."""
    _log_damaged(tmp_path, random.Random(2), 6)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_log_damaged_anywhere_gives_the_ledger_of_an_earlier_moment(tmp_path: Path) -> None:
    """N14, N15: the same for many places."""
    _log_damaged(tmp_path, random.Random(3), 800)


def test_a_row_that_is_no_longer_where_its_index_says_leads_nobody_round_in_circles(tmp_path: Path) -> None:
    """N15: an account that begins with another byte comes before those that led to it; every walk over keys ends."""
    flipper = Flipper(tmp_path)
    (page,) = [number for number, name in flipper.tables.items() if name == "fill"]
    start, end = (page - 1) * 2048, page * 2048
    octets = bytearray(flipper.octets)
    octets[start:end] = octets[start:end].replace(b"Sim1", b"\x13im1")
    assert octets != flipper.octets
    assert flipper.changed(bytes(octets))[0]
