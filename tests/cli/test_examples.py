"""Every example of every help page, and every command of the README, runs as it is written."""

from __future__ import annotations

import os
import re
import shlex
import signal
import ssl
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import dtcpos.sim
from dtcpos.cli.app import app
from tests.cli.sandbox import PATIENCE_S, Sandbox, correct_until, demo_server, furnished, older_files

# What stands for a place of the reader's machine, and what stands for it here.
SUBSTITUTES = {
    "/mnt/safe/": "safe/",
    "/var/lib/node_exporter/textfile/": "metrics/",
    "/var/lib/node_exporter/": "metrics/",
    "--port 11099": "--port 0",
    # Another machine, with a certificate.
    "trading-pc:11099": "localhost:TLS",
}
# Examples whose documented end is another than 0, and why.
EXPECTED = {
    # Nobody has verified what is open.
    "dtcpos recover --offline": 6,
}
# Examples that ask a person, or show them a screen.
ON_TERMINAL = {"dtcpos config edit", "EDITOR='code --wait' dtcpos config edit"}
# Examples that go on until they are stopped, and what they have said by then.
ENDLESS = {
    "dtcpos connect": "synced",
    "dtcpos connect --capture session.bin": "synced",
    "dtcpos connect --on-event 'notify-send \"$(head -c 200)\"'": "synced",
    "dtcpos tail -f": "MESZ26-CME",
    "dtcpos tail -f --json | jq .price": "parsed",
    "dtcpos positions --watch": "MNQZ26-CME",
    "dtcpos simulate session.txt --port 11099 --encoding json": "listening on",
    "dtcpos simulate demo --speed 4": "listening on",
}
SESSION = """\
account Sim1
symbol MESZ26-CME tick 0.25 value 1.25
--
fill Sim1 BUY 1 MESZ26-CME @ 6850.25 id E-1
stop
"""
CERTIFICATE = Path(__file__).parents[2] / "fixtures" / "tls" / "localhost.pem"


README = Path(__file__).parents[2] / "README.md"


def examples() -> Iterator[str]:
    """Yield the lines of every help page and of the README's blocks for a shell, each once."""
    found: dict[str, None] = {}

    def walk(command: Any) -> None:
        for line in (command.epilog or "").splitlines()[2:]:
            # Three blanks and more are before what an example means.
            found[re.split(r" {3,}", line.strip())[0]] = None
        for inner in dict(getattr(command, "commands", {})).values():
            walk(inner)

    walk(get_command(app))
    for block in re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL):
        for line in textwrap.dedent(block).splitlines():
            # Lines for crontab begin with a time, and are run as cron does by the tests of the recipes.
            if line.startswith("dtcpos "):
                found[re.split(r" +# ", line)[0]] = None
    yield from found


EXAMPLES = list(examples())


def test_every_page_has_one() -> None:
    """U4: no command, and no sub-command, is without an example."""

    def walk(command: Any, words: list[str]) -> Iterator[str]:
        if "Example" not in (command.epilog or ""):
            yield " ".join(words)
        for name, inner in dict(getattr(command, "commands", {})).items():
            yield from walk(inner, [*words, name])

    assert list(walk(get_command(app), ["dtcpos"])) == []


def test_what_is_said_of_examples_is_said_of_examples() -> None:
    """No line of the tables is left over from an example that is gone."""
    assert {*EXPECTED, *ENDLESS, *ON_TERMINAL} <= set(EXAMPLES)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with demo_server() as server:
        yield server.port


@pytest.fixture(scope="module")
def tls_port() -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with demo_server(tls=context) as server:
        yield server.port


