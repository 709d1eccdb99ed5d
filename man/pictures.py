"""Draw the terminal for the README: `python man/pictures.py`, or `--check` to see whether the pictures are current.

Every picture is what a command really prints on a terminal. The ledger is that of the shipped demo, played without a
socket and by a clock of its own, so that the same picture comes out on every machine. The fonts are the reader's: the
pictures fetch nothing. `--check` compares what is written in them, because rich may draw its frames otherwise one day.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from html import unescape
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text
from typer.main import get_command

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from dtcpos.cli.app import app  # noqa: E402
from dtcpos.cli.watching import drawing, lines_of, look  # noqa: E402
from dtcpos.settings import Settings  # noqa: E402
from dtcpos.sim import parse_dialogue  # noqa: E402
from dtcpos.store import LedgerReader, PositionRepository, Selection  # noqa: E402
from tests.pair import Pair  # noqa: E402

FOLDER = Path(__file__).parent / "pictures"
WIDTH = 92
BEGAN = datetime(2026, 11, 20, 15, 2, 37, tzinfo=UTC)
_FONTS = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_TERMINAL = {"COLUMNS": str(WIDTH), "LINES": "40", "TERM": "xterm-256color", "COLORTERM": "truecolor"}


class _Screen(io.StringIO):
    """What is printed, taken for a terminal by whoever prints."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Return True."""
        return True


def pictures() -> dict[str, str]:
    """Return every picture by file name."""
    with TemporaryDirectory() as folder, patch.dict(os.environ, {**_TERMINAL, "DTCPOS_CONFIG": ""}):
        path = Path(folder) / "ledger.db"
        now = _played(path)
        views: dict[str, Callable[[], str]] = {
            "positions": lambda: _printed(path, now, "positions"),
            "watch": lambda: _watched(path, now),
            "stats": lambda: _printed(path, now, "stats", "--mode", "LIVE"),
            # The machine lost its power, and comes back an hour later.
            "recover": lambda: _printed(path, now + timedelta(hours=1), "recover", "--offline"),
        }
        typed = {
            "positions": "positions",
            "watch": "positions --watch",
            "stats": "stats --mode LIVE",
            "recover": "recover --offline",
        }
        return {f"{name}.svg": _svg(name, f"dtcpos {typed[name]}", view()) for name, view in views.items()}


def _played(path: Path) -> datetime:
    """Play the demo into a ledger up to its last words; return when that was."""
    text = resources.files("dtcpos.sim").joinpath("dialogues/demo.txt").read_text(encoding="utf-8")
    dialogue = parse_dialogue(text[: text.rindex("\nstop")], name="demo")
    with PositionRepository.open(path) as repository, patch("tests.pair.NOON", BEGAN.timestamp()):
        pair = Pair(dialogue, repository=repository, server="127.0.0.1:11099").connect()
        while not pair.performance.is_over:
            if pair.is_down:
                pair.wait(0.01).connect()
            else:
                pair.step()
        pair.wait(3)
        return datetime.fromtimestamp(round(pair.now), UTC)


@contextmanager
def _at(now: datetime) -> Iterator[None]:
    """Let every module of the command line take it to be this moment."""
    modules = [module for name, module in sys.modules.items() if name.startswith("dtcpos.cli")]
    before = [(module, module.utc_now) for module in modules if hasattr(module, "utc_now")]
    for module, _ in before:
        setattr(module, "utc_now", lambda: now)  # noqa: B010 - a module has no such attribute for a type checker
    try:
        yield
    finally:
        for module, clock in before:
            setattr(module, "utc_now", clock)  # noqa: B010


def _printed(path: Path, now: datetime, *words: str) -> str:
    screen, root = _Screen(), get_command(app)
    # Loaded first, so that its clock can be set.
    root.commands[words[0]]  # type: ignore[attr-defined]
    with _at(now), patch.multiple(sys, stdout=screen, stderr=screen), suppress(SystemExit):
        root.main([*words, "--db", str(path)])
    return screen.getvalue()


def _watched(path: Path, now: datetime) -> str:
    screen = _Screen()
    with LedgerReader.open(path) as reader:
        picture = look(reader, Selection(), Settings(), now)
    Console(file=screen, width=WIDTH).print(drawing(lines_of(picture, WIDTH)))
    return screen.getvalue()


def _svg(name: str, typed: str, printed: str) -> str:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text(f"$ {typed}", style="bold"))
    console.print(Text.from_ansi(printed.rstrip("\n")))
    form = re.sub(r"\s*@font-face \{\{.*?\}\}\n", "\n", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    form = re.sub(r"\s*<!--.*?-->", "", form).replace("Fira Code, monospace", _FONTS)
    drawn = console.export_svg(title=typed, theme=MONOKAI, code_format=form, unique_id=f"dtcpos-{name}")
    return "\n".join(line.rstrip() for line in drawn.splitlines() if line.strip()) + "\n"


def words_in(picture: str) -> list[str]:
    """Return what is written in a picture, line by line."""
    found = re.findall(r"<text[^>]*>(.*?)</text>", picture)
    return [unescape(text).replace("\N{NO-BREAK SPACE}", " ") for text in found]


def main() -> int:
    """Write the pictures, or with --check say which are not current."""
    expected = pictures()
    present = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.svg")}
    names = expected.keys() | present.keys()
    changed = sorted(name for name in names if words_in(expected.get(name, "")) != words_in(present.get(name, "")))
    if "--check" in sys.argv[1:]:
        for name in changed:
            print(f"man/pictures/{name} is not current; run `python man/pictures.py`")
        return bool(changed)
    FOLDER.mkdir(exist_ok=True)
    for name, picture in expected.items():
        (FOLDER / name).write_text(picture, encoding="utf-8", newline="\n")
    for name in present.keys() - expected.keys():
        (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
