"""Take a secret of ours out of what the peer says: some servers quote the password in their refusal.

Done where messages come in, so that no log, no line on the screen, no exception and no row can have it.
"""

from __future__ import annotations

from typing import Final

from dtcpos.dtc.message import Message

HIDDEN: Final = "***"
# A shorter secret is everywhere by chance, and hiding it would say where.
SECRET_SIZE_MIN: Final = 3

# Messages that say something in words which reach a person or the ledger. Executions, orders and positions are not
# among them: of their free texts nothing is kept.
WORDED: Final = frozenset({2, 5, 103, 121, 151, 302, 307, 308, 310, 509, 602, 604, 608, 700, 701, 702, 705})


def without(message: Message, secret: str) -> Message:
    """Return the message with the secret blotted out of its texts."""
    return message.with_texts(lambda _, text: text.replace(secret, HIDDEN))
