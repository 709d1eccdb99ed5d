"""The password stays where it was given: in no file, no output, no exception, no list of processes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command
from typer.testing import CliRunner

from dtcpos.blotting import BlottedFile
from dtcpos.cli.app import app
from dtcpos.cli.session import password_for
from dtcpos.client import Address, Follower
from dtcpos.dtc import (
    AlertMessage,
    Connection,
    CurrentPositionsReject,
    Encoding,
    EncodingResponse,
    GeneralLogMessage,
    HistoricalOrderFillsReject,
    Logoff,
    LogonRequest,
    LogonResponse,
    MarketDataReject,
    Message,
    OpenOrdersReject,
    Role,
    UserMessage,
    decode_stream,
    encode,
)
from dtcpos.errors import LocalProtocolError, SettingsError, UsageError
from dtcpos.keeper import PositionKeeper
from dtcpos.settings import read_settings
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import PositionRepository
from tests.ports import answering, echo

ROOT = Path(__file__).parents[1]
PASSWORD = "hunter2-Zebra"
ENCODINGS = pytest.mark.parametrize("encoding", list(Encoding), ids=lambda encoding: encoding.word)

# A server that quotes the password wherever it says something.
TELLTALE = f"""
server "{PASSWORD}"
account Sim1
symbol MESZ26-CME tick 0.25 value 1.25
history Sim1 BUY 1 MESZ26-CME @ 5050.25 id E-1 order 1001 ago 1h
reject orders {PASSWORD} may not see orders
reject market-data no data for {PASSWORD}
start logon
--
say your password is {PASSWORD}
send ALERT_MESSAGE MessageText={PASSWORD}
send GENERAL_LOG_MESSAGE MessageText={PASSWORD}
wait 0.3
logoff no-reconnect good night, {PASSWORD}
"""
REFUSING = f'account Sim1\nrefuse-logon "user trader with {PASSWORD} is unknown"\n'


def dtcpos(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "dtcpos", *words],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        env=os.environ
        | {"DTCPOS_PASSWORD": PASSWORD, "DTCPOS_DB": str(folder / "l.db"), "DTCPOS_CONFIG": os.devnull}
        | environment,
        check=False,
    )


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_hidden(ran: subprocess.CompletedProcess[bytes], folder: Path) -> None:
    told = {"stdout": ran.stdout, "stderr": ran.stderr} | everything_in(folder)
    assert [name for name, content in told.items() if PASSWORD.encode() in content] == []


@ENCODINGS
def test_a_server_that_quotes_the_password(tmp_path: Path, encoding: Encoding) -> None:
    """Not on the screen, not in the ledger or its log, not in the capture, and not given to --on-event."""
    words = ("--username", "trader", "--encoding", encoding.word, "--capture", str(tmp_path / "wire.bin"), "--json")
    heard = tmp_path / "heard"
    on_event = f"{sys.executable} -c \"import os, sys; print(sys.stdin.read(), dict(os.environ))\" 2>> '{heard}' 1>&2"
    with SimulatedServer(parse_dialogue(TELLTALE, name="test")) as server:
        ran = dtcpos("connect", server.address, *words, "--on-event", on_event, folder=tmp_path)
    assert ran.returncode == 3, ran
    assert b"good night, ***" in ran.stderr
    assert b"your password is ***" in ran.stdout
    assert heard.exists()
    assert_hidden(ran, tmp_path)
    names = [each.name for each in decode_stream([(tmp_path / "wire.bin").read_bytes()], Encoding.BINARY)]
    assert "LOGOFF" in names
    assert "LOGON_REQUEST" not in names, "a capture is of what was received"


@pytest.mark.parametrize(
    "command", [("connect",), ("connect", "--once", "--json"), ("recover",), ("doctor",), ("doctor", "--json")]
)
def test_a_refusal_that_quotes_the_password(tmp_path: Path, command: tuple[str, ...]) -> None:
    """S4: the server's words without the secret in them, whoever asks; with DTCPOS_DEBUG too."""
    PositionRepository.open(tmp_path / "l.db").close()
    with SimulatedServer(parse_dialogue(REFUSING, name="test")) as server:
        ran = dtcpos(*command, server.address, "--username", "trader", folder=tmp_path, DTCPOS_DEBUG="1")
    assert ran.returncode in (3, 6), ran
    assert b"user trader with *** is unknown" in ran.stdout + ran.stderr
    assert_hidden(ran, tmp_path)


