"""What runs unattended: lines for cron run as cron runs them, and killed at any moment; tasks of Windows parsed."""

from __future__ import annotations

import csv
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import pytest
from attrs import frozen
from typer.main import get_command

from dtcpos.cli.app import app
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import LedgerReader
from tests.cli.sandbox import PATIENCE_S, ROOT, Sandbox, demo_server, furnished

README = (ROOT / "README.md").read_text(encoding="utf-8")
needs_cron = pytest.mark.skipif(sys.platform == "win32", reason="cron and /bin/sh are not there")


class Entry(NamedTuple):
    """A line of a crontab: its five times, what is run, and what that is given on standard input."""

    times: tuple[str, ...]
    command: str
    given: str


class Crontab(NamedTuple):
    """What cron makes of a file."""

    variables: dict[str, str]
    entries: list[Entry]


def crontab(text: str) -> Crontab:
    """Read a crontab as cron does: % is the end of a line unless escaped, and variables are taken as they stand."""
    variables: dict[str, str] = {}
    entries = []
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        setting = re.fullmatch(r"([A-Za-z_]\w*)\s*=\s*(.*)", line)
        if setting is not None:
            variables[setting[1]] = setting[2].strip("\"'")
            continue
        *times, rest = line.split(None, 5)
        assert len(times) == 5, line
        command, *given = re.split(r"(?<!\\)%", rest)
        entries.append(Entry(tuple(times), command.replace("\\%", "%"), "\n".join(given).replace("\\%", "%")))
    return Crontab(variables, entries)


