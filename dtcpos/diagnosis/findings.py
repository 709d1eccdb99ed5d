"""From what was seen of a server to words: each check once, with what was found, the remedy and the menu.

Pure. The names of menus and settings are those of Sierra Chart's documentation ("Data and Trading Communications
(DTC) Protocol Server", "Network Time Protocol Client", "Symbol Settings") and of its settings windows.
"""

from __future__ import annotations

from collections.abc import Iterable

from dtcpos.diagnosis.after_logon import after_logon
from dtcpos.diagnosis.sight import Attempt, Finding, Peer, Reach, Result, Sight, Tls
from dtcpos.diagnosis.words import (
    CHECKS,
    CONNECT_FEED,
    fault,
    ok,
    printable,
    setting,
    skipped,
    warning,
)
from dtcpos.dtc import Encoding, LogonStatus

_LISTENING = setting("Enable DTC Protocol Server: Yes; Listening Port")
_PORT = setting("Listening Port")
_CERTIFICATE = "the folder ServerCertificate of Sierra Chart's, file TLSCertificate.crt"


def findings_of(sight: Sight) -> list[Finding]:
    """Return every check of a server in the order of a session; those a fault stands before are skipped."""
    found: list[Finding] = []
    for judge in (_address, _tls, _protocol, _encoding, _logon):
        found.append(judge(sight))
        if found[-1].result is Result.FAULT:
            break
    else:
        found += after_logon(sight)
    done = {finding.check for finding in found}
    return found + [skipped(check, "not reached") for check in CHECKS if check not in done]


def _address(sight: Sight) -> Finding:
    sent = f", where {sight.sent_from} sent us" if sight.sent_from else ""
    where = f"{sight.address}{sent}"
    match sight.reach:
        case Reach.CONNECTED:
            return ok("address", f"{sight.address} accepts connections{sent}")
        case Reach.REFUSED:
            return fault(
                "address",
                f"nothing listens at {where} ({sight.reach_words})",
                "start Sierra Chart and its DTC server there, and name its port: dtcpos doctor HOST:PORT",
                f"{_LISTENING} {sight.port}; then {CONNECT_FEED}",
            )
        case Reach.UNKNOWN_HOST:
            return fault(
                "address", f"nobody knows the host of {where} ({sight.reach_words})", "correct the host's name"
            )
        case Reach.TIMEOUT:
            remedy = "is the machine on, and does its firewall let this port through?"
        case _:
            remedy = "check the address and the network"
    menu = "" if sight.is_local else setting("Allowed Incoming IPs: Local Subnet Only, or Any IP")
    return fault("address", f"{where} cannot be reached ({sight.reach_words})", remedy, menu)


def _tls(sight: Sight) -> Finding:
    if sight.is_tls_behind:
        return fault(
            "tls",
            f"{sight.address} wants TLS, and was spoken to without",
            f"add --tls; where its certificate is its own, --tls-ca FILE as well ({_CERTIFICATE})",
            setting("Require TLS: No, for a client on the same computer"),
        )
    if sight.tls is Tls.UNTRIED:
        away = " (the line is not encrypted; across a network use --tls)" if not sight.is_local else ""
        finding = warning if away else ok
        return finding("tls", f"not asked for{away}")
    if sight.tls is Tls.SPOKEN:
        return ok("tls", "spoken, and the certificate is trusted")
    return _tls_fault(sight)


def _tls_fault(sight: Sight) -> Finding:
    words = sight.tls_words
    match sight.tls:
        case Tls.NOT_SPOKEN:
            spoken = ", it speaks DTC without" if sight.is_plain_behind else ""
            return fault(
                "tls",
                f"{sight.address} speaks no TLS{spoken} ({words})",
                "leave out --tls (and `tls` in the settings) for a server on this computer",
                setting(f"Require TLS: Yes; the certificate goes to {_CERTIFICATE}"),
            )
        case Tls.UNTRUSTED:
            return fault(
                "tls",
                f"the certificate of {sight.address} is not trusted ({words})",
                f"give the certificate, or that of who signed it, with --tls-ca FILE ({_CERTIFICATE})",
            )
        case Tls.WRONG_NAME:
            return fault(
                "tls",
                f"the certificate is not for this host name ({words})",
                "connect by the name the certificate is made for",
            )
        case Tls.OUT_OF_DATE:
            return fault(
                "tls",
                f"the certificate is out of date ({words})",
                "renew the certificate, or set this computer's clock",
            )
        case _:
            return fault(
                "tls", f"the TLS handshake failed ({words})", "use a certificate of today's kind on the server"
            )


