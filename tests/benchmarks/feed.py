"""A server that has much to tell: fills as bytes made beforehand, in memory or from another process over loopback.

Run as a program it prints its port, serves one client, and does what each line on its standard input says:
`prepare COUNT` makes that many live fills, `live` sends them at once, `paced RATE` so many a second, and
`history COUNT` answers the next question for history with that many.
"""

from __future__ import annotations

import json
import queue
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dtcpos.dtc import (
    BuySell,
    Connection,
    CurrentPositionsRequest,
    Encoding,
    HistoricalOrderFillResponse,
    HistoricalOrderFillsRequest,
    LogonRequest,
    LogonResponse,
    LogonStatus,
    MarketDataRequest,
    Message,
    OpenOrdersRequest,
    OrderStatus,
    OrderType,
    OrderUpdate,
    OrderUpdateReason,
    PositionUpdate,
    Role,
    SecurityDefinitionForSymbolRequest,
    SecurityDefinitionReject,
    TradeAccountResponse,
    TradeAccountsRequest,
    encode,
)

ROOT = Path(__file__).parents[2]
NOON = 1_780_056_000
BOOKS = (("Sim1", "MESZ26"), ("120005", "ESZ26"))
FILLS_PER_ORDER = 4
# As many as a busy account has in the seconds in which it trades.
FILLS_PER_SECOND = 20
_REQUEST_ID = struct.Struct("<i")


def order_update(number: int) -> OrderUpdate:
    """Return the live fill of that number: orders of four lots filled one by one, in two accounts by turns.

    A book goes from flat through +4, +8, +4 to flat, then through +4 to flat, and so on.
    """
    order, part = divmod(number, FILLS_PER_ORDER)
    account, symbol, side, price = _terms(order)
    done = part + 1
    return OrderUpdate(
        Symbol=symbol,
        Exchange="CME",
        ServerOrderID=f"{100_000_000 + order}",
        ClientOrderID=f"c-{order}",
        OrderStatus=OrderStatus.FILLED if done == FILLS_PER_ORDER else OrderStatus.PARTIALLY_FILLED,
        OrderUpdateReason=(
            OrderUpdateReason.ORDER_FILLED if done == FILLS_PER_ORDER else OrderUpdateReason.ORDER_FILLED_PARTIALLY
        ),
        OrderType=OrderType.LIMIT,
        BuySell=side,
        Price1=price,
        OrderQuantity=float(FILLS_PER_ORDER),
        FilledQuantity=float(done),
        RemainingQuantity=float(FILLS_PER_ORDER - done),
        AverageFillPrice=price,
        LastFillPrice=price,
        LastFillDateTime=NOON * 1000 + number * 1000 // FILLS_PER_SECOND,
        LastFillQuantity=1.0,
        LastFillExecutionID=f"{order}-EX-{number}",
        TradeAccount=account,
    )


def historical_fill(number: int, total: int) -> HistoricalOrderFillResponse:
    """Return the fill of that number of the first account as history tells it: in whole seconds, with the position."""
    order, part = divmod(number, FILLS_PER_ORDER)
    order *= len(BOOKS)
    account, symbol, side, price = _terms(order)
    return HistoricalOrderFillResponse(
        TotalNumberMessages=total,
        MessageNumber=number + 1,
        Symbol=symbol,
        Exchange="CME",
        ServerOrderID=f"{100_000_000 + order}",
        BuySell=side,
        Price=price,
        DateTime=NOON + number // FILLS_PER_SECOND,
        Quantity=1.0,
        UniqueExecutionID=f"{order}-EX-{number}",
        TradeAccount=account,
        PositionQuantity=float(_held(order) + (part + 1) * _sign(side)),
    )


def _terms(order: int) -> tuple[str, str, BuySell, float]:
    account, symbol = BOOKS[order % 2]
    side = BuySell.BUY if order // 2 % 6 in (0, 1, 4) else BuySell.SELL
    return account, symbol, side, 5050.25 + order % 97 * 0.25


def _sign(side: BuySell) -> int:
    return 1 if side is BuySell.BUY else -1


