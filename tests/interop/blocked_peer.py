"""One side of a call by an RTCPeerConnection of ours that blocks its Python when told so: lines and events as pipe_peer.py
tells them, with

    {"do": "block", "how": "sleep"|"gil", "seconds": N}   event blocked {seconds} when it is over
    {"do": "count"}   event counted {checks, received, sent, lost}: consent checks answered to us, packets that came and went,
                      and what of those that went the far end has reported lost
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import time
from typing import Any

from tests.interop.nat_peer import OurPeer
from tests.interop.pipe_peer import run_peer


class BlockedPeer(OurPeer):
    async def do_block(self, how: str, seconds: int) -> None:
        begin = time.monotonic()
        if how == "gil":
            ctypes.PyDLL(None).sleep(seconds)  # PyDLL, unlike CDLL, keeps the GIL: no thread of Python runs
        else:
            time.sleep(seconds)  # noqa: ASYNC251  # nothing else of this event loop runs
        self.report("blocked", seconds=time.monotonic() - begin)

    async def do_count(self) -> None:
        found: dict[str, Any] = {}
        while not {"inbound-rtp", "outbound-rtp", "remote-inbound-rtp"} <= set(found):
            found = {entry["type"]: entry for entry in (await self.pc.getStats()).values()}
            await asyncio.sleep(0.05)
        (link,) = self.pc.driver.links.values()
        pair = (await self.pc.driver.engine.ice_stats(link.transport)).selected
        assert pair is not None
        self.report(
            "counted",
            checks=pair.responses_received,
            received=found["inbound-rtp"]["packetsReceived"],
            sent=found["outbound-rtp"]["packetsSent"],
            lost=found["remote-inbound-rtp"]["packetsLost"],
        )


if __name__ == "__main__":
    options = argparse.Namespace(stun=None, turn=None, relay_only=False, trickle=False, deaf=False, announce=None)
    run_peer(lambda: BlockedPeer(options))
