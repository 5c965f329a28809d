"""How often one address may ask for something that costs: a bucket of tokens for each."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

BURST_SECONDS = 5.0
MOST_ADDRESSES = 10_000


class RateLimit:
    """`per_second` requests of one address, five seconds' worth of them at once. An IPv6 host has a whole /64, so that counts
    as one; loopback does not count, it is this machine or a proxy on it. 0 sets no limit."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens and when, longest unseen first

    def allows(self, remote: str) -> bool:
        """Takes a token of this address's bucket; False when it is empty."""
        who = _who(remote)
        if not self._per_second or not who:
            return True
        now, full = self._clock(), self._per_second * BURST_SECONDS
        tokens, seen = self._buckets.pop(who, (full, now))
        tokens = min(full, tokens + (now - seen) * self._per_second)
        allowed = tokens >= 1
        self._buckets[who] = (tokens - allowed, now)
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return allowed


def _who(remote: str) -> str:
    """The address that counts, "" for one that does not."""
    try:
        ip = ipaddress.ip_address(remote.partition("%")[0])
    except ValueError:  # a Unix socket, a test client
        return ""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return "" if ip.is_loopback else str(ipaddress.ip_network((ip, 64), strict=False))
        ip = ip.ipv4_mapped
    return "" if ip.is_loopback else str(ip)
