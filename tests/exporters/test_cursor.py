"""Files of what is new, exactly once: every moment a run can end at, and what the next run makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.errors import OutputUnwritable, UsageError
from dtcpos.exporters.cursor import Cursor, passed_over
from dtcpos.exporters.placing import has_placeholder, named, writing
from dtcpos.store import PositionRepository
from dtcpos.store.exporting import ExportReader
from tests.store.ledgers import account, fill

NOW = datetime(2026, 11, 20, 23, tzinfo=UTC)


class Exports:
    """A ledger, a folder, and runs that may end after any step."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.out = folder / "ledger.db", folder / "out"
        self.out.mkdir()
        with PositionRepository.open(self.ledger) as repository, repository.transaction():
            repository.put_account(account())
        self.count = 0

    def book(self, count: int) -> None:
        with PositionRepository.open(self.ledger) as repository, repository.transaction():
            ids = range(self.count + 1, self.count + count + 1)
            repository.add_fills([fill(number, number, execution_id=f"E-{number}") for number in ids])
        self.count += count

    def correct(self, fill_id: int, **other: Any) -> None:
        self.count += 1
        with PositionRepository.open(self.ledger) as repository, repository.transaction():
            repository.add_fills([fill(self.count, fill_id, supersedes=fill_id, reason="a test", **other)])

    def run(self, steps: int = 99) -> None:
        """Export what is new, ending for good after so many steps: the next is another process."""
        left = iter(range(steps))

        def goes_on() -> bool:
            return next(left, None) is not None

        with Cursor.open(self.ledger, "nightly", "fills", now=NOW) as cursor, ExportReader.open(self.ledger) as reader:
            cursor.resume(NOW)
            last_id = reader.last_id("fills")
            skipped, void = passed_over(reader, cursor.last_id, cursor.memory.void)
            found = [fill.id for fill, _ in reader.fills(after_id=cursor.last_id) if fill.id not in skipped]
            if not found:
                cursor.advance(last_id, void, NOW)
                return
            path = named(self.out / "fills-{number}.csv", day=NOW.date(), number=cursor.memory.files + 1)
            if not goes_on():
                return
            part = cursor.begin(path, NOW)
            if not goes_on():
                return
            part.write_text("half a fi", encoding="utf-8")
            if not goes_on():
                return
            with writing(part, path) as out:
                out.writelines(f"{fill_id}\n" for fill_id in found)
            for step in (lambda: cursor.record(last_id, void, NOW), cursor.place, lambda: cursor.finish(NOW)):
                if not goes_on():
                    return
                step()

    def ids(self) -> list[int]:
        """Everything exported, file by file."""
        assert all(path.name.startswith("fills-") for path in self.out.iterdir()), list(self.out.iterdir())
        paths = sorted(self.out.iterdir(), key=lambda path: int(path.stem.removeprefix("fills-")))
        return [int(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    return Exports(tmp_path)


@pytest.mark.parametrize("steps", range(7))
def test_a_run_may_end_after_any_step(exports: Exports, steps: int) -> None:
    """U3: whatever the last step was, the files of all runs have every row once."""
    exports.book(3)
    exports.run()
    exports.book(2)
    exports.run(steps)
    exports.book(1)
    exports.run(steps)
    exports.run()
    assert exports.ids() == [1, 2, 3, 4, 5, 6]
    files = len(list(exports.out.iterdir()))
    exports.run()
    assert len(list(exports.out.iterdir())) == files


@settings(max_examples=40, deadline=None)
@given(plan=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 7)), max_size=8))
def test_any_sequence_of_ended_runs(plan: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """U3: no duplicate and no gap, for any bookings between any runs."""
    exports = Exports(tmp_path_factory.mktemp("plan"))
    for count, steps in plan:
        exports.book(count)
        exports.run(steps)
    exports.run()
    assert exports.ids() == list(range(1, exports.count + 1))


def test_a_file_taken_away_before_the_cursor_advanced_counts(exports: Exports) -> None:
    """U3: who takes files away as they appear may do so between the rename and the last commit."""
    exports.book(2)
    exports.run(steps=5)
    (path,) = exports.out.iterdir()
    path.unlink()
    exports.book(1)
    exports.run()
    assert exports.ids() == [3]


def test_a_finished_part_is_never_put_over_another_file(exports: Exports) -> None:
    """Both files are kept, and the person is told what to move away."""
    exports.book(2)
    exports.run(steps=4)
    (exports.out / "fills-1.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputUnwritable, match="is in the way"):
        exports.run()
    (exports.out / "fills-1.csv").unlink()
    exports.run()
    assert exports.ids() == [1, 2]


def test_a_file_of_an_earlier_run_is_refused(exports: Exports) -> None:
    """The rows in it are nowhere else."""
    exports.book(1)
    (exports.out / "fills-1.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is there already"):
        exports.run()


def test_a_folder_that_is_gone_is_no_file_in_its_place(exports: Exports) -> None:
    """U3: what cannot be put in place is not taken for done."""
    exports.book(2)
    exports.run(steps=4)
    exports.out.rename(exports.out.with_name("away"))
    if os.name != "nt":
        with pytest.raises(OutputUnwritable, match="cannot write"):
            exports.run()
    exports.out.with_name("away").rename(exports.out)
    exports.run()
    assert exports.ids() == [1, 2]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root and Windows write where they want")
def test_a_folder_that_turned_read_only(exports: Exports) -> None:
    """N14: a clear refusal, and the next run is complete."""
    exports.book(2)
    exports.run(steps=4)
    exports.out.chmod(0o500)
    with pytest.raises(OutputUnwritable, match="cannot write"):
        exports.run()
    exports.out.chmod(0o700)
    exports.run()
    assert exports.ids() == [1, 2]


def test_two_runs_of_one_name_at_once(exports: Exports) -> None:
    """U3: the second is refused, or both would write the same rows."""
    exports.book(1)
    with Cursor.open(exports.ledger, "nightly", "fills", now=NOW):
        code = (
            "import sys\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
            "from dtcpos.exporters.cursor import Cursor\n"
            "from dtcpos.errors import LedgerLocked\n"
            "try:\n"
            "    with Cursor.open(Path(sys.argv[1]), 'nightly', 'fills', now=datetime.now(UTC)): pass\n"
            "except LedgerLocked as error: print(error)\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code, str(exports.ledger)], capture_output=True, text=True, check=True, timeout=60
        )
    assert f"cursor nightly is in use by process {os.getpid()}" in ran.stdout


def test_a_name_is_for_one_thing(exports: Exports) -> None:
    """Another WHAT or another filter under the same name would leave gaps."""
    exports.book(1)
    exports.run()
    with pytest.raises(UsageError, match="is for `export fills`, not `export trades`"):
        exports_as(exports, "nightly", "trades")
    for name in ("", "a b", "../x", ".x", "x" * 65):
        with pytest.raises(UsageError, match="no name for a cursor"):
            exports_as(exports, name, "fills")


def exports_as(exports: Exports, name: str, what: str) -> None:
    with Cursor.open(exports.ledger, name, what, now=NOW):
        pass


CHANGES: dict[str, tuple[Callable[[Exports], None], list[int]]] = {
    "corrected before it was exported": (lambda e: (e.book(1), e.correct(1), e.run())[0], [2]),
    "corrected after": (lambda e: (e.book(1), e.run(), e.correct(1))[0], [1]),
    "corrected twice after": (lambda e: (e.book(1), e.run(), e.correct(1), e.run(), e.correct(2))[0], [1]),
    "void before": (lambda e: (e.book(1), e.correct(1, is_void=True))[0], []),
    "void after, and restored": (
        lambda e: (e.book(1), e.run(), e.correct(1, is_void=True), e.run(), e.correct(2))[0],
        [1],
    ),
    "void before, and restored": (
        lambda e: (e.book(1), e.correct(1, is_void=True), e.run(), e.correct(2))[0],
        [3],
    ),
    "void before, restored, and corrected after": (
        lambda e: (e.book(1), e.correct(1, is_void=True), e.run(), e.correct(2), e.run(), e.correct(3))[0],
        [3],
    ),
    "void, restored and void again, and restored": (
        lambda e: (
            e.book(1),
            e.correct(1, is_void=True),
            e.run(),
            e.correct(2),
            e.correct(3, is_void=True),
            e.run(),
            e.correct(4),
        )[0],
        [5],
    ),
}


@pytest.mark.parametrize("case", list(CHANGES))
def test_an_execution_is_exported_once_whatever_becomes_of_it(exports: Exports, case: str) -> None:
    """U3: corrections are no new executions; one that was void when it was passed over is still to come."""
    change, expected = CHANGES[case]
    change(exports)
    exports.run()
    exports.run()
    assert exports.ids() == expected


def test_names() -> None:
    """`{date}` and `{number}` are put in, other braces are left alone."""
    day = NOW.date()
    assert named(Path("a-{date}-{number}.csv"), day=day, number=7).name == "a-2026-11-20-7.csv"
    assert named(Path("a-{number:04}-{number:2}.csv"), day=day, number=7).name == "a-0007-07.csv"
    assert named(Path("{name}{date"), day=day).name == "{name}{date"
    assert has_placeholder(Path("x/{date}/y"), "date")
    assert not has_placeholder(Path("x/{date}/y"), "number")


def test_a_write_that_fails_leaves_nothing(exports: Exports) -> None:
    """N14: a disk that fills up is a refusal that names the file, and no part is left."""
    path = exports.out / "fills-1.csv"
    with pytest.raises(OutputUnwritable, match="No space left"), writing(exports.out / ".part", path) as out:
        out.write("x")
        raise OSError(28, "No space left on device")
    assert list(exports.out.iterdir()) == []
