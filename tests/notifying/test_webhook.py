"""What has happened is posted to a URL, and nobody ever waits for it."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from dtcpos.notifying.notifier import Notifier, Tally
from dtcpos.notifying.urls import web_address
from dtcpos.notifying.webhook import Webhook
from tests.web import Answer, Web, answer_and_close, close, closed_port, garbage, status


class Teller:
    """A notifier of a webhook that waits for nothing between attempts, and what it says."""

    def __init__(self, url: str, *, timeout_s: float = 30.0, attempts: int = 4, waiting_max: int = 10_000) -> None:
        self.lines: list[str] = []
        self.webhook = Webhook(url, timeout_s=timeout_s, pauses_s=(0.0,) * (attempts - 1))
        self.notifier: Notifier[object] = Notifier(
            self.webhook, render=json.dumps, say=self.lines.append, clock=lambda: 0.0, waiting_max=waiting_max
        )

    def told(self, *updates: object, patience_s: float = 60.0) -> Tally:
        self.notifier.tell(updates)
        self.notifier.close(patience_s)
        return self.notifier.tally


def test_each_update_is_one_post_in_order() -> None:
    """JSON, one object each, over one connection, the whole path and query, nothing said."""
    with Web() as web:
        teller = Teller(web.url)
        assert teller.told(*({"number": number} for number in range(200))) == Tally(delivered=200)
    assert web.bodies == [{"number": number} for number in range(200)]
    assert web.connections == 1
    path, headers = web.requests[0]
    assert path == "/hook/SECRET?token=SECRET"
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers
    assert len({headers["Idempotency-Key"] for _, headers in web.requests}) == 200
    assert teller.lines == []


def test_a_name_and_password_become_a_header() -> None:
    """They are sent as basic authorization and never in the path."""
    with Web() as web:
        Teller(web.url.replace("://", "://user:p%40ss@")).told(1)
    assert web.requests[0][1]["Authorization"] == "Basic dXNlcjpwQHNz"
    assert "@" not in web.requests[0][1]["Host"]


@pytest.mark.parametrize("fault", [status(500), status(503, Retry_After="0"), status(429), close, garbage])
def test_what_may_pass_is_tried_again(fault: Answer) -> None:
    """The same update with the same key, until it arrives."""
    with Web(fault, fault, fault) as web:
        teller = Teller(web.url)
        assert teller.told({"a": 1}) == Tally(delivered=1)
    assert web.bodies == [{"a": 1}] * 4
    assert len({headers["Idempotency-Key"] for _, headers in web.requests}) == 1
    assert teller.lines == []


def test_what_does_not_pass_is_given_up_and_said_once() -> None:
    """Four attempts an update; one line for the kind, one at the end; the secret in neither."""
    with Web(usual=status(500)) as web:
        teller = Teller(web.url)
        assert teller.told(1, 2, 3) == Tally(failed=3, last_failure="HTTP 500")
    assert web.bodies == [1] * 4 + [2] * 4 + [3] * 4
    name = f"the webhook http://127.0.0.1:{web.port}"
    assert teller.lines == [f"{name} failed once (HTTP 500)", f"{name}: 0 delivered, 3 failed (HTTP 500)"]


@pytest.mark.parametrize("code", [400, 401, 404, 410])
def test_what_will_never_be_taken_is_not_tried_again(code: int) -> None:
    """A wrong URL is one POST an update, and the next update is tried all the same."""
    with Web(status(code)) as web:
        assert Teller(web.url).told(1, 2) == Tally(delivered=1, failed=1, last_failure=f"HTTP {code}")
    assert web.bodies == [1, 2]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(code: int) -> None:
    """The secret is for its own host alone."""
    with Web() as other, Web(usual=status(code, Location=other.url)) as web:
        teller = Teller(web.url)
        assert teller.told(1).failed == 1
    assert other.bodies == []
    assert teller.lines[0].endswith(f"failed once (HTTP {code}, a redirect, which is not followed; write the new URL)")
    assert "SECRET" not in "".join(teller.lines)


def test_nobody_there() -> None:
    """Refused is said in the system's words."""
    with closed_port() as port:
        teller = Teller(f"http://127.0.0.1:{port}/SECRET")
        assert teller.told(1).failed == 1
    assert "refused" in teller.lines[0].lower()
    assert "SECRET" not in "".join(teller.lines)


