"""The command tree, the one place where faults become exit codes, and the process's own behaviour.

A command's module is imported when the command is run or its help is wanted, so `positions` never pays for what
`connect` needs. The world's faults are one line on standard error; an error of our own is one line and exit code 1,
with its traceback only where DTCPOS_DEBUG is set.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from dtcpos._version import __version__
from dtcpos.cli.faults import printing, say
from dtcpos.cli.shape import examples
from dtcpos.errors import DtcposError

# In the order of the help page: the daily commands first.
COMMANDS = {
    "connect": "dtcpos.cli.connect",
    "positions": "dtcpos.cli.positions",
    "tail": "dtcpos.cli.tail",
    "recover": "dtcpos.cli.recover",
    "status": "dtcpos.cli.status",
    "export": "dtcpos.cli.export",
    "stats": "dtcpos.cli.stats",
    "history": "dtcpos.cli.history",
    "close": "dtcpos.cli.close",
    "fix": "dtcpos.cli.fix",
    "undo": "dtcpos.cli.undo",
    "switch": "dtcpos.cli.switch",
    "accounts": "dtcpos.cli.accounts",
    "instruments": "dtcpos.cli.instruments",
    "import": "dtcpos.cli.import_",
    "verify": "dtcpos.cli.verify",
    "backup": "dtcpos.cli.backup",
    "rebuild": "dtcpos.cli.rebuild",
    "simulate": "dtcpos.cli.simulate",
    "decode": "dtcpos.cli.decode",
    "doctor": "dtcpos.cli.doctor",
    "recipes": "dtcpos.cli.recipes",
    "config": "dtcpos.cli.config",
}


class LazyCommands(Mapping[str, Any]):
    """The commands by name; each is imported when it is first looked at."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            command = get_command(import_module(COMMANDS[name]).app)
            command.name = name
            self._loaded[name] = command
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class CommandTree(TyperGroup):
    """The root of the tree: loads commands when needed and turns every fault into a line and an exit code."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"commands": LazyCommands()})

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **settings: Any
    ) -> None:
        """Run one command line and exit. The codes are those of `dtcpos.errors`; a wrong command line is 2."""
        code: Any = 0
        try:
            # Help and version are printed before any command is invoked.
            with printing():
                code = super().main(args, prog_name or "dtcpos", **settings | {"standalone_mode": False})
        except DtcposError as error:
            say(str(error))
            code = error.exit_code
        except typer.TyperException as error:
            code = _show_usage(error)
        except typer.Abort:
            say("stopped before anything was done")
            code = 1
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and see what it printed to its end."""
        with printing():
            return super().invoke(ctx)


def _show_usage(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message(), err=True)
    else:
        command = context.command_path if context is not None else "dtcpos"
        say(f"{error.format_message().rstrip('.')}; see `{command} --help`")
    return error.exit_code


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dtcpos {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=CommandTree,
    name="dtcpos",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=examples(
        "dtcpos connect --demo      watch a sample session, nothing to set up",
        "dtcpos connect             follow Sierra Chart on this machine",
        "dtcpos positions           what am I holding?",
    ),
)


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Keep one durable answer to "what am I holding?".

    dtcpos listens to Sierra Chart or any other server that speaks the DTC protocol, books every execution exactly
    once into one file, and proves that file against the server each time it connects. It never sends an order.

    Exit codes: 0 fine, 1 internal error, 2 usage, 3 cannot connect, 4 protocol error, 5 the ledger cannot be used,
    6 attention needed.
    """


def run() -> None:
    """Run the command line of this process."""
    get_command(app).main()
