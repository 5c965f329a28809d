"""Sessions by offer and answer: the W3C's RTCPeerConnection, in aiortc's spelling.

The negotiation is here whole, and connects nothing by itself: `connection.RTCPeerConnection` needs a driver
(`driver.Driver`) that carries out its effects on the engine, and none is part of the package yet. So it is not among the
public names of rtcengine.
"""

from __future__ import annotations
