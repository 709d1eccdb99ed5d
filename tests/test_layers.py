"""The walls between the rooms, read from the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dtcpos"
MODULES = sorted(PACKAGE.rglob("*.py"))

PURE = ("errors", "words", "model", "exact", "trust", "dtc", "translate", "booking")
WORLDLY = {
    "asyncio", "cattrs", "getpass", "logging", "multiprocessing", "os", "platformdirs", "random", "rich", "secrets",
    "select", "selectors", "signal", "socket", "sqlite3", "sqlite_utils", "ssl", "subprocess", "threading", "time",
    "typer", "uuid",
}  # fmt: skip
APART = ("dtc", "booking", "store")
TALKS_SQL = {"sqlite3", "sqlite_utils"}
DRAWS = {"typer", "rich"}
TOUCHES_SOCKETS = {"socket", "selectors", "select", "asyncio"}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    """Every module a file names, at its top or inside a function, also those only a type checker follows."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def tops_of(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports_of(path)}


def rooms_of(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports_of(path) if name.startswith("dtcpos.")}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) in APART], ids=named)
def test_dtc_booking_and_store_never_import_one_another(path: Path) -> None:
    """The three rooms meet only in the keeper."""
    assert not rooms_of(path) & (set(APART) - {room_of(path)})


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) in PURE], ids=named)
def test_pure_rooms_ask_nothing_of_the_world(path: Path) -> None:
    """Time, randomness, paths and environment are arguments there."""
    assert not tops_of(path) & WORLDLY


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) in PURE], ids=named)
def test_pure_rooms_never_read_the_clock(path: Path) -> None:
    """`datetime.now()` and its kin would be an ambient clock."""
    calls = {
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not calls & {"now", "utcnow", "today"}


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) != "cli"], ids=named)
def test_only_the_command_line_knows_typer_and_rich(path: Path) -> None:
    """Rendering is in one room and nowhere else."""
    assert not tops_of(path) & DRAWS
    assert room_of(path) == "__main__" or "cli" not in rooms_of(path)


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) != "store"], ids=named)
def test_sql_lives_in_the_store(path: Path) -> None:
    """No other room opens the file by itself."""
    assert not tops_of(path) & TALKS_SQL


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) not in ("client", "sim")], ids=named)
def test_only_the_client_and_the_simulator_touch_sockets(path: Path) -> None:
    """A GUI embeds everything else without a driver of ours."""
    assert not tops_of(path) & TOUCHES_SOCKETS


def loaded_by(code: str) -> set[str]:
    """The modules a fresh interpreter has after running some code."""
    shown = f"import sys\n{code}\nprint('loaded', *sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", shown], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    line = next(line for line in run.stdout.splitlines() if line.startswith("loaded "))
    return set(line.split()[1:])


def tops(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_importing_dtcpos_loads_neither_typer_nor_rich() -> None:
    """A GUI that embeds the keeper pays for no command line."""
    assert not tops(loaded_by("import dtcpos")) & {"typer", "rich", "sqlite_utils", "pandas"}


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    code = f"from dtcpos.store import PositionRepository\nPositionRepository.open({str(path)!r}).close()\n"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
    return path


def loaded_by_command(path: Path, *words: str) -> set[str]:
    """The modules a command has loaded when it has ended, its output no terminal."""
    return loaded_by(
        "from dtcpos.cli import main\n"
        f"sys.argv = {['dtcpos', *words, '--db', str(path)]!r}\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code in (None, 0, 3), end.code\n"
    )


def test_positions_json_loads_only_what_it_needs(blank: Path) -> None:
    """F4: the listing scripts call most starts without Typer, without the nouns, and without what either needs."""
    loaded = loaded_by_command(blank, "positions", "--json")
    unwanted = (
        "rich sqlite_utils asyncio attr attrs cattrs dataclasses fractions hashlib inspect logging pandas socket ssl "
        "subprocess threading tomllib typer zoneinfo"
    )
    assert not tops(loaded) & set(unwanted.split())
    ours = {name.removeprefix("dtcpos.") for name in loaded if name.startswith("dtcpos.")}
    assert ours == set(
        "_version cli cli.faults cli.jsonout cli.keys cli.places cli.quick errors exact store store.columns "
        "store.connection store.glance store.running store.schema trust words".split()
    )


@pytest.mark.parametrize(
    "words",
    [
        "tail",
        "tail --json",
        "status --json",
        "status",
        "stats",
        "stats --json",
        "history --json",
        "accounts --json",
        "instruments --json",
        "export trades",
        "export fills --format json",
        "positions",
    ],
)
def test_what_only_reads_loads_nothing_that_writes_or_draws(blank: Path, words: str) -> None:
    """F4: one-shot readers start without rich, sqlite-utils or asyncio, and without the protocol."""
    loaded = loaded_by_command(blank, *words.split())
    assert not tops(loaded) & set("rich sqlite_utils asyncio cattrs pandas socket ssl".split())
    assert not {name for name in loaded if name.startswith(("dtcpos.dtc", "dtcpos.sim", "dtcpos.keep"))}
