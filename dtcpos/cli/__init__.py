"""The command line: one small file per command, and the only room that knows Typer and rich.

Data goes to standard output, talk to standard error; colour and boxes only on a terminal.
"""

from __future__ import annotations


def main() -> None:
    """Run the command the process was started with, and exit with its code."""
    import sys

    from dtcpos.cli.faults import report_own_fault

    sys.excepthook = report_own_fault
    for stream in (sys.stdout, sys.stderr):
        # A console that cannot show a character gets its code instead of a crash.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    from dtcpos.cli.quick import run_quickly

    if not run_quickly(sys.argv[1:]):
        from dtcpos.cli.app import run

        run()
