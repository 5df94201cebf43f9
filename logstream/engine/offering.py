"""What a message is offered with: to many clients in one call, made from an offer to one where there is no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Hashable, Sequence

from ..protocol import Message

logger = logging.getLogger(__name__)

Offer = Callable[[Hashable, Message], bool]
OfferToAll = Callable[[Sequence[Hashable], Message], Collection[Hashable]]


def one_by_one(offer: Offer) -> OfferToAll:
    """The offer to all where there is one to each; one that raises counts as refused."""

    def offer_to_all(clients: Sequence[Hashable], message: Message) -> list[Hashable]:
        refusing = []
        for ws in clients:
            try:
                taken = offer(ws, message)
            except Exception:
                logger.exception("offering a message failed")
                taken = False
            if not taken:
                refusing.append(ws)
        return refusing

    return offer_to_all


def refuse_all(clients: Sequence[Hashable], message: Message) -> Sequence[Hashable]:
    """The offer of a manager that has only `send`: nobody takes anything without blocking."""
    return clients
