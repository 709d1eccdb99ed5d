"""Run `dtcpos` with a plan for its disk: `python -m tests.crash.armed FOLDER KIND NUMBER DOES REPORT -- WORDS...`.

REPORT is a file that gets the counts of what was done to the folder, by kind, where the command comes to its end.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.crash.commands import PATIENCE_S, ROOT
from tests.crash.vfs import Does, Kind, Plan, recording

_MODULE = "tests.crash.armed"


def armed(folder: Path, plan: Plan, *words: str | Path) -> subprocess.Popen[str]:
    """Start `dtcpos` with these words and a plan for what happens to a folder."""
    options = [str(folder), plan.kind, str(plan.number), plan.does, str(report_of(folder))]
    command = [sys.executable, "-m", _MODULE, *options, "--", *map(str, words)]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ran(folder: Path, plan: Plan, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it to its end, or to the plan's."""
    child = armed(folder, plan, *words)
    output, complaints = child.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(child.args, child.returncode, output, complaints)


def counted(folder: Path, *words: str | Path) -> Counter[str]:
    """Run it undisturbed and return how often what was done to the folder."""
    report_of(folder).unlink(missing_ok=True)
    done = ran(folder, Plan(kind="write", number=1 << 40, does="kill before"), *words)
    assert report_of(folder).exists(), done.stderr
    return Counter(json.loads(report_of(folder).read_text(encoding="utf-8")))


def report_of(folder: Path) -> Path:
    """Return where the counts of a folder are told, beside it."""
    return folder.with_name(f"{folder.name}.counts")


def _main(folder: str, kind: Kind, number: str, does: Does, report: str, *words: str) -> None:
    from dtcpos.cli import main

    with recording(Path(folder), Plan(kind=kind, number=int(number), does=does), keeps=False) as tape:
        sys.argv = ["dtcpos", *words]
        try:
            main()
        finally:
            Path(report).write_text(json.dumps(tape.counts), encoding="utf-8")


if __name__ == "__main__":
    place = sys.argv.index("--")
    _main(*sys.argv[1:place], *sys.argv[place + 1 :])  # type: ignore[arg-type]