def _protocol(sight: Sight) -> Finding:
    attempt = sight.last
    assert attempt is not None, "a reached server was spoken to"
    if attempt.is_dtc:
        return ok("protocol", "it speaks DTC")
    heard = f": {printable(attempt.heard)}" if attempt.heard else ""
    wordless = {
        Peer.SILENT: f"{sight.address} accepts connections and says nothing for {sight.timeout_s:g} s",
        Peer.CLOSED: f"{sight.address} accepts connections and hangs up without a word",
    }
    words = {
        Peer.HTTP: f"a web server answers at {sight.address}{heard}",
        Peer.SSH: f"an SSH server answers at {sight.address}{heard}",
        Peer.FOREIGN: f"what answers at {sight.address} is not DTC{heard}",
        Peer.BROKEN: f"what answers at {sight.address} is not DTC as we know it ({attempt.words})",
        **dict.fromkeys((Peer.SILENT, Peer.CLOSED), f"what {sight.address} says is no answer of DTC{heard}"),
        **({} if heard else wordless),
    }.get(attempt.peer, f"{sight.address} was not understood ({attempt.words})")
    remedy = "name the port of the DTC server (Sierra Chart's is 11099 unless it was changed)"
    menu = _PORT
    if attempt.peer is Peer.CLOSED and not sight.is_local:
        remedy += ", and let this computer in"
        menu = f"{_PORT}; Allowed Incoming IPs"
    elif attempt.peer in (Peer.SILENT, Peer.CLOSED):
        remedy += "; if it is that port, set its encoding to Automatic"
        menu = f"{_PORT}; Encoding: Automatic"
    return fault("protocol", words, remedy, menu)


def _encoding(sight: Sight) -> Finding:
    attempt = sight.last
    assert attempt is not None
    menu = setting("Encoding: Automatic")
    if attempt.spoken is None:
        return fault("encoding", printable(attempt.words), "let the server speak binary or JSON", menu)
    spoken, asked = attempt.spoken.word, sight.asked
    if asked is not None and attempt.spoken is not asked:
        if attempt.negotiate and attempt.encoding is asked:
            return warning(
                "encoding", f"asked for {asked.word}, the server answers {spoken}", f"use --encoding {spoken}", menu
            )
        return fault(
            "encoding",
            f"asked for {asked.word}, {_how_it_ended(sight.attempts, asked)}; it speaks {spoken}",
            f"use --encoding {spoken}, or leave --encoding out",
            menu,
        )
    if not attempt.negotiate:
        return warning(
            "encoding",
            f"{spoken}, found by trying: the server does not answer the question for it",
            f"use --encoding {spoken}; without it each connection is tried in several",
            menu,
        )
    return ok("encoding", spoken)


def _how_it_ended(attempts: Iterable[Attempt], asked: Encoding) -> str:
    ends = {
        Peer.CLOSED: "the server hangs up",
        Peer.SILENT: "the server does not answer",
        Peer.BROKEN: "the server's answer cannot be read",
    }
    return next((ends[each.peer] for each in attempts if each.encoding is asked and each.peer in ends), "refused")


def _logon(sight: Sight) -> Finding:
    attempt, logon = sight.last, sight.logon
    assert attempt is not None
    if attempt.peer is Peer.ADMITTED and logon is not None:
        server = f"; it calls itself {printable(logon.ServerName)}" if logon.ServerName else ""
        if sight.sent_from:
            return warning("logon", f"admitted at another address than the one named{server}", f"use {sight.address}")
        return ok("logon", f"admitted{server}")
    if attempt.peer is Peer.ELSEWHERE:
        assert logon is not None
        there = f"to {logon.ReconnectAddress!r}" if logon.ReconnectAddress else "away without saying where to"
        return fault("logon", f"the server sends us {there}", "name the address of the server itself")
    if attempt.peer is Peer.UNTOLD:
        remedy = "use --encoding json, or a name and a password of Western letters"
        return fault("logon", attempt.words, remedy, setting("Encoding: Automatic"))
    if attempt.peer is Peer.REFUSED:
        assert logon is not None
        away = " and asks us not to come again" if logon.Result == LogonStatus.ERROR_NO_RECONNECT else ""
        found = f"the server refuses the logon{away}: {printable(attempt.words) or 'no reason given'}"
    else:
        verb = "hangs up upon" if attempt.peer is Peer.CLOSED else "does not answer"
        found = f"the server {verb} the logon" + (f": {printable(attempt.words)}" if attempt.words else "")
    return fault(
        "logon", found, _credentials(sight), setting("Require Authentication: No, for a client on the same computer")
    )


def _credentials(sight: Sight) -> str:
    if sight.username:
        return f"check the name {sight.username!r} and the password: those of the Sierra Chart account"
    return "if it wants a name: --username NAME and DTCPOS_PASSWORD, those of the Sierra Chart account"
