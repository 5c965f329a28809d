"""Who encodes and decodes which codec. Those of this package are registered here like anybody's."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from .._core import aom_version
from ..config import CODECS

if TYPE_CHECKING:
    from .decode import Decoder
    from .encode import Encoder

MakeEncoder = Callable[[Mapping[str, Any]], "Encoder"]
MakeDecoder = Callable[[int], "Decoder"]

# By name in lower case; who came last is asked.
_encoders: dict[str, list[MakeEncoder]] = {}
_decoders: dict[str, list[MakeDecoder]] = {}


def register(codec: str, *, encoder: MakeEncoder | None = None, decoder: MakeDecoder | None = None) -> Callable[[], None]:
    """From now on new streams of a codec, named as in SDP, are encoded and decoded by these: what is called gives takes back.

    `encoder(fmtp)` makes an encoder for a peer's format parameters: a subclass of `rtcengine.codecs.encode.VideoEncoder` or
    `rtcengine.codecs.sound.SoundEncoder`, or whatever has the two methods of `Encoder`. `decoder(channels)` makes a
    `rtcengine.codecs.decode.Decoder`; the channels are those wanted of sound. Each belongs to one stream, and is used by one
    thread at a time. What it raises is logged, and the stream goes on with the next frame, or key frame.

    ValueError for a codec whose payload format is not known, an encoder of one that is only received, and for nothing to
    register.
    """
    name = codec.lower() if isinstance(codec, str) else codec
    if name not in _KNOWN:
        raise ValueError(f"codec {codec!r} has no payload format here: {', '.join(CODECS)} have")
    if encoder is None and decoder is None:
        raise ValueError(f"nothing to register for {codec}: an encoder or a decoder")
    if encoder is not None and name in _ONLY_IN:
        raise ValueError(f"{codec} is not sent, only received: there is no use for an encoder")
    for what, made_by in (("encoder", encoder), ("decoder", decoder)):
        if made_by is not None and not callable(made_by):
            raise ValueError(f"the {what} for {codec} is called to make one, and {made_by!r} cannot be called")
    undone: list[Callable[[], None]] = []
    if encoder is not None:
        undone.append(_put(_encoders.setdefault(name, []), encoder))
    if decoder is not None:
        undone.append(_put(_decoders.setdefault(name, []), decoder))

    def take_back() -> None:
        while undone:
            undone.pop()()

    return take_back


def encodes(codec: str) -> bool:
    """Whether frames can go out in this codec."""
    return bool(_encoders_of(codec.lower()))


def new_encoder(codec: str, fmtp: Mapping[str, Any] | None = None) -> Encoder:
    """ValueError for a codec that nobody encodes."""
    encoder: Encoder = _newest(_encoders_of, codec, "encoded")(fmtp if fmtp is not None else {})
    return encoder


def new_decoder(codec: str, channels: int) -> Decoder:
    """ValueError for a codec that nobody decodes."""
    decoder: Decoder = _newest(_decoders_of, codec, "decoded")(channels)
    return decoder


_KNOWN = {codec.lower() for codec in CODECS}
_ONLY_IN = {"h265"}  # frames are not divided into packets


def _put(makers: list[Any], maker: Any) -> Callable[[], None]:
    entry = partial(maker)  # another object each time: the same maker may be registered twice
    makers.append(entry)

    def take_back() -> None:
        del makers[next(i for i, one in enumerate(makers) if one is entry)]

    return take_back


@cache
def _libaom() -> bool:
    return bool(aom_version())


def _encoders_of(name: str) -> list[MakeEncoder]:
    """Ours for AV1 is there where libaom is, which is found out when AV1 is asked for."""
    return [one for one in _encoders.get(name, []) if one is not _own_av1 or _libaom()]


def _decoders_of(name: str) -> list[MakeDecoder]:
    return _decoders.get(name, [])


def _newest(makers: Callable[[str], list[Any]], codec: str, done: str) -> Any:
    found = makers(codec.lower())
    if not found:
        names = ", ".join(name for name in CODECS if makers(name.lower()))
        raise ValueError(f"codec {codec!r}: {names} can be {done}")
    return found[-1]


def _in(module: str, name: str, *arguments: Any) -> Callable[[Any], Any]:
    """A class of this package, loaded with its first use."""

    def make(told: Any) -> Any:
        return getattr(importlib.import_module(f".{module}", __package__), name)(*arguments, told)

    return make


register("opus", encoder=_in("sound", "OpusStream"), decoder=_in("decode", "OpusDecoder"))
for _name in ("PCMU", "PCMA", "G722"):
    register(_name, encoder=_in("sound", "TelephoneStream", _name), decoder=_in("decode", "TelephoneDecoder", _name))
for _name, _module, _class in (
    ("VP8", "vpx", "Vp8Encoder"),
    ("VP9", "vpx", "Vp9Encoder"),
    ("H264", "h264", "H264Encoder"),
    ("AV1", "av1", "Av1Encoder"),
):
    register(_name, encoder=_in(_module, _class), decoder=_in("decode", "VideoDecoder", _name))
_own_av1 = _encoders["av1"][0]
register("H265", decoder=_in("decode", "VideoDecoder", "H265"))