def test_while_connect_runs(tmp_path: Path) -> None:
    """The files of a ledger in use, its write-ahead log among them, and the list of processes."""
    script = TELLTALE.replace("wait 0.3", "wait 600")
    command = [sys.executable, "-m", "dtcpos", "connect", "--username", "trader", "--db", str(tmp_path / "l.db")]
    with (
        SimulatedServer(parse_dialogue(script, name="test")) as server,
        subprocess.Popen(
            [*command, server.address, "--config", os.devnull],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            env=os.environ | {"DTCPOS_PASSWORD": PASSWORD},
        ) as following,
    ):
        guard = threading.Timer(60, following.kill)
        guard.start()
        assert following.stdout is not None
        assert any(line.startswith(b"synced") for line in following.stdout)
        files = everything_in(tmp_path)
        arguments = Path(f"/proc/{following.pid}/cmdline")
        shown = arguments.read_bytes() if arguments.exists() else b"trader"
        following.terminate()
        following.communicate(timeout=30)
        guard.cancel()
    assert {"l.db", "l.db-wal", "l.db.lock"} <= files.keys()
    assert not [name for name, content in files.items() if PASSWORD.encode() in content]
    assert b"trader" in shown
    assert PASSWORD.encode() not in shown


def test_an_echoing_port(tmp_path: Path) -> None:
    """A port that sends back whatever it gets gets the logon of a server fixed to one encoding; it is not shown."""
    with answering(echo) as address:
        for words in (
            ("doctor", "--json", "--timeout", "0.5"),
            ("connect", "--once", "--timeout", "2", "--capture", str(tmp_path / "wire.bin")),
        ):
            ran = dtcpos(*words, address, "--username", "trader", folder=tmp_path)
            assert ran.returncode in (3, 4, 6), ran
            assert_hidden(ran, tmp_path)


def test_a_prompt_hides_what_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for on a terminal only, on standard error, without an echo; else the environment is named."""
    asked: list[dict[str, object]] = []

    def prompt(_text: str, **how: object) -> str:
        asked.append(how)
        return PASSWORD

    monkeypatch.delenv("DTCPOS_PASSWORD", raising=False)
    monkeypatch.setattr("dtcpos.cli.session.typer.prompt", prompt)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert password_for("trader") == PASSWORD
    assert asked == [{"hide_input": True, "err": True}]
    assert password_for("") == ""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(UsageError, match="set DTCPOS_PASSWORD"):
        password_for("trader")


def test_no_command_takes_a_password() -> None:
    """It would be in the list of processes and in the shell's history."""
    commands: dict[str, Any] = dict(get_command(app).commands)  # type: ignore[attr-defined]
    options = {option for command in commands.values() for param in command.params for option in param.opts}
    assert not {option for option in options if "pass" in option.lower() or "secret" in option.lower()}
    ran = CliRunner().invoke(app, ["connect", f"--password={PASSWORD}"])
    assert ran.exit_code == 2
    assert PASSWORD not in ran.output


@pytest.mark.parametrize(
    "text",
    [
        f'[server]\npassword = "{PASSWORD}"\n',
        f'[server]\nPassword = "{PASSWORD}"\n',
        f'password = "{PASSWORD}"\n',
        f'[accounts]\npassword = "{PASSWORD}"\n',
        f'[instruments.MES]\npassword = "{PASSWORD}"\n',
        f'DTCPOS_PASSWORD = "{PASSWORD}"\n',
    ],
)
def test_settings_hold_no_password(tmp_path: Path, text: str) -> None:
    """Refused by the key, with what to do instead, and without the value."""
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="take it out of the file, and set DTCPOS_PASSWORD") as caught:
        read_settings(path)
    assert PASSWORD not in str(caught.value)
    ran = CliRunner().invoke(app, ["config"], env={"DTCPOS_CONFIG": str(path), "DTCPOS_DB": str(tmp_path / "l.db")})
    assert ran.exit_code == 2
    assert PASSWORD not in ran.output


def test_a_password_is_not_set_into_the_settings(tmp_path: Path) -> None:
    """`config set` does not write one either."""
    path = tmp_path / "settings.toml"
    path.write_text("", encoding="utf-8")
    ran = dtcpos("config", "set", "server.password", PASSWORD, folder=tmp_path, DTCPOS_CONFIG=str(path))
    assert ran.returncode == 2
    assert_hidden(ran, tmp_path)


@pytest.mark.parametrize("password", [f"{PASSWORD}€", f"{PASSWORD}\0", PASSWORD * 5])
@pytest.mark.parametrize("encoding", [Encoding.BINARY, Encoding.VLS])
def test_a_password_that_cannot_be_sent(tmp_path: Path, password: str, encoding: Encoding) -> None:
    """The refusal names the field and not the value; a command says the same."""
    if encoding is Encoding.BINARY or password != PASSWORD * 5:
        with pytest.raises(LocalProtocolError, match=r"^Password: ") as caught:
            encode(LogonRequest(Password=password), encoding)
        assert PASSWORD not in str(caught.value)
    if "€" in password and encoding is Encoding.BINARY:
        with SimulatedServer(parse_dialogue("account Sim1\n", name="test")) as server:
            words = ("connect", server.address, "--once", "--username", "trader", "--encoding", encoding.word)
            assert_hidden(dtcpos(*words, folder=tmp_path, DTCPOS_PASSWORD=password), tmp_path)


