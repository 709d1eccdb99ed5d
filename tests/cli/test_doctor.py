"""`dtcpos doctor`, tried against servers that really are set up wrongly."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dtcpos.dtc import (
    Connection,
    CurrentPositionsRequest,
    Encoding,
    EncodingRequest,
    EncodingResponse,
    Heartbeat,
    HistoricalOrderFillResponse,
    HistoricalOrderFillsRequest,
    Logoff,
    LogonRequest,
    LogonResponse,
    MarketDataRequest,
    Message,
    OpenOrdersRequest,
    Role,
    SecurityDefinitionForSymbolRequest,
    TradeAccountResponse,
    TradeAccountsRequest,
    UserMessage,
    encode,
)
from dtcpos.sim import SimulatedServer
from tests.cli.conftest import Shell
from tests.cli.doctoring import CERTIFICATE, SETTINGS, TERMS, checked, faults, found, serving
from tests.ports import answering, saying, silence


def test_nothing_to_mend(shell: Shell) -> None:
    """U4: all is well, said clearly, on one screen, exit 0; a second look by a script agrees."""
    with serving() as server:
        ran = shell("doctor", server.address)
        assert ran.out.splitlines()[-1] == "nothing to mend"
        assert len(ran.out.splitlines()) <= 24
        assert ran.err == ""
        checks = checked(shell("doctor", server.address, "--json"))
    assert {each["result"] for each in checks.values()} == {"ok"}


def test_nothing_listens(shell: Shell) -> None:
    """S4: exit 3, the address, the remedy and the menus."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ran = shell("doctor", f"127.0.0.1:{port}", "--json", code=3)
    fault = found(ran, "address")
    assert fault["found"].startswith(f"nothing listens at 127.0.0.1:{port}")
    assert fault["menu"].startswith(f"{SETTINGS}Enable DTC Protocol Server: Yes; Listening Port {port}")
    assert found(ran, "logon", "skipped")["found"] == "not reached"
    assert ran.err == "dtcpos: 1 thing to mend: address\n"


def test_a_host_nobody_knows(shell: Shell) -> None:
    """U4: a misspelt name is not a server that is down."""
    fault = found(shell("doctor", "trading-pc.invalid", "--json", code=3), "address")
    assert fault["found"].startswith("nobody knows the host of trading-pc.invalid:11099")


@pytest.mark.parametrize(
    ("banner", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n", "a web server answers at {}: HTTP/1.1 400 Bad Request"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "an SSH server answers at {}: SSH-2.0-OpenSSH_9.6"),
        (b"220 mail.example.net ESMTP\r\n", "what answers at {} is not DTC: 220 mail.example.net ESMTP"),
        (b"\x02\x00\x00\x00 and so on", "what answers at {} is not DTC: and so on"),
        (b"J\0\0\0\x0a8.0.32\0", "what {} says is no answer of DTC: J 8.0.32"),
        (b"", "{} accepts connections and hangs up without a word"),
    ],
    ids=["web", "ssh", "mail", "garbage", "database", "hangs up"],
)
def test_a_port_of_something_else(shell: Shell, banner: bytes, words: str) -> None:
    """S5: the wrong port is named as such, with what was heard there."""
    with answering(saying(banner)) as address:
        ran = shell("doctor", address, "--json", code=6)
    fault = found(ran, "protocol")
    assert fault["found"].startswith(words.format(address))
    assert fault["menu"].startswith(f"{SETTINGS}Listening Port")
    assert found(ran, "address", "ok")


def test_a_port_that_says_nothing(shell: Shell) -> None:
    """S5: a silent port is given up, in bounded time."""
    with answering(silence) as address:
        ran = shell("doctor", address, "--timeout", "0.2", "--json", code=6)
    assert found(ran, "protocol")["found"] == f"{address} accepts connections and says nothing for 0.2 s"


def test_a_port_that_says_something_else_and_waits(shell: Shell) -> None:
    """S5: what may be the beginning of a message, and never becomes one, is not called silence."""

    def answer(client: socket.socket) -> None:
        client.sendall(b"J\0\0\0\x0a8.0.32\0")
        silence(client)

    with answering(answer) as address:
        ran = shell("doctor", address, "--timeout", "0.2", "--json", code=6)
    assert found(ran, "protocol")["found"] == f"what {address} says is no answer of DTC: J 8.0.32"


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e300"])
def test_a_time_that_is_none(shell: Shell, seconds: str) -> None:
    """U4: bounded time is what a person can wait for; the error names the value, exit 2."""
    assert f"--timeout': {float(seconds)} is not a number up to" in shell("doctor", "--timeout", seconds, code=2).err


