"""`dtcpos decode`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dtcpos.cli.jsonout import dumps
from dtcpos.dtc import Encoding, EncodingResponse, Heartbeat, OrderUpdate, encode
from tests.cli.conftest import Shell

ROOT = Path(__file__).parents[2]
UPDATE = OrderUpdate(Symbol="MESZ26-CME", OrderStatus=7, LastFillPrice=5050.25, TradeAccount="Sim1")


def captured(folder: Path, *parts: bytes) -> str:
    path = folder / "session.bin"
    path.write_bytes(b"".join(parts))
    return str(path)


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line, parse_float=Decimal) for line in text.splitlines()]


@pytest.mark.parametrize("encoding", list(Encoding), ids=lambda encoding: encoding.word)
def test_each_message_is_a_line_in_the_wire_s_own_names(shell: Shell, tmp_path: Path, encoding: Encoding) -> None:
    """S1: the same session in every encoding decodes to the same fields; unset numbers are null."""
    parts = [encode(UPDATE, encoding), encode(Heartbeat(NumDroppedMessages=3), encoding)]
    first, second = objects(shell("decode", captured(tmp_path, *parts), "--encoding", encoding.word).out)
    assert list(first) == ["offset", "size", "type", "name", "fields"]
    assert (first["offset"], first["size"], first["type"], first["name"]) == (0, len(parts[0]), 301, "ORDER_UPDATE")
    assert (second["offset"], second["fields"]["NumDroppedMessages"]) == (len(parts[0]), 3)
    fields = first["fields"]
    assert (fields["Symbol"], fields["LastFillPrice"], fields["Price1"], fields["InfoText"]) == (
        "MESZ26-CME",
        Decimal("5050.25"),
        None,
        "",
    )
    assert not {"Size", "Type", "BaseSize"} & set(fields)


def test_an_encoding_response_switches_the_encoding(shell: Shell, tmp_path: Path) -> None:
    """As on the wire: from the next byte on."""
    parts = [
        encode(EncodingResponse(ProtocolVersion=8, Encoding=int(Encoding.JSON), ProtocolType="DTC"), Encoding.BINARY),
        encode(UPDATE, Encoding.JSON),
    ]
    names = [row["name"] for row in objects(shell("decode", captured(tmp_path, *parts)).out)]
    assert names == ["ENCODING_RESPONSE", "ORDER_UPDATE"]


def test_an_unknown_type_is_named_null(shell: Shell, tmp_path: Path) -> None:
    """Skipped by its size, and still shown."""
    path = captured(tmp_path, (8).to_bytes(2, "little") + (60000).to_bytes(2, "little") + b"abcd")
    assert objects(shell("decode", path).out) == [{"offset": 0, "size": 8, "type": 60000, "name": None, "fields": None}]


@pytest.mark.parametrize("tail", [b"\x02\x00\x00\x00", b"\xd0\x02\x2d\x01half of it"])
def test_broken_framing_ends_with_4_after_the_good_messages(shell: Shell, tmp_path: Path, tail: bytes) -> None:
    """S5: what was valid before the fault is printed, then one line with the offset."""
    good = encode(UPDATE, Encoding.BINARY)
    ran = shell("decode", captured(tmp_path, good, tail), code=4)
    assert len(objects(ran.out)) == 1
    assert str(len(good)) in ran.err
    assert ran.err.count("\n") == 1


def test_standard_input_and_files_that_are_not_there(shell: Shell, tmp_path: Path) -> None:
    """`-` is standard input; a wrong path is named with the remedy."""
    ran = shell("decode", "-", stdin=encode(UPDATE, Encoding.BINARY))
    assert len(objects(ran.out)) == 1
    assert "cannot read" in shell("decode", str(tmp_path / "absent"), code=2).err
    assert "cannot read" in shell("decode", str(tmp_path), code=2).err
    assert shell("decode", captured(tmp_path)).out == ""


SECRET_UPDATE = OrderUpdate(
    Symbol="MESZ26-CME", TradeAccount="ACME-7001", ServerOrderID="OR777", InfoText="for ACME-7001"
)


@pytest.mark.parametrize("encoding", list(Encoding), ids=lambda encoding: encoding.word)
def test_anonymised_lines_and_files(shell: Shell, tmp_path: Path, encoding: Encoding) -> None:
    """The same pseudonyms on the screen and in a capture of the same encoding; what was replaced is counted."""
    path = captured(tmp_path, encode(SECRET_UPDATE, encoding), encode(Heartbeat(), encoding))
    safe = tmp_path / "safe.bin"
    words = ("--anonymise", "--encoding", encoding.word)
    lines = shell("decode", path, *words)
    ran = shell("decode", path, *words, "--output", str(safe))
    assert ran.out == ""
    assert ran.err == lines.err == "dtcpos: 2 messages; replaced: 1 account, 1 order, 1 text\n"
    fields = objects(lines.out)[0]["fields"]
    assert (fields["TradeAccount"], fields["ServerOrderID"], fields["InfoText"]) == (
        "ACCOUNT-1",
        "ORDER-1",
        "TEXT-1 ACCOUNT-1",
    )
    again = objects(shell("decode", str(safe), "--encoding", encoding.word).out)
    assert [row["fields"] for row in again] == [row["fields"] for row in objects(lines.out)]
    assert b"7001" not in safe.read_bytes()


def test_anonymised_standard_input(shell: Shell) -> None:
    """A pipe is read to its end before the first line: who is who is known there; both spellings are understood."""
    octets = encode(SECRET_UPDATE, Encoding.BINARY)
    assert objects(shell("decode", "-", "--anonymize", stdin=octets).out)[0]["fields"]["TradeAccount"] == "ACCOUNT-1"


def test_what_is_not_known_is_counted(shell: Shell, tmp_path: Path) -> None:
    """Unknown messages go out blank, and it is said; so is what is left over at the end, with exit code 4."""
    unknown = (12).to_bytes(2, "little") + (60000).to_bytes(2, "little") + b"ACME7001"
    path = captured(tmp_path, unknown, encode(SECRET_UPDATE, Encoding.BINARY), b"\xd0\x02\x2d\x01ACME7001")
    safe = tmp_path / "safe.bin"
    ran = shell("decode", path, "--anonymise", "--output", str(safe), code=4)
    first, second = ran.err.splitlines()
    assert first == "dtcpos: 2 messages; replaced: 1 account, 1 order, 1 text; not known and blanked: 1 of type 60000"
    assert second == "dtcpos: 12 bytes of an incomplete message are left over at offset 732"
    assert b"7001" not in safe.read_bytes()
    assert [row["type"] for row in objects(shell("decode", str(safe)).out)] == [60000, 301]


def test_an_anonymised_capture_is_another_file(shell: Shell, tmp_path: Path) -> None:
    """U4: the capture itself is not replaced, and --output alone is refused."""
    path = captured(tmp_path, encode(SECRET_UPDATE, Encoding.BINARY))
    assert "is the capture itself" in shell("decode", path, "--anonymise", "--output", path, code=2).err
    assert "goes with --anonymise" in shell("decode", path, "--output", "x", code=2).err
    assert Path(path).read_bytes() == encode(SECRET_UPDATE, Encoding.BINARY)


def test_simulate_serves_a_script(tmp_path: Path) -> None:
    """The first line says where; a client is answered; SIGTERM ends it with 0."""
    script = tmp_path / "session.txt"
    script.write_text("account Sim1\nsymbol MESZ26-CME tick 0.25 value 1.25\n--\nwait 600\n", encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "dtcpos", "simulate", str(script), "--encoding", "json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        guard = threading.Timer(30, server.kill)
        guard.start()
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:")
        with socket.create_connection(("127.0.0.1", int(line.rpartition(":")[2])), timeout=10) as client:
            request = {"Type": 6, "ProtocolVersion": 8, "Encoding": 2, "ProtocolType": "DTC"}
            client.sendall(dumps(request).encode() + b"\0")
            answer = json.loads(client.recv(65536).split(b"\0")[0])
        assert (answer["Type"], answer["Encoding"]) == (7, 2)
        server.send_signal(signal.SIGTERM if os.name == "posix" else signal.CTRL_BREAK_EVENT)
        _, err = server.communicate(timeout=30)
        guard.cancel()
    assert (server.returncode, err) == (0, "")


def test_simulate_refuses_what_cannot_be_meant(shell: Shell, tmp_path: Path) -> None:
    """U4: a script's fault names file, line and remedy; no script at all is usage."""
    script = tmp_path / "session.txt"
    script.write_text("acount Sim1\n", encoding="utf-8")
    assert "line 1" in shell("simulate", str(script), code=2).err
    assert "no SCRIPT given" in shell("simulate", code=2).err
    assert "cannot read" in shell("simulate", str(tmp_path / "absent"), code=2).err
    script.write_text("account Sim1\n", encoding="utf-8")
    assert "is no certificate" in shell("simulate", str(script), "--tls-cert", str(script), code=2).err
    assert "The script, below the line" in shell("simulate", "--grammar").out


def test_the_example_in_the_help_of_simulate_is_a_script() -> None:
    """What the help shows can be performed."""
    from dtcpos.cli.simulate import _FIRST_LINES
    from dtcpos.sim import parse_dialogue

    assert len(parse_dialogue(_FIRST_LINES).script) == 3