def test_a_connection_that_was_idle_and_closed_is_no_failure() -> None:
    """Keep-alive ends now and then; the update goes over a new connection, without a pause and in the first attempt."""
    with Web(answer_and_close, answer_and_close) as web:
        teller = Teller(web.url, attempts=1)
        assert teller.told(1, 2, 3) == Tally(delivered=3)
    assert web.connections == 3


@pytest.mark.parametrize("way", ["hang", "trickle"])
def test_an_answer_that_does_not_end_is_cut(way: str) -> None:
    """The timeout is for the attempt as a whole: a letter now and then does not prolong it."""
    with Web() as web:
        web.usual = getattr(web, way)
        teller = Teller(web.url, timeout_s=0.2, attempts=2)
        assert teller.told(1) == Tally(failed=1, last_failure="no answer within 0.2 s")
        assert len(web.bodies) == 2


def test_a_server_that_hangs_never_blocks() -> None:
    """What finds no room is dropped and counted; closing takes no longer than it may."""
    with Web() as web:
        web.usual = web.hang
        teller = Teller(web.url, waiting_max=10)
        teller.notifier.tell(range(1000))
        tally = teller.told(patience_s=0.05)
    assert not any(thread.name == "dtcpos-notify" for thread in threading.enumerate())
    assert tally.dropped + tally.failed == 1000
    assert tally.last_failure == "it was stopped at the end"
    assert teller.lines[-1].endswith(f"0 delivered, 1 failed (it was stopped at the end), {tally.dropped} dropped")


def test_the_pause_between_attempts_ends_with_the_program() -> None:
    """A server that asks for patience gets what there is."""
    with Web(usual=status(503, Retry_After="30")) as web:
        teller = Teller(web.url)
        teller.notifier.tell([1])
        while not web.bodies:
            threading.Event().wait(0.01)
        assert teller.told(patience_s=0.05).failed == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, with its key."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    key = path.with_name("key.pem")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1".split()
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(path)]
    try:
        subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("openssl makes the certificate")
    path.write_text(path.read_text() + key.read_text())
    return path


def test_a_certificate_is_checked(certificate: Path) -> None:
    """Refused at once where nobody vouches for it, and nothing was sent; accepted where it is trusted."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with Web(tls=tls) as web:
        teller = Teller(web.url)
        assert teller.told(1).failed == 1
        assert "failed once (its certificate is not trusted: self" in teller.lines[0]
        assert web.bodies == []
        trusting = Webhook(web.url, tls=ssl.create_default_context(cafile=certificate))
        trusting.deliver(["2"])
        trusting.close()
    assert web.bodies == [2]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://host/SECRET", "must begin with https://"),
        ("SECRET", "must begin with https://"),
        ("https:///SECRET", "must begin with https://"),
        ("https://host:SECRET/", "cannot be read"),
        ("https://host:0/SECRET", "cannot be read"),
        ("https://[host/SECRET", "cannot be read"),
        ("https://host/SEC RET", "no blanks"),
        ("https://host/SECRET\r\nX: y", "no blanks"),
        ("https://hôst/SECRET", "no blanks"),
    ],
)
def test_a_url_that_cannot_be_meant(url: str, words: str) -> None:
    """Refused before anything is sent, in words that do not tell it."""
    with pytest.raises(ValueError, match=words) as refusal:
        web_address(url)
    assert "SECRET" not in str(refusal.value)
    assert "SEC RET" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "shown", "port"),
    [
        ("https://hooks.example.com/services/T0/B0/SECRET", "https://hooks.example.com", 443),
        ("http://user:SECRET@nas.local:8123/api?x=SECRET#SECRET", "http://nas.local:8123", 8123),
        ("https://[::1]:8443", "https://[::1]:8443", 8443),
    ],
)
def test_only_scheme_host_and_port_are_shown(url: str, shown: str, port: int) -> None:
    """The rest is a secret."""
    address = web_address(url)
    assert (address.shown, address.port) == (shown, port)
