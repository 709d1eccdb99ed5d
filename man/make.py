"""Write the man pages from the command tree: `python man/make.py`, or `--check` to see whether they are current.

One page for dtcpos and one for each command, sub-commands included in their command's page. The pages carry the version
and no date, so that they change only when the commands do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from dtcpos._version import __version__
from dtcpos.cli.app import app
from dtcpos.cli.known_settings import KEYS, TABLES
from dtcpos.errors import DtcposError

FOLDER = Path(__file__).parent / "man1"
ENVIRONMENT = {
    "DTCPOS_DB": "The ledger, where --db is not given.",
    "DTCPOS_CONFIG": "The settings file, where --config is not given.",
    "DTCPOS_PASSWORD": "The password for the server.",
    "DTCPOS_WEBHOOK": "The URL connect posts updates to, where --webhook is not given.",
    "DTCPOS_DEBUG": "Show the traceback of an internal error.",
    "NO_COLOR": "Never use colour or boxes.",
}


def pages() -> dict[str, str]:
    """Return every page by file name."""
    root = get_command(app)
    commands: dict[str, Any] = dict(getattr(root, "commands"))  # noqa: B009 (typer's own click has no public type)
    found = {"dtcpos.1": "\n".join(_root_page(root, commands)) + "\n"}
    for name, command in commands.items():
        found[f"dtcpos-{name}.1"] = "\n".join(_command_page(name, command)) + "\n"
    return found


def _root_page(root: Any, commands: dict[str, Any]) -> Iterator[str]:
    yield from _head("dtcpos", _first_sentence(root.help))
    yield from (".SH SYNOPSIS", r".B dtcpos", r".I COMMAND", r"[\fIOPTIONS\fR]", ".SH DESCRIPTION")
    yield from _prose(root.help)
    yield ".SH COMMANDS"
    for name, command in commands.items():
        yield from (".TP", rf"\fBdtcpos\-{_escaped(name)}\fR(1)", _escaped(_first_sentence(command.help)))
    yield ".SH OPTIONS"
    yield from _options(root)
    yield ".SH ENVIRONMENT"
    for name, meaning in ENVIRONMENT.items():
        yield from (".TP", rf"\fB{name}\fR", _escaped(meaning))
    yield ".SH EXIT STATUS"
    yield from (".TP", r"\fB0\fR", "Fine.")
    for code, meaning in _exit_codes():
        yield from (".TP", rf"\fB{code}\fR", _escaped(meaning))
    yield from _examples(root)


def _exit_codes() -> Iterator[tuple[int, str]]:
    yield 1, "Internal error."
    for kind in DtcposError.__subclasses__():
        yield kind.exit_code, _first_sentence(kind.__doc__ or "")


def _command_page(name: str, command: Any) -> Iterator[str]:
    yield from _head(f"dtcpos-{name}", _first_sentence(command.help))
    yield ".SH SYNOPSIS"
    yield from _synopsis(f"dtcpos {name}", command)
    subcommands = dict(getattr(command, "commands", {}))
    for sub, subcommand in subcommands.items():
        yield ".br"
        yield from _synopsis(f"dtcpos {name} {sub}", subcommand)
    yield ".SH DESCRIPTION"
    yield from _prose(command.help)
    yield from _parameters(command, "")
    for sub, subcommand in subcommands.items():
        yield f".SH {_escaped(sub.upper())}"
        yield from _prose(subcommand.help)
        yield from _parameters(subcommand, f"{sub.upper()} ")
    if name == "config":
        yield from _settings()
    yield from _examples(command)
    yield from (".SH SEE ALSO", r"\fBdtcpos\fR(1)")


def _head(name: str, meaning: str) -> Iterator[str]:
    yield r".\" Written by man/make.py from the command tree."
    yield f'.TH {_escaped(name.upper())} 1 "" "dtcpos {__version__}" "dtcpos"'
    yield from (".SH NAME", rf"{_escaped(name)} \- {_escaped(meaning.rstrip('.'))}")


def _synopsis(line: str, command: Any) -> Iterator[str]:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    words = " ".join(_argument(param) for param in arguments)
    yield rf"\fB{_escaped(line)}\fR [\fIOPTIONS\fR] {words}".rstrip()


def _argument(param: Any) -> str:
    name = rf"\fI{_escaped(_metavar(param))}\fR"
    name = f"{name} ..." if param.nargs != 1 else name
    return name if param.required else f"[{name}]"


def _metavar(param: Any) -> str:
    choices = getattr(param.type, "choices", None)
    if param.metavar:
        return str(param.metavar)
    return (
        "|".join(map(str, choices))
        if choices
        else str(param.name if param.param_type_name == "argument" else param.type.name).upper()
    )


def _parameters(command: Any, prefix: str) -> Iterator[str]:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    if arguments:
        yield f".SH {prefix}ARGUMENTS"
    for param in arguments:
        yield from (".TP", rf"\fI{_escaped(_metavar(param))}\fR", _escaped(param.help or ""))
    yield f".SH {prefix}OPTIONS"
    yield from _options(command)


def _options(command: Any) -> Iterator[str]:
    for param in command.params:
        if param.param_type_name != "option" or param.hidden:
            continue
        names = ", ".join(rf"\fB{_escaped(name)}\fR" for name in (*param.opts, *param.secondary_opts))
        value = "" if param.is_flag or param.count else rf" \fI{_escaped(_metavar(param))}\fR"
        meaning = param.help or ""
        if param.show_default and not param.is_flag and param.default not in (None, (), []):
            meaning += f" Default: {param.default}."
        if param.envvar:
            meaning += f" Environment: {param.envvar}."
        yield from (".TP", f"{names}{value}", _escaped(meaning.strip()))
    yield from (".TP", r"\fB\-\-help\fR", "Show help and exit.")


def _settings() -> Iterator[str]:
    yield ".SH SETTINGS"
    yield _escaped("The file is TOML. Every key may be left out.")
    for table, meaning in TABLES.items():
        keys = [key for key in KEYS if key.table.partition(".")[0] == table]
        yield rf".SS [{_escaped(keys[0].table)}]"
        yield _escaped(meaning)
        for key in keys:
            yield from (".TP", rf"\fB{_escaped(key.name)}\fR")
            shown = f"Default: {key.default}." if key.default else f"No default; such as {key.sample}."
            yield _escaped(f"{key.meaning[0].upper()}{key.meaning[1:]}. {shown}")


def _examples(command: Any) -> Iterator[str]:
    lines = [line.strip() for line in (command.epilog or "").splitlines()[2:]]
    if lines:
        yield from (".SH EXAMPLES", ".nf", *map(_escaped, lines), ".fi")


def _prose(text: str | None) -> Iterator[str]:
    for number, paragraph in enumerate((text or "").split("\n\n")):
        if number:
            yield ".PP"
        if paragraph.startswith("\b"):
            yield from (".nf", *map(_escaped, paragraph.splitlines()[1:]), ".fi")
        else:
            yield _escaped(" ".join(paragraph.split()))


def _first_sentence(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def _escaped(text: str) -> str:
    """Keep what roff would read as a command or turn into a typographic sign."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    return rf"\&{text}" if text.startswith(".") else text


def main() -> int:
    """Write the pages, or with --check say which are not current."""
    expected = pages()
    present = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.1")}
    changed = sorted(name for name in expected.keys() | present.keys() if expected.get(name) != present.get(name))
    if "--check" in sys.argv[1:]:
        for name in changed:
            print(f"man/man1/{name} is not current; run `python man/make.py`")
        return bool(changed)
    FOLDER.mkdir(exist_ok=True)
    for name in changed:
        if name in expected:
            (FOLDER / name).write_text(expected[name], encoding="utf-8", newline="\n")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
