"""Encoders whose bitrate, frame rate and size change while they run: what comes out follows within a second of the frames'
own time, without a key frame."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor

from rtcengine._core import AomEncoder, CoreEncoder, VpxEncoder
from rtcengine.codecs import vpx
from rtcengine.codecs.encode import Encoded, VideoEncoder, make_encoder
from rtcengine.codecs.framerate import FrameRate
from rtcengine.media.pattern import Pattern, read_number
from rtcengine.payload import Vp8Descriptor, split

WIDTH, HEIGHT, CLOCK = 640, 360, 90_000
VIDEO = ["VP8", "VP9", "H264", "AV1"]
DECODERS = {"VP8": "vp8", "VP9": "vp9", "H264": "h264", "AV1": "libdav1d"}


def demanding(count: int = 128) -> list[np.ndarray]:
    """I420 pictures of blocks and slopes that move under noise: none is cheap."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0 : HEIGHT + 2 * count, 0 : WIDTH + 3 * count].astype(np.uint32)
    blocks = ((x >> 4) * 2654435761 ^ (y >> 4) * 40503) >> 7 & 31
    texture = (60 + blocks + (x + y) % 512 // 8).astype(np.uint8)
    grey = np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
    return [
        np.concatenate(
            [texture[2 * n :, 3 * n :][:HEIGHT, :WIDTH] + rng.integers(0, 25, (HEIGHT, WIDTH), dtype=np.uint8), grey]
        )
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return demanding()


def new_decoder(codec: str) -> Any:
    """That gives a picture with the frame that holds it."""
    context: Any = av.CodecContext.create(DECODERS[codec], "r")
    if codec == "AV1":
        context.options = {"max_frame_delay": "1"}
    return context


class Run:
    """An encoder with its frames' time."""

    def __init__(self, codec: str, pictures: list[np.ndarray]) -> None:
        encoder = make_encoder(codec)
        assert isinstance(encoder, VideoEncoder)
        self.encoder, self.pictures = encoder, pictures
        self.time, self.count, self.keys = 0, 0, 0

    def second(self, fps: int = 30) -> float:
        """Kilobits of a second's frames."""
        size = 0
        for _ in range(fps):
            there_and_back = self.count % (2 * len(self.pictures) - 2)
            at = min(there_and_back, 2 * len(self.pictures) - 2 - there_and_back)
            frame = av.VideoFrame.from_ndarray(self.pictures[at], format="yuv420p")
            frame.pts, frame.time_base = self.time, Fraction(1, CLOCK)
            for data, _, key, _ in self.encoder.encode(frame):
                size += len(data)
                self.keys += key
            self.count += 1
            self.time += CLOCK // fps
        return size * 8 / 1000


@pytest.mark.slow
@pytest.mark.parametrize("codec", VIDEO)
def test_bitrate_steps(codec: str, pictures: list[np.ndarray], record_property: Any) -> None:
    """2 Mbit/s, 300 kbit/s, 1 Mbit/s: in the second second after each step what goes out is the new rate."""
    run = Run(codec, pictures)
    for kbps in (2000, 300, 1000):
        run.encoder.set_bitrate(kbps * 1000)
        seconds = [run.second() for _ in range(3)]
        record_property(f"{kbps} kbit/s", [round(s) for s in seconds])
        assert all(0.75 * kbps < second < 1.2 * kbps for second in seconds[1:]), (kbps, seconds)
    assert run.keys == 1


@pytest.mark.slow
@pytest.mark.parametrize("codec", VIDEO)
def test_frame_rate_steps(codec: str, pictures: list[np.ndarray], record_property: Any) -> None:
    """With a third of the frames the bitrate is what it was, told from the frames' times alone."""
    run = Run(codec, pictures)
    run.encoder.set_bitrate(800_000)
    for fps in (30, 10, 30, 5):
        seconds = [run.second(fps) for _ in range(4)]
        record_property(f"{fps} frames a second", [round(s) for s in seconds])
        assert all(600 < second < 1000 for second in seconds[1:]), (fps, seconds)
    assert run.keys == 1


@pytest.mark.parametrize("codec", VIDEO)
def test_size_steps(codec: str) -> None:
    """VP9 goes to smaller pictures and back without a key frame, by way of those between where a step is too large. The
    others have one for each step; 5 s lie between the steps, for which they would wait."""
    encoder: Any = make_encoder(codec)
    decoder = new_decoder(codec)
    pattern, keys, sizes = Pattern(640, 480), [], []
    for n in range(70):
        encoder.scale_down_by = (1.0, 2.0, 1.0, 4.0, 1.5, 8.0, 1.0)[n // 10]
        frame = pattern.video_frame(n, 3000 * n + 5 * CLOCK * (n // 10))
        for data, _, key, _ in encoder.encode(frame):
            keys += [n] if key else []
            (shown,) = decoder.decode(av.Packet(data))
            assert shown.width < 160 or read_number(shown.to_ndarray(format="gray")) == n
            if n % 10 == 9:
                assert (shown.width, shown.height) == encoder.size(frame)
                # As good as if it had begun in this size.
                wanted = frame.reformat(width=shown.width, height=shown.height).to_ndarray()[: shown.height].astype(float)
                assert ((shown.to_ndarray()[: shown.height] - wanted) ** 2).mean() < 150
        if n % 10 < 4:
            sizes.append(encoder._coder.size)
    assert keys == ([0] if codec == "VP9" else [0, 10, 20, 30, 40, 50, 60])
    if codec == "VP9":
        assert sizes[12:15] == [(320, 240), (160, 120), (160, 120)]
        assert sizes[20:23] == [(214, 160), (108, 80), (80, 60)]


class Stepping:
    """An encoder that is asked for sizes by its frames' time, ten frames a second; what comes out is decoded."""

    def __init__(self, codec: str, width: int = 640, height: int = 480) -> None:
        self.encoder: Any = make_encoder(codec)
        self.decoder = av.CodecContext.create(DECODERS[codec], "r")
        self.source, self.n = (width, height), 0
        self.keys: list[float] = []
        self.sizes: list[tuple[int, int]] = []

    def run(self, seconds: float, scale: float = 1.0, *, key: bool = False) -> None:
        """The first frame as a key frame where that is asked for."""
        self.encoder.scale_down_by = scale
        for i in range(round(10 * seconds)):
            frame = Pattern(*self.source).video_frame(self.n, 9000 * self.n)
            for data, _, is_key, _ in self.encoder.encode(frame, key and i == 0):
                self.keys += [self.n / 10] if is_key else []
                (shown,) = self.decoder.decode(av.Packet(data))
                assert self.encoder.coded_size == (shown.width, shown.height)
                # The pattern's number needs a picture as wide as it is high.
                assert shown.width < shown.height or read_number(shown.to_ndarray(format="gray")) == self.n
                if not self.sizes or self.sizes[-1] != (shown.width, shown.height):
                    self.sizes.append((shown.width, shown.height))
            self.n += 1


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_size_steps_wait(codec: str) -> None:
    """A step costs exactly one key frame, at most one in 5 s of the frames' time, and the newest wish is what is met."""
    run = Stepping(codec)
    run.run(1)
    run.run(1, 2.0)  # the first at once
    run.run(1, 4.0)
    run.run(1, 1.0)
    run.run(1, 1.5)  # the newest
    run.run(3, 1.5)
    assert run.keys == [0, 1, 6] and run.sizes == [(640, 480), (320, 240), (426, 320)]
    run.run(1, 2.0)
    run.run(4, 1.5)  # taken back: no key frame
    run.run(1, 1.5)
    assert run.keys == [0, 1, 6]
    run.run(1, 1.0)
    assert run.keys == [0, 1, 6, 14]
    run.run(1, 2.0)
    run.run(1, 2.0, key=True)  # one that is asked for takes the size along
    assert run.keys == [0, 1, 6, 14, 16] and run.sizes[-1] == (320, 240)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_sources_that_change_size(codec: str) -> None:
    """One of the same shape is scaled until a key frame may come; one that has turned goes on as it is."""
    run = Stepping(codec)
    run.run(1)
    run.run(1, 2.0)
    run.source = 320, 240
    run.run(1)
    assert run.keys == [0, 1] and run.sizes == [(640, 480), (320, 240)]
    run.source = 480, 360
    run.run(5)
    assert run.keys == [0, 1, 6] and run.sizes[2:] == [(480, 360)]
    run.source = 360, 480
    run.run(1)
    assert run.keys == [0, 1, 6, 8] and run.sizes[3:] == [(360, 480)]
    run.run(4, 2.0)
    assert run.keys == [0, 1, 6, 8]
    run.run(1, 2.0)
    assert run.keys == [0, 1, 6, 8, 13] and run.sizes[4:] == [(180, 240)]


def test_a_time_that_goes_back_holds_nothing() -> None:
    run = Stepping("VP8")
    run.run(1)
    run.run(1, 2.0)
    run.n = 0
    run.run(1, 1.0)
    assert run.keys == [0, 1, 0]


def test_larger_than_ever_begins_anew() -> None:
    encoder: Any = make_encoder("VP9")
    encoder.scale_down_by = 2.0
    keys = []
    for n in range(9):
        if n == 3:
            encoder.scale_down_by = 1.0
        if n == 6:
            encoder.scale_down_by = 2.0
        keys += [n for e in encoder.encode(Pattern(640, 480).video_frame(n, 3000 * n)) if e.key]
    assert keys == [0, 3]


def lower(frames: list[Encoded], top: int) -> list[Encoded]:
    return [f for f in frames if f.layer is not None and f.layer.id <= top]


@pytest.mark.parametrize("codec", ["VP8", "VP9", "AV1"])
@pytest.mark.parametrize("layers", [2, 3])
def test_temporal_layers(codec: str, layers: int) -> None:
    """Without the upper layers a half or a quarter of the pictures is left, and a decoder minds nothing."""
    encoder: Any = make_encoder(codec)
    encoder.temporal_layers = layers
    encoder.set_bitrate(400_000)
    pattern, frames = Pattern(), []
    for n in range(64):
        frames += encoder.encode(pattern.video_frame(n, 3000 * n), n == 21)
    assert [n for n, f in enumerate(frames) if f.key] == [0, 21]
    order = {2: [0, 1], 3: [0, 2, 1, 2]}[layers]
    assert [f.layer.id for f in frames] == (order * 16)[:21] + (order * 32)[:43]
    for top in range(layers):
        kept = lower(frames, top)
        decoder = new_decoder(codec)
        shown = [picture for f in kept for picture in decoder.decode(av.Packet(f.data))]
        assert [read_number(p.to_ndarray(format="gray")) for p in shown] == [f.timestamp // 3000 for f in kept]
        assert abs(len(kept) * 2 ** (layers - 1 - top) - 64) <= 4
    for n, f in enumerate(frames):  # what each says that it needs is there, and of its own layer or a lower one
        assert f.layer is not None and bool(f.layer.references) != f.key
        assert f.layer.droppable == (f.layer.id == layers - 1)
        for back in f.layer.references:
            needed = frames[n - back].layer
            assert needed is not None and needed.id <= f.layer.id and not needed.droppable


def test_layers_in_descriptors() -> None:
    """What VP8 frames say, read by aiortc and by us; of VP9 the bytes (RFC 9628 §4.2)."""
    pattern, tl0 = Pattern(320, 240), -1
    encoder: Any = make_encoder("VP8")
    encoder.temporal_layers = 3
    for n in range(9):
        (frame,) = encoder.encode(pattern.video_frame(n, 3000 * n))
        tl0 += frame.layer.id == 0
        for at, payload in enumerate(split("VP8", frame.data, 500, n, frame.layer, tl0)):
            theirs, rest = VpxPayloadDescriptor.parse(payload)
            ours = Vp8Descriptor.parse(payload)
            assert (theirs.picture_id, theirs.tl0picidx, theirs.tid) == (n, tl0, (frame.layer.id, int(frame.layer.sync)))
            assert (ours.temporal_id, ours.layer_sync, ours.tl0_picture_index) == (frame.layer.id, frame.layer.sync, tl0)
            assert ours.non_reference == frame.layer.droppable and ours.start == (at == 0)
            assert payload.endswith(rest) and len(rest) == len(payload) - 6
    encoder = make_encoder("VP9")
    encoder.temporal_layers = 3
    heads = []
    for n in range(6):
        (frame,) = encoder.encode(pattern.video_frame(n, 3000 * n))
        (payload,) = split("VP9", frame.data, 60_000, 0x1200 + n, frame.layer)
        heads.append(payload[: -len(frame.data)].hex(" "))
    assert heads == ["bc 92 00 10", "fc 92 01 50 02", "fc 92 02 30 04", "fc 92 03 50 03 06", "fc 92 04 10 08", "fc 92 05 50 02"]


@pytest.mark.parametrize("codec", ["VP8", "VP9", "AV1"])
def test_screen_content(codec: str) -> None:
    """Text that scrolls by a row at a time: said to be a screen's it is nearer to what it was. Saying it costs AV1 alone a key
    frame."""
    letters = np.random.default_rng(3).random((90, 160)) < 0.25
    text = np.kron(letters.astype(np.uint8) * 200, np.ones((4, 4), np.uint8)) + 20
    grey = np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
    errors = {}
    for screen in (False, True):
        encoder: Any = make_encoder(codec)
        encoder.set_bitrate(150_000)
        decoder, found = new_decoder(codec), []
        for n in range(90):
            encoder.screen = screen and n > 0
            luma = np.roll(text, -4 * (n // 15), 0)
            frame = av.VideoFrame.from_ndarray(np.concatenate([luma, grey]), format="yuv420p")
            frame.pts, frame.time_base = 3000 * n, Fraction(1, CLOCK)
            for data, _, key, _ in encoder.encode(frame):
                assert key == (n == 0 or (n == 1 and screen and codec == "AV1"))
                (shown,) = decoder.decode(av.Packet(data))
                found.append(float(((shown.to_ndarray()[:HEIGHT].astype(float) - luma) ** 2).mean()))
        errors[screen] = np.mean(found[15:])
    assert errors[True] < 0.85 * errors[False], errors


@pytest.mark.parametrize(("library", "codec"), [(VpxEncoder, "vp8"), (AomEncoder, "av1")])
def test_planes_are_checked(library: type[CoreEncoder], codec: str) -> None:
    core = library(codec, 64, 48, 100_000, 30)
    luma, chroma = bytes(64 * 48), bytes(32 * 24)
    assert core.encode((luma, chroma, chroma), (64, 32, 32), 5, False) is not None
    for planes, strides in (
        ((luma[1:], chroma, chroma), (64, 32, 32)),
        ((luma, chroma, chroma[:-1]), (64, 32, 32)),
        ((luma, chroma, chroma), (63, 32, 32)),
        ((luma, chroma, chroma), (64, 32, -32)),
        ((luma, chroma), (64, 32)),
    ):
        with pytest.raises(ValueError, match="plane"):
            core.encode(planes, strides, 6, False)
    with pytest.raises(TypeError):
        core.encode((luma, chroma, "text"), (64, 32, 32), 6, False)
    found = core.encode((luma, chroma, chroma), (64, 32, 32), 7, False)
    assert found is not None and found[1:3] == (7, False)
    with pytest.raises(ValueError, match="0 bit/s"):
        core.set_rate(0, 30)
    with pytest.raises(ValueError, match="0 x 48"):
        core.set_size(0, 48)
    for wrong in ({"layers": 4}, {"min_q": 60, "max_q": 50}, {"threads": 0}, {"cpu_used": 99}):
        with pytest.raises(ValueError):
            library(codec, 64, 48, 100_000, 30, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"'h264': {codec}"):
        library("h264", 64, 48, 100_000, 30)


@pytest.mark.parametrize("codec", ["VP8", "VP9"])
def test_without_libvpx(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyAV's is opened again for another bitrate, but not for one that differs by little."""
    monkeypatch.setattr(vpx, "own_version", str)
    encoder, keys = make_encoder(codec), []
    for n in range(30):
        if n % 10 == 0:
            encoder.set_bitrate((500_000, 460_000, 300_000)[n // 10])
        keys += [n for e in encoder.encode(Pattern(320, 240).video_frame(n, 3000 * n)) if e.key]
    assert keys == [0, 20]


@pytest.mark.parametrize(
    ("distances", "fps"),
    [
        ([3000] * 2, 30),
        ([3000] * 20 + [9000] * 2, 10),
        ([9000] * 20 + [3000] * 2, 30),
        ([3000] * 20 + [9000], 8 / (7 / 30 + 1 / 10)),
        ([2000, 4000] * 10, 30),
        ([3000] * 20 + [900_000], 8 / (7 / 30 + 1 / 4)),
        ([900_000] * 9, 4),
        ([3000, 0, -500, 3500, 3000], 3 / (9500 / CLOCK)),
    ],
)
def test_frame_rate_of_times(distances: list[int], fps: float) -> None:
    rate, time = FrameRate(25, CLOCK), 0
    assert rate.on(0) == 25
    for distance in distances:
        time += distance
        rate.on(time)
    assert rate.fps == pytest.approx(fps, rel=0.05)
