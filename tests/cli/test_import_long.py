"""Logs of any length: read as a stream, with a bar on a terminal, in a memory that does not grow with them."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.sandbox import FIXTURES, ROOT, furnished
from tests.importers.writing import COLUMNS, moment

BEGAN = datetime(2025, 1, 2, 14, 30, tzinfo=UTC)
MEGABYTE = 1 << 20
# Runs the command in a process of its own and says the most memory it ever had, in kilobytes.
_MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=False).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def lines_of_a_log(size: int, path: Path) -> int:
    """Write a log of about so many bytes, one row in five an execution; return the number of executions."""
    fills = written = number = 0
    note = "x" * 40
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write("\t".join(COLUMNS) + "\r\n")
        while written < size:
            is_fill = number % 5 == 4
            buys = fills % 2 == 0
            row = {
                "ActivityType": "Fills" if is_fill else "Orders",
                "DateTime": moment(BEGAN + timedelta(seconds=number)),
                "Symbol": f"MES{'HMUZ'[number // 5000 % 4]}25-CME",
                "TradeAccount": "120005",
                "BuySell": "Buy" if buys else "Sell",
                "Quantity": "1",
                "FillPrice": f"{6000 + fills % 40 * 0.25:.2f}",
                "FilledQuantity": "1",
                "InternalOrderID": str(700_000 + number // 5),
                "ServiceOrderID": str(100_000 + number // 5),
                "FillExecutionServiceID": f"E.{fills}" if is_fill else "",
                "Note": note,
            }
            line = "\t".join(row.get(name, "") for name in COLUMNS) + "\r\n"
            out.write(line)
            written += len(line)
            fills += is_fill
            number += 1
    return fills


def memory_of_import(folder: Path, megabytes: int) -> int:
    """Import a log of so many megabytes; return the most memory it took, in bytes."""
    path, ledger = folder / f"{megabytes}.txt", folder / f"{megabytes}.db"
    fills = lines_of_a_log(megabytes * MEGABYTE, path)
    command = [sys.executable, "-m", "dtcpos", "import", str(path), "--db", str(ledger), "--config", ""]
    ran = subprocess.run(
        [sys.executable, "-c", _MEASURE, *command], cwd=ROOT, capture_output=True, text=True, timeout=1500, check=True
    )
    code, kilobytes = map(int, ran.stdout.split())
    assert code == 0, ran.stderr
    from dtcpos.store import LedgerReader

    with LedgerReader.open(ledger) as reader:
        assert sum(1 for _ in reader.fills()) == fills
    path.unlink()
    return kilobytes * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_terminal_is_shown_how_far_it_is(tmp_path: Path) -> None:
    """U7: a bar on standard error, and the summary after it."""
    sandbox = furnished(tmp_path / "home", 1, None)
    code, said = sandbox.on_terminal(f"dtcpos import {FIXTURES / 'activity.txt'}", COLUMNS="200")
    assert code == 0, said
    assert "booking activity.txt" in said
    assert "6 new, 0 seen before" in said


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.skipif(os.name == "nt", reason="nothing there says how much memory a child had")
def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    """U7: ten times the log takes hardly more memory, and neither takes much."""
    short, long = memory_of_import(tmp_path, 20), memory_of_import(tmp_path, 200)
    print(f"20 MB: {short / MEGABYTE:.0f} MB of memory; 200 MB: {long / MEGABYTE:.0f} MB")
    assert long < short * 2
    assert long < 400 * MEGABYTE