def _held(order: int) -> int:
    """Return what is held in an order's book before it."""
    # Every six orders of a book end flat.
    turn = order // 2
    return FILLS_PER_ORDER * sum(_sign(_terms(2 * earlier)[2]) for earlier in range(turn // 6 * 6, turn))


def live_frames(start: int, count: int) -> list[bytes]:
    """Return live fills as binary frames."""
    return [encode(order_update(number), Encoding.BINARY) for number in range(start, start + count)]


def history_frames(count: int) -> bytearray:
    """Return a whole batch of history of the first account as binary frames."""
    return bytearray().join(encode(historical_fill(number, count), Encoding.BINARY) for number in range(count))


class Venue:
    """The server's side of a session, without I/O: logs everybody on and answers every question, mostly with none."""

    def __init__(self) -> None:
        self._connection = Connection(Role.VENUE)
        self._connection.start(time.time())
        self._history = bytearray()
        self._answers = bytearray()
        self.symbol_ids: dict[str, int] = {}

    def will_tell(self, history: bytearray) -> None:
        """Answer the next question for history with these frames."""
        self._history = history

    def answers(self, received: bytes) -> bytes:
        """Return the bytes owed for those received."""
        self._connection.receive_data(received, time.time())
        for message in self._connection.events():
            if isinstance(message, Message):
                self._answer(message)
            self._answers += self._connection.data_to_send()
        answers = bytes(self._answers)
        self._answers.clear()
        return answers

    def _answer(self, message: Message) -> None:
        send = self._connection.send
        match message:
            case LogonRequest():
                send(LogonResponse(Result=LogonStatus.SUCCESS, ServerName="feed", TradingIsSupported=1))
            case TradeAccountsRequest():
                for number, (account, _) in enumerate(BOOKS, start=1):
                    send(
                        TradeAccountResponse(
                            TotalNumberMessages=len(BOOKS),
                            MessageNumber=number,
                            TradeAccount=account,
                            RequestID=message.RequestID,
                        )
                    )
            case HistoricalOrderFillsRequest() if self._history:
                history, self._history = self._history, bytearray()
                for position in range(4, len(history), HistoricalOrderFillResponse.size):
                    _REQUEST_ID.pack_into(history, position, message.RequestID)
                self._answers += history
            case HistoricalOrderFillsRequest():
                send(
                    HistoricalOrderFillResponse(
                        RequestID=message.RequestID, TotalNumberMessages=1, MessageNumber=1, NoOrderFills=1
                    )
                )
            case CurrentPositionsRequest():
                send(PositionUpdate(RequestID=message.RequestID, TotalNumberMessages=1, MessageNumber=1, NoPositions=1))
            case OpenOrdersRequest():
                send(OrderUpdate(RequestID=message.RequestID, TotalNumMessages=1, MessageNumber=1, NoOrders=1))
            case SecurityDefinitionForSymbolRequest():
                send(SecurityDefinitionReject(RequestID=message.RequestID, RejectText="none here"))
            case MarketDataRequest():
                self.symbol_ids[message.Symbol] = message.SymbolID


class Feed:
    """The same server as another process, spoken to over its standard input."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self.said())

    def order(self, text: str) -> None:
        """Have something prepared; it is said when that is done."""
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def said(self) -> str:
        """Return the next line of the server."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def feeding() -> Iterator[Feed]:
    """Run the server in another process."""
    command = [sys.executable, "-m", "tests.benchmarks.feed"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Feed(process)
        finally:
            process.kill()


def _orders(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)


def _serve(listener: socket.socket, lines: queue.SimpleQueue[str]) -> None:
    venue, peer = Venue(), None
    frames: list[bytes] = []
    while True:
        while not lines.empty():
            word, *numbers = lines.get().split()
            if word == "prepare":
                frames = live_frames(0, int(numbers[0]))
            elif word == "history":
                venue.will_tell(history_frames(int(numbers[0])))
            elif word == "live":
                assert peer is not None
                peer.settimeout(None)
                peer.sendall(b"".join(frames))
            else:
                assert peer is not None
                _send_paced(peer, frames, float(numbers[0]))
                continue
            print("done", flush=True)
        if peer is None:
            listener.settimeout(0.01)
            try:
                peer, _ = listener.accept()
            except TimeoutError:
                continue
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.settimeout(0.002)
        try:
            received = peer.recv(65536)
        except TimeoutError:
            continue
        except ConnectionResetError:
            # A client that has what it came for leaves without a word.
            return
        if not received:
            return
        answers = venue.answers(received)
        peer.settimeout(None)
        peer.sendall(answers)


def _send_paced(peer: socket.socket, frames: list[bytes], rate: float) -> None:
    """Send each frame when its time has come and say when each was sent."""
    peer.settimeout(None)
    start, sent = time.monotonic(), []
    for number, frame in enumerate(frames):
        while (left := start + number / rate - time.monotonic()) > 0:
            time.sleep(left)
        sent.append(time.monotonic())
        peer.sendall(frame)
    print(json.dumps(sent), flush=True)


def main() -> None:
    """Serve one client as told on standard input."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_orders, args=(lines,), daemon=True).start()
    _serve(listener, lines)


if __name__ == "__main__":
    main()