def test_what_is_made_of_it_does_not_show_it(tmp_path: Path) -> None:
    """No repr has it, and so no traceback, no assertion and no log."""
    logon = LogonRequest(Username="trader", Password=PASSWORD)
    with PositionRepository.open(tmp_path / "l.db") as repository:
        keeper = PositionKeeper(repository, username="trader", password=PASSWORD)
        follower = Follower(keeper=keeper, address=Address(), publish=lambda _: None, secret=PASSWORD)
        assert PASSWORD not in f"{logon!r} {keeper!r} {keeper._wants!r} {follower!r}"


WORDS = f"the password {PASSWORD} is wrong"
TELLING: list[Message] = [
    UserMessage(UserMessage=WORDS),
    AlertMessage(MessageText=WORDS),
    GeneralLogMessage(MessageText=WORDS),
    OpenOrdersReject(RequestID=1, RejectText=WORDS),
    CurrentPositionsReject(RequestID=1, RejectText=WORDS),
    HistoricalOrderFillsReject(RequestID=1, RejectText=WORDS),
    MarketDataReject(SymbolID=1, RejectText=WORDS),
    Logoff(Reason=WORDS),
]


@ENCODINGS
@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_every_message_in_words_comes_in_without_it(encoding: Encoding, piece: int) -> None:
    """Whatever its encoding, and however it is split; the rest of what is said stays."""
    connection = Connection(Role.CLIENT, encoding=encoding, logon=LogonRequest(Username="trader", Password=PASSWORD))
    connection.start(0.0)
    octets = encode(EncodingResponse(Encoding=encoding), Encoding.BINARY)
    octets += b"".join(
        encode(message, encoding) for message in [LogonResponse(ResultText=WORDS, ServerName="S"), *TELLING]
    )
    told = []
    for place in range(0, len(octets), piece):
        connection.receive_data(octets[place : place + piece], 0.0)
        told += list(connection.events())
    shown = f"{told!r} {connection.closed_reason}"
    assert PASSWORD not in shown
    assert shown.count("the password *** is wrong") == len(TELLING) + 3
    assert connection.closed_reason == "the peer logged off: the password *** is wrong"


def test_a_refused_logon_is_closed_without_it() -> None:
    """The reason a session ended is printed, and kept as the state of the link."""
    connection = Connection(Role.CLIENT, negotiate=False, logon=LogonRequest(Username="trader", Password=PASSWORD))
    connection.start(0.0)
    connection.receive_data(encode(LogonResponse(Result=2, ResultText=WORDS), Encoding.BINARY), 0.0)
    assert PASSWORD not in repr(list(connection.events()))
    assert connection.closed_reason == "the logon was refused: the password *** is wrong"


class Unclosed(io.BytesIO):
    """Bytes that can still be looked at when the file is closed."""

    def close(self) -> None:
        self.seek(0)


@given(
    st.text(min_size=3, max_size=12).filter(lambda text: all(ord(letter) < 0xD800 for letter in text)),
    st.lists(st.one_of(st.binary(max_size=8), st.just(None)), max_size=12),
    st.integers(1, 9),
)
def test_a_blotted_file_never_has_it(secret: str, parts: list[bytes | None], piece: int) -> None:
    """Split anywhere, in any spelling; the file stays as long as what was written, and else the same."""
    octets = b"".join(secret.encode() if part is None else part for part in parts)
    octets += json.dumps(secret)[1:-1].encode()
    file = Unclosed()
    with BlottedFile(file, secret) as blotted:
        for place in range(0, len(octets), piece):
            blotted.write(octets[place : place + piece])
    kept = file.read()
    assert len(kept) == len(octets)
    assert secret.encode() not in kept or set(secret) == {"*"}
    assert all(ours in (theirs, 0x2A) for ours, theirs in zip(kept, octets, strict=True))


@pytest.mark.parametrize(
    "spelled",
    [
        'pä\\"s/€9'.encode(),
        'pä\\"s\\/€9'.encode("cp1252"),
        rb"p\u00e4\"s/\u20ac9",
        rb"p\u00E4\"s\/\u20AC9",
    ],
    ids=["raw", "Windows, slash escaped", "escaped", "escaped in capitals"],
)
def test_a_blotted_file_knows_what_json_may_write(spelled: bytes) -> None:
    """JSON leaves to the writer what is escaped beyond quotes, and how."""
    file = Unclosed()
    with BlottedFile(file, 'pä"s/€9') as blotted:
        blotted.write(b'{"ResultText":"no ' + spelled + b'"}')
    assert file.read() == b'{"ResultText":"no ' + b"*" * len(spelled) + b'"}'
