"""Slowing down who guesses at the token."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict

from ..ratelimit import TokenBucket

FREE = 9  # wrong tokens that an address may show in a minute before it has to wait
DELAY = 1.0  # seconds that each further one takes

_ADDRESSES = 1000  # that are remembered; the one that has guessed least recently is forgotten first


class Guesses:
    """Which addresses have shown wrong tokens of late. Any thread."""

    def __init__(self) -> None:
        # Guards _buckets.
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def are_too_many(self, address: str) -> bool:
        """Count a wrong token that a client has shown; whether its address, an IP address, has to wait by now."""
        network = _network(address)
        with self._lock:
            bucket = self._buckets.pop(network, None) or TokenBucket(FREE, 60.0)
            self._buckets[network] = bucket
            if len(self._buckets) > _ADDRESSES:
                self._buckets.popitem(last=False)
        return not bucket.take()


def _network(address: str) -> str:
    """What counts as one address: all that a network gives to one of its customers."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
