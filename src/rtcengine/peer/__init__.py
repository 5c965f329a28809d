"""Sessions by offer and answer: the W3C's RTCPeerConnection, in aiortc's spelling.

`jsep.py` negotiates without I/O and says by effects (`effects.py`) what should exist; `engine_driver.py` brings it about on
the engine; `connection.py` is the object that programs hold. All public names are rtcengine's.
"""

from __future__ import annotations
