"""The statements of a script: one function a statement, one table of all of them.

Accounts must be declared, orders and executions told, before a statement may name them: a misspelt name is found when
the dialogue is read, not in the middle of a session.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, evolve, field

from dtcpos.dtc import MESSAGE_TYPES, Encoding, Message, OrderStatus, OrderType, encode
from dtcpos.errors import LocalProtocolError
from dtcpos.sim import steps
from dtcpos.sim.steps import Kind, Step
from dtcpos.sim.words import TEXT_SIZE_MAX, Words

ORDER_TYPES = {
    "market": OrderType.MARKET,
    "limit": OrderType.LIMIT,
    "stop": OrderType.STOP,
    "stop-limit": OrderType.STOP_LIMIT,
}
ORDER_STATUSES = {
    "sent": OrderStatus.ORDER_SENT,
    "pending-open": OrderStatus.PENDING_OPEN,
    "pending-child": OrderStatus.PENDING_CHILD,
    "open": OrderStatus.OPEN,
    "pending-replace": OrderStatus.PENDING_CANCEL_REPLACE,
    "pending-cancel": OrderStatus.PENDING_CANCEL,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "rejected": OrderStatus.REJECTED,
    "partially-filled": OrderStatus.PARTIALLY_FILLED,
}
# Requests DTC has no reject message for: 400 and 500.
WITHOUT_REJECT = frozenset({Kind.ACCOUNTS, Kind.EXCHANGES})
ID_SIZE_MAX = 31
REASON_SIZE_MAX = 95
_KINDS = {kind.value: kind for kind in Kind}
_MESSAGES = {message.name: message for message in MESSAGE_TYPES.values()}


@define
class Vocabulary:
    """The names a statement may refer to. `orders` and `executions` grow as statements are read."""

    accounts: set[str] = field(factory=set)
    orders: set[str] = field(factory=set)
    executions: set[tuple[str, str]] = field(factory=set)


def parse_step(words: Words, vocabulary: Vocabulary) -> Step:
    """Return the step a line stands for, and add the names it makes to the vocabulary."""
    verb = words.word("statement")
    if verb not in _STATEMENTS:
        words.fail(f"unknown statement {verb!r}", f"write one of {', '.join(_STATEMENTS)}")
    step = _STATEMENTS[verb](words, vocabulary)
    words.end()
    return step


def _known_account(words: Words, vocabulary: Vocabulary) -> str:
    account = words.word("account")
    if account not in vocabulary.accounts:
        words.fail(f"unknown account {account!r}", f"declare it above the script with `account {account}`")
    return account


def _known_order(words: Words, vocabulary: Vocabulary) -> str:
    order_id = words.word("order id", size_max=ID_SIZE_MAX)
    if order_id not in vocabulary.orders:
        words.fail(f"unknown order {order_id!r}", f"tell it before with `order ACCOUNT {order_id} BUY 1 ...`")
    return order_id


def _id(words: Words, *, size_max: int = TEXT_SIZE_MAX) -> str:
    given = words.word("id", size_max=size_max)
    return "" if given == "-" else given


def _held(words: Words, vocabulary: Vocabulary) -> Step:
    return steps.Held(
        account=_known_account(words, vocabulary),
        symbol=words.word("symbol"),
        signed_quantity=words.decimal("quantity"),
        average_price=words.price(),
    )


def _fill(words: Words, vocabulary: Vocabulary) -> Step:
    fill = steps.Fill(
        account=_known_account(words, vocabulary),
        side=words.side(),
        quantity=words.positive("quantity"),
        symbol=words.word("symbol"),
        price=words.price(),
    )
    while words:
        if words.follows("id"):
            fill = evolve(fill, execution_id=_id(words))
        elif words.follows("history-id"):
            fill = evolve(fill, history_id=_id(words))
        elif words.follows("order"):
            fill = evolve(fill, order_id=_id(words, size_max=ID_SIZE_MAX))
        elif words.follows("of"):
            fill = evolve(fill, order_quantity=words.positive("order quantity"))
        elif words.follows("at"):
            fill = evolve(fill, at_s=words.moment())
        elif words.follows("ago"):
            fill = evolve(fill, ago_s=words.seconds("duration"))
        elif words.follows("position"):
            fill = evolve(fill, position_after=words.decimal("position"))
        else:
            words.end()
    if fill.execution_id:
        vocabulary.executions.add((fill.account, fill.execution_id))
    return fill


def _burst(words: Words, vocabulary: Vocabulary) -> Step:
    burst = steps.Burst(
        count=words.count("number of fills"),
        account=_known_account(words, vocabulary),
        symbol=words.word("symbol"),
        price=words.price(),
    )
    return evolve(burst, rate=float(words.positive("rate"))) if words.follows("rate") else burst


def _correct(words: Words, vocabulary: Vocabulary) -> Step:
    account = _known_account(words, vocabulary)
    execution_id = words.word("execution id")
    if (account, execution_id) not in vocabulary.executions:
        words.fail(f"unknown execution {execution_id!r}", f"tell it before with `fill {account} ... id {execution_id}`")
    quantity = words.positive("quantity") if words.follows("quantity") else None
    return steps.Correct(account=account, execution_id=execution_id, quantity=quantity, price=words.price())


def _order(words: Words, vocabulary: Vocabulary) -> Step:
    account = _known_account(words, vocabulary)
    order_id = words.word("order id", size_max=ID_SIZE_MAX)
    side = words.side()
    quantity = words.positive("quantity")
    symbol = words.word("symbol")
    order_type = words.choice("order type", ORDER_TYPES)
    order = steps.Order(
        account=account,
        order_id=order_id,
        side=side,
        quantity=quantity,
        symbol=symbol,
        order_type=order_type,
        price1=None if order_type is OrderType.MARKET else words.decimal("price"),
        price2=words.decimal("limit price") if order_type is OrderType.STOP_LIMIT else None,
    )
    while words:
        if words.follows("parent"):
            order = evolve(order, parent_id=_known_order(words, vocabulary))
        elif words.follows("oco"):
            order = evolve(order, oco_id=words.word("order id", size_max=ID_SIZE_MAX))
        elif words.follows("status"):
            order = evolve(order, status=words.choice("status", ORDER_STATUSES))
        else:
            words.end()
    vocabulary.orders.add(order_id)
    return order


def _replace(words: Words, vocabulary: Vocabulary) -> Step:
    replace = steps.Replace(order_id=_known_order(words, vocabulary))
    while words:
        if words.follows("price"):
            replace = evolve(replace, price=words.decimal("price"))
        elif words.follows("quantity"):
            replace = evolve(replace, quantity=words.positive("quantity"))
        elif words.follows("as"):
            replace = evolve(replace, new_id=words.word("order id", size_max=ID_SIZE_MAX))
            vocabulary.orders -= {replace.order_id}
            vocabulary.orders |= {replace.new_id}
        else:
            words.end()
    return replace


def _restate(words: Words, vocabulary: Vocabulary) -> Step:
    return steps.Restate(
        account=_known_account(words, vocabulary),
        symbol=words.word("symbol"),
        signed_quantity=words.decimal("quantity"),
        average_price=words.price(),
    )


def _tick(words: Words, _vocabulary: Vocabulary) -> Step:
    tick = steps.Tick(symbol=words.word("symbol"), price=words.decimal("price"))
    return evolve(tick, volume=words.positive("volume")) if words.follows("x") else tick


def _quote(words: Words, _vocabulary: Vocabulary) -> Step:
    return steps.Quote(symbol=words.word("symbol"), bid=words.decimal("bid"), ask=words.decimal("ask"))


def _send(words: Words, _vocabulary: Vocabulary) -> Step:
    kind = words.choice("message", _MESSAGES)
    values: dict[str, str | float] = {}
    while words:
        name, equals, text = words.word("field").partition("=")
        if not equals:
            words.fail(f"{name!r} is no field with a value", "write FIELD=VALUE, in quotes where it has blanks")
        values[name] = _value(words, kind, name, text)
    message = kind(**values)
    try:
        encode(message, Encoding.BINARY)
    except LocalProtocolError as error:
        words.fail(str(error), "write a value that fits the field")
    return steps.Send(message=message)


def _value(words: Words, kind: type[Message], name: str, text: str) -> str | float:
    field = kind.field_by_name.get(name)
    if field is None:
        words.fail(f"{kind.name} has no field {name!r}", f"write one of {', '.join(kind.field_by_name)}")
    if field.is_text:
        return text
    try:
        return float(text) if field.code in "df" else int(text)
    except ValueError:
        words.fail(f"{text!r} is no number for {name}", "write a number; nan and inf are allowed where it is a double")


def _away(words: Words, vocabulary: Vocabulary) -> Step:
    verb = words.word("statement")
    if verb not in _AWAY:
        words.fail(f"{verb!r} cannot happen away", f"write one of {', '.join(_AWAY)}")
    step = _STATEMENTS[verb](words, vocabulary)
    assert isinstance(step, steps.AwayStep)
    return steps.Away(step=step)


def _drop(words: Words, _vocabulary: Vocabulary) -> Step:
    if not words.follows("after"):
        return steps.Drop()
    messages = words.count("number of messages")
    words.expect("messages")
    return steps.Drop(after_messages=messages)


def _kinds(words: Words) -> tuple[Kind, ...]:
    if words.follows("all"):
        return tuple(Kind)
    kinds = [words.choice("kind of request", _KINDS)]
    while (kind := next((kind for name, kind in _KINDS.items() if words.follows(name)), None)) is not None:
        kinds.append(kind)
    return tuple(kinds)


def _reject(words: Words, _vocabulary: Vocabulary) -> Step:
    wants_all = words.follows("all")
    kinds = tuple(kind for kind in Kind if kind not in WITHOUT_REJECT) if wants_all else _kinds(words)
    for kind in kinds:
        if kind in WITHOUT_REJECT:
            words.fail(f"a request for {kind} cannot be rejected", f"DTC has no message for it: write no-answer {kind}")
    return steps.Reject(kinds=kinds, text=words.rest("text", size_max=REASON_SIZE_MAX) if words else "request rejected")


def _cut_batch(words: Words, _vocabulary: Vocabulary) -> Step:
    kind = words.choice("kind of request", _KINDS)
    words.expect("after")
    return steps.CutBatch(kind=kind, messages=words.count("number of messages"), stays=words.follows("stay"))


def _refuse_logon(words: Words, _vocabulary: Vocabulary) -> Step:
    forbids = words.follows("no-reconnect")
    return steps.RefuseLogon(forbids_reconnect=forbids, text=words.rest("text", size_max=REASON_SIZE_MAX))


def _logoff(words: Words, _vocabulary: Vocabulary) -> Step:
    forbids = words.follows("no-reconnect")
    return steps.Logoff(forbids_reconnect=forbids, reason=words.rest("reason", size_max=REASON_SIZE_MAX))


_AWAY = ("fill", "burst", "correct", "order", "replace", "cancel", "position")
_STATEMENTS: dict[str, Callable[[Words, Vocabulary], Step]] = {
    "held": _held,
    "history": _fill,
    "history-burst": _burst,
    "fill": _fill,
    "burst": _burst,
    "correct": _correct,
    "order": _order,
    "replace": _replace,
    "cancel": lambda words, vocabulary: steps.Cancel(order_id=_known_order(words, vocabulary)),
    "refuse-order": lambda words, vocabulary: steps.RefuseOrder(
        order_id=_known_order(words, vocabulary), text=words.rest("text", size_max=REASON_SIZE_MAX)
    ),
    "position": _restate,
    "restate": lambda words, _: steps.RestateAll(),
    "repeat": lambda words, _: steps.Repeat(is_all=words.choice("extent", {"last": False, "all": True})),
    "tick": _tick,
    "quote": _quote,
    "say": lambda words, _: steps.Say(text=words.rest("text", size_max=255)),
    "send": _send,
    "away": _away,
    "wait": lambda words, _: steps.Wait(seconds=words.seconds("duration")),
    "await": lambda words, _: steps.Await(),
    "stop": lambda words, _: steps.Stop(reason=words.rest("reason", size_max=REASON_SIZE_MAX) if words else "finished"),
    "drop": _drop,
    "cut": lambda words, _: steps.Cut(octets=words.count("number of bytes")),
    "cut-batch": _cut_batch,
    "silent": lambda words, _: steps.Silent(),
    "reject": _reject,
    "no-answer": lambda words, _: steps.NoAnswer(kinds=_kinds(words)),
    "answer": lambda words, _: steps.Answer(kinds=_kinds(words)),
    "refuse-logon": _refuse_logon,
    "reconnect-to": lambda words, _: steps.ReconnectTo(address=words.word("address")),
    "admit": lambda words, _: steps.Admit(),
    "logoff": _logoff,
    "garbage": lambda words, _: steps.Garbage(octets=words.octets("bytes in hexadecimal")),
}
