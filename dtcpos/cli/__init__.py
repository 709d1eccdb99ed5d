"""The command line: one small file per command, and the only room that knows Typer and rich.

Data goes to standard output, talk to standard error; colour and boxes only on a terminal.
"""

from __future__ import annotations


def main() -> None:
    """Run the command the process was started with, and exit with its code."""
    from dtcpos.cli.app import run

    run()
