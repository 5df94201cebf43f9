"""Whether a client's messages are compressed: negotiating the extension permessage-deflate (RFC 7692)."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ANSWER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# A token with its value, a token or a quoted text, and what stands behind them (RFC 6455, section 9.1).
_PART = re.compile(rf'[ \t]*({_TOKEN})[ \t]*(?:=[ \t]*({_TOKEN}|"(?:[^"\\]|\\.)*")[ \t]*)?([;,]|$)')

_WINDOW = re.compile("[89]|1[0-5]")  # bits
# The values of the parameters that a client may offer and we accept; None is that of one without. A client that can
# read no more than a smaller window (server_max_window_bits) is served without compression.
_ALLOWED = {
    "server_no_context_takeover": lambda value: value is None,
    "client_no_context_takeover": lambda value: value is None,
    "client_max_window_bits": lambda value: value is None or _WINDOW.fullmatch(value) is not None,
}


def accept_deflate(offers: str) -> str | None:
    """What is to be answered to a client's Sec-WebSocket-Extensions: permessage-deflate, or None for nothing.

    Each message is compressed by itself, in both directions, so that one frame serves every client and none needs
    memory between messages (sections 7.1.1.1 and 7.1.1.2). An offer with any parameter that is none is declined, as
    section 7.1 has it.
    """
    for (name, value), *parameters in _parse(offers):
        names = {name for name, _ in parameters}
        if (
            (name, value) == ("permessage-deflate", None)
            and len(names) == len(parameters)
            and all(name in _ALLOWED and _ALLOWED[name](value) for name, value in parameters)
        ):
            return _ANSWER
    return None


def _parse(offers: str) -> Iterator[list[tuple[str, str | None]]]:
    """Each extension that is offered: its name, and then its parameters, with their values. Ends where it is broken."""
    offer: list[tuple[str, str | None]] = []
    position, behind = 0, ","
    while behind:
        part = _PART.match(offers, position)
        if part is None:
            return
        name, value, behind = part.groups()
        if value is not None and value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        offer.append((name.lower(), value))
        if behind != ";":
            yield offer
            offer = []
        position = part.end()
