"""Which of the codecs agreed is sent, and what the engine is told of them."""

from __future__ import annotations

import pytest

from rtcengine.peer.effects import CodecUse, MediaPlan
from rtcengine.peer.streams import recv_config, sendable


def use(number: int, name: str, fmtp: str | None = None) -> CodecUse:
    return CodecUse(number, name, 90000, None, fmtp, ("nack", "nack pli"), number + 1)


def plan(*codecs: CodecUse, offered: tuple[CodecUse, ...] = ()) -> MediaPlan:
    return MediaPlan("0", "video", 1, codecs, (), False, offered=offered)


@pytest.mark.parametrize(
    ("codecs", "number"),
    [
        ([use(96, "VP8"), use(98, "H264", "packetization-mode=1")], 96),
        ([use(45, "AV1"), use(96, "VP8")], 45),
        ([use(100, "H264", "packetization-mode=0"), use(102, "H264", "packetization-mode=1")], 102),
        ([use(100, "H264"), use(96, "VP8")], 96),
        ([use(35, "H261"), use(100, "H264", "packetization-mode=0")], 100),
        ([use(35, "H261")], None),
        ([use(100, "H264"), use(45, "AV1"), use(35, "H261")], 45),
    ],
)
def test_what_is_sent(codecs: list[CodecUse], number: int | None) -> None:
    found = sendable(plan(*codecs))
    assert (found.payload_type if found is not None else None) == number


def test_what_may_come() -> None:
    config = recv_config(plan(use(98, "H264"), use(96, "VP8"), use(35, "H261"), offered=(use(45, "AV1"),)))
    assert config is not None and (config.codec, config.pt, config.rtx_pt, config.nack, config.pli) == (
        "H264",
        98,
        99,
        True,
        True,
    )
    assert [(other.codec, other.pt, other.rtx_pt) for other in config.others] == [("VP8", 96, 97), ("AV1", 45, 46)]
    assert recv_config(plan(use(35, "H261"))) is None