@pytest.fixture(scope="module")
def synced(port: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger that agrees with the server, and a capture of how it came to."""
    folder = tmp_path_factory.mktemp("synced")
    words = ["connect", f"127.0.0.1:{port}", "--once", "--config", "", "--db", str(folder / "ledger.db")]
    ran = CliRunner().invoke(app, [*words, "--capture", str(folder / "session.bin")])
    assert ran.exit_code == 0, ran.output
    return folder


@pytest.fixture(scope="module")
def corrected(synced: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with what a person entered: fill 17, entry 42, and positions to close."""
    path = tmp_path_factory.mktemp("corrected") / "ledger.db"
    path.write_bytes((synced / "ledger.db").read_bytes())
    correct_until(path, fill_id=17, entry_id=42)
    return path


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, tmp_path: Path, synced: Path, port: int) -> Sandbox:
    """What the example at hand needs of a machine."""
    line = request.getfixturevalue("line")
    ledger: Path | None = synced / "ledger.db"
    if re.match("dtcpos (close|fix|undo)", line):
        ledger = request.getfixturevalue("corrected")
    elif re.match("dtcpos (import|connect --demo)", line):
        ledger = None
    found = furnished(tmp_path / "home", port, ledger)
    for folder in ("safe", "metrics", ".config/systemd/user"):
        (found.home / folder).mkdir(parents=True)
    (found.home / "session.bin").write_bytes((synced / "session.bin").read_bytes())
    (found.home / "session.txt").write_text(SESSION, encoding="utf-8")
    (found.home / "new-settings.toml").write_text('[accounts]\n"EVAL-*" = "SIM"\n', encoding="utf-8")
    for name in ("send-orders", "whatever-needs-to-be-sure"):
        (found.home / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (found.home / name).chmod(0o755)
    older_files(found.home)
    fills = CliRunner().invoke(app, ["export", "fills", "--db", str(synced / "ledger.db"), "--config", ""])
    (found.home / "fills.csv").write_text(fills.stdout, encoding="utf-8", newline="")
    return found


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_runs_as_written(
    line: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """U4: what help shows is what can be typed; only places of the reader's own machine are put in."""
    written = line
    for place, here in SUBSTITUTES.items():
        written = written.replace(place, here)
    if "TLS" in written:
        written = written.replace("TLS", str(request.getfixturevalue("tls_port")))
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    if line in ENDLESS:
        run_until(sandbox, written, ENDLESS[line])
        return
    is_for_shell = set(written) & set("|&><$~") or not written.startswith("dtcpos ")
    if sys.platform == "win32" and (is_for_shell or line in ON_TERMINAL):
        pytest.skip("a line of a shell that is not here")
    if line in ON_TERMINAL:
        code, said = sandbox.on_terminal(written, EDITOR="true")
        assert code == EXPECTED.get(line, 0), (written, said)
        return
    if is_for_shell:
        ran = sandbox.sh(written)
        assert ran.returncode == EXPECTED.get(line, 0), (written, ran.stdout[-2000:], ran.stderr)
        return
    monkeypatch.chdir(sandbox.home)
    # The sample session takes its time so that people can watch it.
    monkeypatch.setattr(dtcpos.sim, "SimulatedServer", hurried)
    program, *words = shlex.split(written)
    assert program == "dtcpos"
    outcome = CliRunner().invoke(app, words, env={**sandbox.environment, "PATH": os.environ["PATH"]})
    assert outcome.exit_code == EXPECTED.get(line, 0), (written, outcome.output[-2000:], outcome.exception)


class hurried(dtcpos.sim.SimulatedServer):
    """A server whose scripts hardly wait."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"speed": 20.0, **options})


def run_until(sandbox: Sandbox, written: str, said: str) -> None:
    """Run a line that goes on for ever until it has said something, then press Ctrl-C."""
    if sys.platform == "win32":
        pytest.skip("Ctrl-C cannot be pressed for another process there")
    child = sandbox.started(written)
    assert child.stdout is not None
    seen: list[str] = []
    try:
        for text in child.stdout:
            seen.append(text)
            if said in text:
                os.kill(int((sandbox.home / "pid").read_text(encoding="utf-8")), signal.SIGINT)
                break
        rest, _ = child.communicate(timeout=PATIENCE_S)
    finally:
        child.kill()
    assert any(said in text for text in seen), (written, seen)
    assert child.returncode == 0, (written, seen, rest)