@contextmanager
def serving_tls() -> Iterator[SimulatedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with serving(tls=context) as server:
        yield server


def test_tls(shell: Shell) -> None:
    """A trusted certificate is fine; TLS that was not spoken, not trusted, or for another name is named."""
    with serving_tls() as server:
        trusted = ("--tls-ca", str(CERTIFICATE))
        assert found(shell("doctor", server.address, *trusted, "--json"), "tls", "ok")
        plain = found(shell("doctor", server.address, "--json", code=6), "tls")
        untrusted = found(shell("doctor", server.address, "--tls", "--json", code=6), "tls")
        misnamed = found(shell("doctor", f"127.1:{server.port}", *trusted, "--json", code=6), "tls")
    assert plain["found"] == f"{server.address} wants TLS, and was spoken to without"
    assert plain["remedy"].startswith("add --tls")
    assert plain["menu"].startswith(f"{SETTINGS}Require TLS: No")
    assert "is not trusted (self" in untrusted["found"]
    assert "--tls-ca" in untrusted["remedy"]
    assert misnamed["found"].startswith("the certificate is not for this host name")


def test_tls_to_a_server_without(shell: Shell) -> None:
    """A plain server waits for the rest of what it takes for a message; it is found out all the same."""
    with serving() as server:
        fault = found(shell("doctor", server.address, "--tls", "--timeout", "1", "--json", code=6), "tls")
    assert fault["found"].startswith(f"{server.address} speaks no TLS, it speaks DTC without")
    assert "ssl.c" not in fault["found"], "a place in the source of Python helps nobody"
    assert fault["remedy"].startswith("leave out --tls")
    assert fault["menu"].startswith(f"{SETTINGS}Require TLS: Yes")


def test_a_certificate_that_cannot_be_read_is_usage(shell: Shell, tmp_path: Path) -> None:
    """U4: exit 2, as with `connect`."""
    assert "certificate" in shell("doctor", "--tls-ca", str(tmp_path / "none.pem"), code=2).err


def test_a_certificate_of_the_settings_that_cannot_be_read(shell: Shell, tmp_path: Path) -> None:
    """U4: what was written down once and is gone is a finding, and the rest is looked at."""
    (tmp_path / "settings.toml").write_text("[server]\ntls_ca = 'gone.pem'\n", encoding="utf-8")
    ran = shell("doctor", "--json", code=6)
    assert faults(ran) == {"tls"}
    assert "gone.pem" in found(ran, "tls")["found"]


@pytest.mark.parametrize("encoding", list(Encoding), ids=lambda encoding: encoding.word)
def test_every_encoding_does(shell: Shell, encoding: Encoding) -> None:
    """S1: whatever is asked for and spoken, nothing is to mend."""
    with serving() as server:
        ran = shell("doctor", server.address, "--encoding", encoding.word, "--json")
    assert found(ran, "encoding", "ok")["found"] == encoding.word


def test_another_encoding_than_asked_for(shell: Shell) -> None:
    """S1: the server answers what it is fixed to; the option and the menu that agree are named."""
    with serving(f"encoding json\n{TERMS}") as server:
        asked = found(shell("doctor", server.address, "--encoding", "vls", "--json"), "encoding", "warning")
    assert asked["found"] == "asked for vls, the server answers json"
    assert (asked["remedy"], asked["menu"]) == ("use --encoding json", f"{SETTINGS}Encoding: Automatic")


def only(spoken: Encoding) -> Callable[[socket.socket], object]:
    """A server that knows one encoding and hangs up upon any other, the question for it included."""

    def answer(client: socket.socket) -> None:
        asked = client.recv(4096)
        if asked != encode(EncodingRequest(Encoding=0), Encoding.BINARY) and asked[:1] == b"{":
            venue = Connection(Role.VENUE, encoding=spoken, negotiate=False)
            venue.start(0.0)
            venue.receive_data(asked, 0.0)
            for event in venue.events():
                if isinstance(event, LogonRequest):
                    venue.send(LogonResponse(TradingIsSupported=1, ServerName="fixed"))
                    venue.send(Heartbeat(CurrentDateTime=int(time.time())))
            client.sendall(venue.data_to_send())
            while client.recv(4096):
                pass

    return answer


def test_a_server_that_hangs_up_upon_our_encoding(shell: Shell) -> None:
    """S1: it is found by trying; with an encoding of one's own that is a fault, without it a hint."""
    with answering(only(Encoding.JSON)) as address:
        wrong = found(
            shell("doctor", address, "--encoding", "binary", "--timeout", "0.4", "--json", code=6), "encoding"
        )
        tried = found(shell("doctor", address, "--timeout", "0.4", "--json", code=6), "encoding", "warning")
    assert wrong["found"] == "asked for binary, the server hangs up; it speaks json"
    assert wrong["remedy"].startswith("use --encoding json")
    assert tried["remedy"].startswith("use --encoding json")
    assert wrong["menu"] == tried["menu"] == f"{SETTINGS}Encoding: Automatic"


def test_an_encoding_we_cannot_read(shell: Shell) -> None:
    """S1: protocol buffers are not read yet, and it is said."""
    with answering(saying(encode(EncodingResponse(Encoding=4), Encoding.BINARY))) as address:
        fault = found(shell("doctor", address, "--json", code=6), "encoding")
    assert fault["found"].startswith("the server chose encoding 4")
    assert fault["menu"] == f"{SETTINGS}Encoding: Automatic"


def test_a_refused_logon(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """S4: the server's words; without a name the option for one, with one its correction; the password is not shown."""
    with serving(f"user trader hunter2hunter2\n{TERMS}") as server:
        nobody = found(shell("doctor", server.address, "--json", code=6), "logon")
        monkeypatch.setenv("DTCPOS_PASSWORD", "wrong-password")
        wrong = shell("doctor", server.address, "--username", "trader", "--json", code=6)
        monkeypatch.setenv("DTCPOS_PASSWORD", "hunter2hunter2")
        assert found(shell("doctor", server.address, "--username", "trader", "--json"), "logon", "ok")
    assert nobody["found"] == "the server refuses the logon: user name or password is wrong"
    assert "--username NAME and DTCPOS_PASSWORD" in nobody["remedy"]
    assert nobody["menu"].startswith(f"{SETTINGS}Require Authentication: No")
    assert "'trader'" in found(wrong, "logon")["remedy"]
    assert "wrong-password" not in wrong.out + wrong.err


def test_a_password_that_cannot_be_said(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1: text of the binary encodings has 8 bits; that is a finding as any other, and without the password."""
    monkeypatch.setenv("DTCPOS_PASSWORD", "5000\N{EURO SIGN}-hunter2")
    with serving() as server:
        ran = shell("doctor", server.address, "--username", "trader", "--json", code=6)
        assert found(
            shell("doctor", server.address, "--username", "trader", "--encoding", "json", "--json"), "logon", "ok"
        )
    assert found(ran, "protocol", "ok")
    assert found(ran, "logon")["found"] == "Password: *** has characters that 8-bit text cannot hold"
    assert "--encoding json" in found(ran, "logon")["remedy"]
    assert "hunter2" not in ran.out + ran.err


def test_a_server_that_hangs_up_upon_the_logon(shell: Shell) -> None:
    """S4: some refuse by closing the line; that is not an encoding that failed."""

    def answer(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(encode(EncodingResponse(Encoding=0), Encoding.BINARY))
        client.recv(4096)
        client.sendall(encode(UserMessage(UserMessage="Trading hours are over."), Encoding.BINARY))

    with answering(answer) as address:
        fault = found(shell("doctor", address, "--json", code=6), "logon")
    assert fault["found"] == "the server hangs up upon the logon: Trading hours are over."


@pytest.mark.parametrize("last_words", [b"", b"\x02\x00\x00\x00 garbage", b"\xff\xff\x2d\x01 half a message"])
def test_a_server_that_breaks_off_behind_the_logon(shell: Shell, last_words: bytes) -> None:
    """S5: the examination ends with what it has, and says that the line did."""

    def answer(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(encode(EncodingResponse(Encoding=0), Encoding.BINARY))
        client.recv(4096)
        client.sendall(encode(LogonResponse(TradingIsSupported=1), Encoding.BINARY) + last_words)
        client.recv(4096)

    with answering(answer) as address:
        ran = shell("doctor", address, "--json", code=6)
    assert {"accounts", "history", "positions"} <= faults(ran)
    assert "the line ended before the answer came" in found(ran, "accounts")["found"]


def test_told_to_stay_away(shell: Shell) -> None:
    """S4: a refusal for good says so."""
    with serving(f'{TERMS}refuse-logon no-reconnect "Account expired."\n') as server:
        fault = found(shell("doctor", server.address, "--json", code=6), "logon")
    assert fault["found"] == "the server refuses the logon and asks us not to come again: Account expired."


def test_a_server_elsewhere_is_followed(shell: Shell) -> None:
    """S4: the address we are sent to is looked at, and named."""
    with serving() as there, serving(f"account Sim1\nreconnect-to {there.address}\n") as here:
        ran = shell("doctor", here.address, "--json")
    assert found(ran, "address", "ok")["found"].endswith(f"where {here.address} sent us")
    assert found(ran, "logon", "warning")["remedy"] == f"use {there.address}"


def test_a_server_elsewhere_that_is_not_there(shell: Shell) -> None:
    """S4: an address the person never named is told with the one who named it, and one that is none as it was said."""
    with serving("account Sim1\nreconnect-to 127.0.0.1:1\n") as here:
        ran = shell("doctor", here.address, "--json", code=3)
    assert found(ran, "address")["found"].startswith(f"nothing listens at 127.0.0.1:1, where {here.address} sent us (")
    with serving("account Sim1\nreconnect-to http://127.0.0.1:1\n") as here:
        ran = shell("doctor", here.address, "--json", code=6)
    assert found(ran, "logon")["found"] == "the server sends us to 'http://127.0.0.1:1'"


def test_an_answer_without_an_end(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """S5: a history that goes on and on is given up, and is not taken for one nobody asked for."""
    monkeypatch.setattr("dtcpos.diagnosis.probing._WHOLE_S_MAX", 1.0)

    def answer(client: socket.socket) -> None:
        say = {"TradeAccount": "Sim1", "MessageNumber": 1}
        client.recv(4096)
        client.sendall(encode(EncodingResponse(Encoding=0), Encoding.BINARY))
        client.recv(4096)
        client.sendall(encode(LogonResponse(TradingIsSupported=1), Encoding.BINARY))
        asked = int.from_bytes(client.recv(4096)[4:8], "little")
        account = TradeAccountResponse(RequestID=asked, TotalNumberMessages=1, **say)
        client.sendall(encode(account, Encoding.BINARY))
        asked = int.from_bytes(client.recv(4096)[4:8], "little")
        part = HistoricalOrderFillResponse(RequestID=asked, TotalNumberMessages=1000, **say)
        while True:
            client.sendall(encode(part, Encoding.BINARY))
            time.sleep(0.05)

    with answering(answer) as address:
        ran = shell("doctor", address, "--json", code=6)
    assert {"history", "positions", "orders"} <= faults(ran)
    assert "given up after 1 s of answers without an end" in found(ran, "history")["found"]


def test_trading_is_not_allowed(shell: Shell) -> None:
    """S7: TradingIsSupported 0 and the rejections 302, 307 and 308, each with the server's words and the menu."""
    text = f"trading off\n{TERMS}reject positions no positions here\nreject history Trading is not allowed.\n"
    with serving(text) as server:
        ran = shell("doctor", server.address, "--json", code=6)
    assert faults(ran) == {"trading", "history", "positions"}
    assert found(ran, "trading")["menu"].startswith(f"{SETTINGS}Allow Trading: Yes")
    assert "history rejected: Trading is not allowed." in found(ran, "history")["found"]
    assert "positions rejected: no positions here" in found(ran, "positions")["found"]
    assert found(ran, "orders", "warning")["menu"].startswith(f"{SETTINGS}Allow Trading: Yes")


def test_what_to_do_is_said_once(shell: Shell) -> None:
    """U4: one screen, however many checks come of one setting; faults before warnings."""
    with serving(f"trading off\nmarket-data off\n{TERMS}reject all Trading is not allowed.\n") as server:
        ran = shell("doctor", server.address, code=6)
    words = " ".join(ran.out.split())
    assert words.count("Allow Trading: Yes") == 1
    assert "trading, history, positions, orders: allow trading messages" in words
    assert words.index("To mend:") < words.index("To know: market_data:")
    assert len(ran.out.splitlines()) <= 30
    assert "nothing to mend" not in ran.out
    assert ran.err == "dtcpos: 3 things to mend: trading, history, positions\n"


def test_positions_are_not_answered(shell: Shell) -> None:
    """N11: no answer is not an empty answer."""
    with serving(f"{TERMS}no-answer positions\n") as server:
        ran = shell("doctor", server.address, "--timeout", "1", "--json", code=6)
    assert faults(ran) == {"positions"}
    assert "120005: positions unanswered; positions stay UNVERIFIED" in found(ran, "positions")["found"]


@pytest.mark.parametrize("text", ["heartbeat 0.1\n", "heartbeat 0.1\naccount 1\nno-answer accounts\n"])
def test_no_accounts(shell: Shell, text: str) -> None:
    """S7: nothing to keep is a fault of the set-up; the questions behind it are skipped."""
    with serving(text) as server:
        ran = shell("doctor", server.address, "--timeout", "1", "--json", code=6)
    assert faults(ran) == {"accounts"}
    assert "File >> Connect to Data Feed" in found(ran, "accounts")["menu"]
    assert found(ran, "positions", "skipped")


def test_market_data(shell: Shell) -> None:
    """Not offered or rejected is a warning with the server's words: positions do not need it."""
    with serving(f"market-data off\n{TERMS}") as server:
        missing = found(shell("doctor", server.address, "--json"), "market_data", "warning")
    with serving(f"{TERMS}reject market-data No CME data through DTC\n") as server:
        rejected = found(shell("doctor", server.address, "--json"), "market_data", "warning")
        assert found(shell("doctor", server.address, "--no-market-data", "--json"), "market_data", "ok")
    assert missing["found"].startswith("the server gives no market data")
    assert "rejected for MESZ26-CME: No CME data through DTC" in rejected["found"]


def test_scaled_prices(shell: Shell, tmp_path: Path) -> None:
    """P5: a multiplier that the server states is named, and no fault: dtcpos multiplies."""
    shell = Shell(tmp_path / "new.db")
    with serving(TERMS.replace("value 1.25", "value 1.25 multiplier 0.01")) as server:
        scaled = found(shell("doctor", server.address, "--json"), "prices", "warning")
    assert "MESZ26-CME x 0.01" in scaled["found"]
    assert scaled["menu"] == "Global Settings >> Symbol Settings >> Real-Time Price Multiplier"


def test_prices_a_hundredfold_of_the_ledgers(shell: Shell) -> None:
    """P5: what the server states now and what the ledger has of the same symbol differ in scale."""
    with serving(TERMS.replace("6850.25", "505250")) as server:
        ran = shell("doctor", server.address, "--json", code=6)
    assert "states 505250, about 100 times as much: in the ledger they are at 50" in found(ran, "prices")["found"]
    assert "dtcpos instruments set MESZ26-CME --multiplier" in found(ran, "prices")["remedy"]


def test_prices_a_hundredfold_of_the_markets(shell: Shell) -> None:
    """P5: positions unscaled and market data scaled, or the reverse, cannot be told apart by a definition."""
    with serving(f"{TERMS}--\ntick MESZ26-CME 685025\nwait 600\n".replace("MESZ26-CME", "ESZ26-CME")) as server:
        server.perform("tick ESZ26-CME 685025")
        ran = shell("doctor", server.address, "--json", code=6)
    assert "about 100 times as little: the market is at 685025" in found(ran, "prices")["found"]


@pytest.mark.parametrize(("drift_s", "result"), [(-3600, "fault"), (120, "fault"), (7, "warning")])
def test_the_servers_clock(shell: Shell, drift_s: float, result: str) -> None:
    """Heartbeats carry the server's time; marks before an entry do not count, so the clocks have to agree."""
    with serving(clock=lambda: time.time() + drift_s) as server:
        ran = shell("doctor", server.address, "--json", code=6 if result == "fault" else 0)
    clock = found(ran, "clock", result)
    assert ("ahead of ours" if drift_s > 0 else "behind ours") in clock["found"]
    assert clock["menu"] == "Global Settings >> NTP Settings >> NTP Client Enable: Yes"


_MAY_BE_SENT = (
    CurrentPositionsRequest,
    EncodingRequest,
    Heartbeat,
    HistoricalOrderFillsRequest,
    Logoff,
    LogonRequest,
    MarketDataRequest,
    OpenOrdersRequest,
    SecurityDefinitionForSymbolRequest,
    TradeAccountsRequest,
)


def test_only_what_connect_sends_is_sent(shell: Shell) -> None:
    """S6: no order, no correction, nothing that changes anything; and the line is left in order."""
    with serving() as server:
        shell("doctor", server.address)
        (session,) = server.sessions
    kinds: set[type[Message]] = {type(request) for request in session.requests}
    assert kinds <= set(_MAY_BE_SENT)
    assert {CurrentPositionsRequest, HistoricalOrderFillsRequest, MarketDataRequest} <= kinds
