"""POST each update to an address, as one JSON object.

An answer from 200 to 299 is an arrival. What may pass (no connection, no answer in time, 408, 429, 5xx) is tried again
with growing pauses; what will not (any other answer, a redirect, a certificate nobody vouches for) is given up at once.
A redirect is never followed: the address holds a secret, and it is for its own host alone.
"""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Sequence
from http.client import BadStatusLine, HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Event, Timer
from typing import Final

from attrs import frozen

from dtcpos._version import __version__
from dtcpos.notifying.notifier import Undelivered
from dtcpos.notifying.urls import web_address

TIMEOUT_S: Final = 10.0
_PAUSES_S: Final = (1.0, 3.0, 9.0)
# A server that asks for more patience than this is asked again after it all the same.
_RETRY_AFTER_S_MAX: Final = 30.0
# An answer's body is read only so that the connection can be used again.
_ANSWER_SIZE_MAX: Final = 64 * 1024
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


@frozen(kw_only=True)
class _Answer:
    """How an attempt ended: `fault` is empty where the update arrived."""

    fault: str = ""
    may_pass: bool = True
    retry_after_s: float = 0.0


class Webhook:
    """POSTs lines to a URL, one by one, over one connection for as long as the server keeps it.

    `timeout_s` bounds an attempt as a whole, `pauses_s` are waited before each further one. `tls` is the context for
    https; without one, certificates are checked against the system's.
    """

    at_once_max = 1

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        pauses_s: Sequence[float] = _PAUSES_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._address = web_address(url)
        self.name = f"the webhook {self._address.shown}"
        self._timeout_s, self._pauses_s = timeout_s, tuple(pauses_s)
        self._tls = tls or (ssl.create_default_context() if self._address.scheme == "https" else None)
        self._connection: HTTPConnection | None = None
        self._is_over = Event()
        self._is_cut = False

    def deliver(self, lines: Sequence[str]) -> None:
        """POST each line; raises Undelivered for one that does not arrive."""
        for line in lines:
            self._post(line.encode("utf-8"))

    def interrupt(self) -> None:
        """Cut the connection and wait no more."""
        self._is_over.set()
        self._cut()

    def close(self) -> None:
        """Close the connection; the next delivery opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, body: bytes) -> None:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"dtcpos/{__version__}",
            # The same for every attempt, so that a server whose answer was lost can tell that it has this one.
            "Idempotency-Key": uuid.uuid4().hex,
        }
        if self._address.authorization:
            headers["Authorization"] = self._address.authorization
        for pause_s in (*self._pauses_s, None):
            answer = self._attempt(body, headers)
            if self._is_over.is_set() and answer.fault:
                raise Undelivered("it was stopped at the end")
            if not answer.fault:
                return
            if not answer.may_pass or pause_s is None:
                raise Undelivered(answer.fault)
            self._is_over.wait(max(pause_s, answer.retry_after_s))

    def _attempt(self, body: bytes, headers: dict[str, str]) -> _Answer:
        if self._is_over.is_set():
            return _Answer(fault="it was stopped at the end")
        was_open = self._connection is not None
        self._is_cut = False
        watch = Timer(self._timeout_s, self._cut)
        watch.daemon = True
        watch.start()
        try:
            return self._exchange(body, headers)
        except ssl.SSLCertVerificationError as error:
            return self._failed(f"its certificate is not trusted: {error.verify_message}", may_pass=False)
        except (OSError, HTTPException) as error:
            if self._is_cut or isinstance(error, TimeoutError):
                return self._failed(f"no answer within {self._timeout_s:g} s")
            # A server may close a connection that was idle; that says nothing about this update.
            if was_open and isinstance(error, ConnectionError | BadStatusLine):
                self.close()
                return self._attempt(body, headers)
            return self._failed(_words(error))
        finally:
            watch.cancel()

    def _exchange(self, body: bytes, headers: dict[str, str]) -> _Answer:
        if self._connection is None:
            self._connection = self._connected()
        self._connection.request("POST", self._address.target, body, headers)
        with self._connection.getresponse() as response:
            if self._is_cut:
                # The library takes a first line that was cut for a whole one.
                raise TimeoutError
            rest = response.read(_ANSWER_SIZE_MAX)
            is_whole = len(rest) < _ANSWER_SIZE_MAX
            if response.will_close or not is_whole or self._is_cut:
                self.close()
            return _judged(response)

    def _connected(self) -> HTTPConnection:
        host, port = self._address.host, self._address.port
        if self._tls is None:
            return HTTPConnection(host, port, timeout=self._timeout_s)
        return HTTPSConnection(host, port, timeout=self._timeout_s, context=self._tls)

    def _failed(self, fault: str, *, may_pass: bool = True) -> _Answer:
        self.close()
        return _Answer(fault=fault, may_pass=may_pass)

    def _cut(self) -> None:
        """Wake whoever reads from the connection or writes to it."""
        self._is_cut = True
        connection = self._connection
        peer = None if connection is None else connection.sock
        if peer is not None:
            try:
                peer.shutdown(_BOTH_WAYS)
            except OSError:
                # It was closed meanwhile, which is what was wanted.
                return


# socket.SHUT_RDWR on every platform; the client alone has the module.
_BOTH_WAYS: Final = 2


def _judged(response: HTTPResponse) -> _Answer:
    status = response.status
    if 200 <= status < 300:
        return _Answer()
    if 300 <= status < 400:
        return _Answer(fault=f"HTTP {status}, a redirect, which is not followed; write the new URL", may_pass=False)
    asked = response.getheader("Retry-After", "")
    after_s = float(asked) if asked.isascii() and asked.isdigit() else 0.0
    return _Answer(fault=f"HTTP {status}", may_pass=status in _PASSING, retry_after_s=min(after_s, _RETRY_AFTER_S_MAX))


def _words(error: OSError | HTTPException) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or type(error).__name__}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # What is no fault of the system has the peer's own bytes in its text.
    return f"no HTTP answer ({type(error).__name__})"