@frozen
class Cron:
    """Runs lines as cron does: no terminal, `/bin/sh`, a home, and what the crontab itself says."""

    sandbox: Sandbox
    table: Crontab

    def started(self, entry: Entry) -> subprocess.Popen[str]:
        """Start an entry in a group of its own."""
        home = self.sandbox.home
        return subprocess.Popen(
            ["/bin/sh", "-c", entry.command.replace("/var/lib/node_exporter/textfile", str(home / "metrics"))],
            cwd=home,
            env={"HOME": str(home), "LOGNAME": "trader", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
            | self.table.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, entry: Entry) -> tuple[int, str]:
        """Run an entry to its end; return how it ended and what would be mailed."""
        child = self.started(entry)
        said, _ = child.communicate(entry.given, timeout=PATIENCE_S)
        return child.returncode, said

    def killed(self, entry: Entry, after_s: float) -> None:
        """Start an entry and kill all of it after so long, as a machine does that loses its power."""
        child = self.started(entry)
        # A kill at a moment nobody chose is what is tested.
        time.sleep(after_s)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate(timeout=PATIENCE_S)


def at_home(folder: Path, port: int) -> Sandbox:
    """Return a sandbox whose ledger and settings are where they are found without being told."""
    sandbox = furnished(folder, port, None)
    told = (folder / "settings.toml").read_text(encoding="utf-8")
    # A journal is told, on standard error, of every commission that nobody knows.
    told += "[instruments.MES]\ncommission = 0.62\n[instruments.MNQ]\ncommission = 0.62\n"
    place = Path(sandbox.sh("dtcpos config", DTCPOS_CONFIG="").stdout.partition("settings")[2].split()[0])
    for made in (place.parent, folder / "metrics"):
        made.mkdir(parents=True, exist_ok=True)
    place.write_text(told, encoding="utf-8")
    return sandbox


def recipe(sandbox: Sandbox) -> str:
    """Return what `dtcpos recipes cron` prints for the command on the sandbox's path."""
    ran = sandbox.sh("dtcpos recipes cron")
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def ledger_of(home: Path) -> Path:
    """Return the ledger that a command makes that was told of none."""
    (found,) = [path for path in home.rglob("ledger.db") if path.parent.name != "backups"]
    return found


@needs_cron
def test_crontabs_are_read_as_cron_reads_them() -> None:
    """What follows is worth nothing otherwise."""
    table = crontab("# no\nPATH=/a:/b\n5 17 * * 1-5\techo $(date +\\%F) %one%two\n")
    assert table.variables == {"PATH": "/a:/b"}
    assert table.entries == [Entry(("5", "17", "*", "*", "1-5"), "echo $(date +%F) ", "one\ntwo")]


@needs_cron
def test_the_lines_of_the_recipe_run_as_they_are(tmp_path: Path) -> None:
    """U3, U4: under cron's bare environment every line does its work, and nobody is mailed for nothing."""
    with demo_server() as server:
        sandbox = at_home(tmp_path / "home", server.port)
        text = recipe(sandbox)
        (setup,) = re.findall(r"^#   (mkdir .+)$", text, re.MULTILINE)
        assert sandbox.sh(setup).returncode == 0
        cron = Cron(sandbox, crontab(text))
        assert len(cron.table.entries) >= 8
        # The line that compares makes the ledger the others need.
        ordered = sorted(cron.table.entries, key=lambda entry: "connect" not in entry.command)
        for _ in range(2):
            for entry in ordered:
                assert cron.run(entry) == (0, ""), entry
    files = {path.name for path in (sandbox.home / "exports").iterdir()}
    assert "trades-0001.csv" in files
    assert not {"trades-0002.csv", "restated-0001.csv"} & files, "nothing new makes no file"
    assert any(name.startswith("tradenote-20") for name in files)
    assert (sandbox.home / "metrics" / "dtcpos.prom").exists()
    with LedgerReader.open(sandbox.home / "backups" / "ledger.db") as copy:
        assert copy.positions()


@needs_cron
def test_a_line_that_finds_something_is_mailed(tmp_path: Path) -> None:
    """U4: with the server gone, the line that compares says so."""
    with demo_server() as server:
        sandbox = at_home(tmp_path / "home", server.port)
        cron = Cron(sandbox, crontab(recipe(sandbox)))
        (compares,) = [entry for entry in cron.table.entries if "connect --once" in entry.command]
        assert cron.run(compares) == (0, "")
    quick = compares._replace(command=compares.command.replace("--once", "--once --timeout 0.2"))
    code, mail = cron.run(quick)
    assert code == 3
    assert mail.startswith("dtcpos: ")


@needs_cron
def test_the_lines_of_the_readme_run_as_they_are(tmp_path: Path) -> None:
    """U4: copied from the page into a crontab; only the reader's own folder of commands is put in."""
    blocks = re.findall(r"```(?:sh|crontab|text)\n(.*?)```", README, re.DOTALL)
    (text,) = [block for block in blocks if re.search(r"^\S+ \S+ \* \* \S+ +dtcpos", block, re.MULTILINE)]
    with demo_server() as server:
        sandbox = at_home(tmp_path / "home", server.port)
        table = crontab(text)
        own, rest = str(sandbox.home / "bin"), "/usr/bin:/bin"
        path = re.sub(r"^/opt/dtcpos/bin(?=:)", own, table.variables.get("PATH", f"{own}:{rest}"))
        cron = Cron(sandbox, table._replace(variables={**table.variables, "PATH": path}))
        assert len(cron.table.entries) >= 2
        for entry in cron.table.entries:
            assert cron.run(entry) == (0, ""), entry
        # At five past five in Chicago today is the day that has just begun; what the sandbox traded is in it.
        (daily,) = [entry for entry in cron.table.entries if "export" in entry.command]
        assert "--since yesterday --until yesterday --per-day" in daily.command
        assert cron.run(daily._replace(command=daily.command.replace("yesterday", "today"))) == (0, "")
    assert not (sandbox.home / "mail.txt").exists()
    assert {path.stem[:9] for path in sandbox.home.glob("trades-*.csv")} == {"trades-20"}


def rows_in(folder: Path, column: str) -> list[str]:
    """Return a column of all files of a folder, in the order of their names."""
    found: list[str] = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as rows:
            found += [row[column] for row in csv.DictReader(rows)]
    return found


def lines_of(sandbox: Sandbox) -> Crontab:
    """Return a crontab with the three kinds of lines that write something."""
    (path,) = [line for line in recipe(sandbox).splitlines() if line.startswith("PATH=")]
    return crontab(
        f"{path}\n"
        "* * * * * dtcpos connect --once --json > /dev/null\n"
        '* * * * * dtcpos export fills --cursor all -o "$HOME/exports/fills-{number:04}.csv"\n'
        '* * * * * dtcpos backup "$HOME/backups/ledger.db" --force > /dev/null\n'
    )


def killed_again_and_again(home: Path, *, rounds: int, burst: int, seed: int) -> None:
    """Kill every kind of line at moments nobody chose while a server goes on trading, and look at what is left."""
    chance = random.Random(seed)
    script = "account Sim1\naccount 120005\nsymbol MESZ26-CME tick 0.25 value 1.25\nstart connect\n--\n"
    script += f"wait 0.2\nburst {burst} 120005 MESZ26-CME @ 5050 rate 150\nburst {burst} Sim1 MESZ26-CME @ 5000\n"
    with SimulatedServer(parse_dialogue(script, name="cron")) as server:
        sandbox = at_home(home, server.port)
        assert sandbox.sh('mkdir -p "$HOME/exports" "$HOME/backups"').returncode == 0
        cron = Cron(sandbox, lines_of(sandbox))
        compares, *others = cron.table.entries
        begun = time.monotonic()
        assert cron.run(compares) == (0, "")
        whole_s = time.monotonic() - begun
        for _ in range(rounds):
            for entry in cron.table.entries:
                # More often late: that is where there is something to break.
                cron.killed(entry, whole_s * (1.2 - chance.random() ** 2))
                still_whole(home)
            assert settled(cron, compares)
        while len(booked(home)) < 2 * burst:
            assert settled(cron, compares)
    for entry in others:
        assert cron.run(entry)[0] == 0
    assert sorted(rows_in(home / "exports", "id"), key=int) == booked(home)
    assert {path.suffix for path in (home / "exports").iterdir()} == {".csv"}, "nothing half-written is left"
    check_leftovers(cron, others[-1], home / "backups")
    for path in (ledger_of(home), home / "backups" / "ledger.db"):
        ran = sandbox.sh("dtcpos verify", DTCPOS_DB=str(path))
        assert (ran.returncode, ran.stdout) == (0, "ok\n"), ran.stderr
    with LedgerReader.open(home / "backups" / "ledger.db") as copy:
        assert len(list(copy.fills())) == 2 * burst


def check_leftovers(cron: Cron, copies: Entry, folder: Path) -> None:
    """What killed runs left half-written is removed by a later run, once nobody can be writing it any more."""
    for path in folder.iterdir():
        assert path.name == "ledger.db" or path.name.startswith(".ledger.db.")
        os.utime(path, (0, 0))
    assert cron.run(copies) == (0, "")
    assert {path.name for path in folder.iterdir()} == {"ledger.db"}


def settled(cron: Cron, compares: Entry) -> bool:
    """Run the line that compares; while the server goes on trading a position may change under its eyes."""
    code, said = cron.run(compares)
    return code == 0 or (code == 6 and "not compared" not in said)


def booked(home: Path) -> list[str]:
    """Return the ids of all fills of the ledger."""
    with LedgerReader.open(ledger_of(home)) as ledger:
        return [str(fill.id) for fill, _ in ledger.fills()]


def still_whole(home: Path) -> None:
    """Whatever was killed, a backup that is there is one, and no execution was exported twice."""
    copy = home / "backups" / "ledger.db"
    if copy.exists():
        with LedgerReader.open(copy) as reader:
            reader.positions()
    found = rows_in(home / "exports", "id")
    assert len(found) == len(set(found))


@needs_cron
def test_lines_that_are_killed(tmp_path: Path) -> None:
    """N1, U3: killed in the middle and run again: no row twice, none missing, the ledger and its copy whole."""
    killed_again_and_again(tmp_path / "home", rounds=2, burst=300, seed=5)


@needs_cron
@pytest.mark.long
@pytest.mark.timeout(1200)
def test_lines_that_are_killed_at_very_many_moments(tmp_path: Path) -> None:
    """N1, U3: the same at more than a hundred moments."""
    for seed in range(3):
        killed_again_and_again(tmp_path / f"home{seed}", rounds=12, burst=1500, seed=seed)


def unquoted(text: str, **variables: str) -> str:
    """Return what PowerShell makes of the inside of a string in double quotes."""
    text = re.sub(r"\$(\w+)", lambda match: variables[match[1]], text)
    return re.sub(r"`(.)", r"\1", text)


def windows_words(line: str) -> list[str]:
    """Split a command line as programs on Windows do: blanks divide, quotes hold together, backslashes stay."""
    found: list[str] = []
    word, is_quoted, has_word = "", False, False
    for sign in line:
        if sign == '"':
            is_quoted, has_word = not is_quoted, True
        elif sign in " \t" and not is_quoted:
            if has_word:
                found.append(word)
            word, has_word = "", False
        else:
            word, has_word = word + sign, True
    assert not is_quoted, line
    return [*found, word] if has_word else found


def through_cmd(arguments: str) -> str:
    """Return the line cmd.exe runs for `/c ...`: without the outermost quotes, and without redirections."""
    line = arguments.removeprefix("/c ").strip()
    if line.startswith('"') and line.endswith('"') and line.count('"') > 2:
        line = line[1:-1]
    return re.sub(r'\s*\d?>>?\s*(?:&\d|"[^"]*"|\S+)', "", line)


def windows_lines() -> Iterator[list[str]]:
    """Yield the `dtcpos` command lines of the recipe for Windows and of the README, program first."""
    text = (ROOT / "dtcpos" / "recipes" / "windows.txt").read_text(encoding="utf-8")
    user = r"C:\Users\A Trader"
    given = {"program": rf"{user}\dtcpos.exe", "log": rf"{user}\dtcpos.log", "folder": rf"{user}\dtcpos-exports"}
    actions = re.findall(r'-Execute (\S+)\s+(?:`\s+)?-Argument "((?:`.|[^"`])*)"', text)
    assert len(actions) >= 2
    for program, arguments in actions:
        said = unquoted(arguments, **given)
        if "conhost.exe" in program:
            # What follows its one option is the command line, as it stands.
            yield windows_words(said.removeprefix("--headless "))
        else:
            yield windows_words(through_cmd(said) if "cmd.exe" in program else f'"{given["program"]}" {said}')
    for line in re.findall(r'schtasks .*/TR "([^"]+)"', README):
        yield windows_words(line.replace("%USERPROFILE%", r"C:\Users\trader"))


def test_the_tasks_of_windows_are_commands_that_exist() -> None:
    """U4: split as Windows splits them, every one is understood by the real commands, option by option."""
    lines = list(windows_lines())
    assert len(lines) >= 4
    for program, *words in lines:
        assert PureWindowsPath(program).stem == "dtcpos"
        root = get_command(app)
        context = root.make_context("dtcpos", list(words))
        name, command, rest = root.resolve_command(context, list(words))  # type: ignore[attr-defined]
        parsed = command.make_context(name, list(rest), parent=context)
        assert not parsed.args, words
        output = parsed.params.get("output")
        assert output is None or str(output).endswith(".csv")
