"""What sound enhancement does and costs: noise, level, voice and echo in figures, CPU beside Opus encoding.

    python bench/sound.py [--rounds 5]

Speech and noise are synthetic (tests/unit/sound_kit.py): vowels of three formants, pauses, noise 18 dB below. CPU time of the
thread for 10 ms of one channel at 48 kHz; all stages take turns within a round, the first round is thrown away. Beside the
noise suppressor stand FFmpeg's afftdn and libwebrtc's. Writes results/sound.json and sound.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import kit
import numpy as np
import pywebrtc_audio

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rtcengine.codecs.opus import OpusEncoder
from rtcengine.media.sound import EchoCanceller, GainControl, HighPass, NoiseSuppressor, VoiceDetector
from rtcengine.media.sound.blocks import to_int16
from tests.unit.sound_kit import BLOCK, RATE, blocks, db, gain, inside, noise, speech, through
from tests.unit.test_sound import cancelled, controlled, decisions, room

SECONDS = 12
NOISES = ("white", "pink", "hum")


def opus() -> Callable[[Any], Any]:
    """20 ms each second call."""
    encoder, waiting = OpusEncoder(channels=1, bitrate=48_000), []

    def stage(block: Any) -> Any:
        waiting.append(to_int16(block).T)
        if len(waiting) == 2:
            encoder.encode(np.concatenate(waiting))
            waiting.clear()
        return block

    return stage


def echo() -> Callable[[Any], Any]:
    canceller = EchoCanceller(RATE)

    def stage(block: Any) -> Any:
        canceller.play(block)
        return canceller(block)

    return stage


def webrtc() -> Callable[[Any], Any]:
    suppressor = pywebrtc_audio.NoiseSuppressor(RATE, 1, 1)
    return lambda block: suppressor.process(block[0])[np.newaxis]


def afftdn() -> Callable[[Any], Any]:
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="fltp", layout="mono", time_base=Fraction(1, RATE))
    graph.link_nodes(source, graph.add("afftdn", "nr=12:nf=-50:tn=1"), graph.add("abuffersink")).configure()

    def stage(block: Any) -> Any:
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        graph.push(frame)
        found = []
        while True:
            try:
                found.append(graph.pull().to_ndarray())
            except (av.BlockingIOError, av.EOFError):
                return np.concatenate([*found, np.zeros((1, 0), np.float32)], axis=1)

    return stage


def gained() -> Callable[[Any], Any]:
    control = GainControl(RATE)
    return lambda block: control(block, True)


STAGES: dict[str, Callable[[], Callable[[Any], Any]]] = {
    "high-pass": lambda: HighPass(RATE),
    "voice": lambda: VoiceDetector(RATE),
    "noise suppression": lambda: NoiseSuppressor(RATE),
    "gain control": gained,
    "echo cancellation (AEC3)": echo,
    "noise suppression, libwebrtc": webrtc,
    "noise suppression, afftdn": afftdn,
    "Opus encoding, 48 kbit/s": opus,
}


def suppression() -> list[tuple[str, str, float, float]]:
    """By whom, of what: how far noise in pauses goes down, and how much the level of speech changes."""
    clean, speaks = speech(SECONDS, seed=3)
    clean *= gain(-26)
    late = np.arange(len(clean)) > 2 * RATE
    pause, during = inside(~speaks, RATE // 10) & late, speaks & late
    found = []
    for name in ("noise suppression", "noise suppression, libwebrtc", "noise suppression, afftdn"):
        for kind in NOISES:
            hiss = noise(kind, len(clean)) * gain(-44)
            heard = through(STAGES[name](), clean + hiss)
            count = len(heard)
            down = db(hiss[:count][pause[:count]]) - db(heard[pause[:count]])
            found.append((name, kind, down, db(heard[during[:count]]) - db(clean[:count][during[:count]])))
    return found


def voice() -> list[tuple[str, int, float, float]]:
    """Of which noise, so far below: missed and false, in percent of blocks."""
    clean, speaks = speech(SECONDS, seed=3)
    found = []
    for kind in NOISES:
        for ratio in (20, 10, 5):
            heard = decisions(VoiceDetector(RATE), (clean + noise(kind, len(clean)) * gain(-ratio)) * gain(-30))
            shape, begun = (len(heard), BLOCK), np.arange(len(heard)) >= 50
            during = speaks[: len(heard) * BLOCK].reshape(shape).all(axis=1) & begun
            far = inside(~speaks, RATE // 5)[: len(heard) * BLOCK].reshape(shape).all(axis=1) & begun
            found.append((kind, ratio, 100 * float(1 - heard[during].mean()), 100 * float(heard[far].mean())))
    return found


def levels() -> list[tuple[int, float, float]]:
    """Of speech: what goes in, what comes out from the fourth second on, and what pauses with noise of -75 come to."""
    clean, speaks = speech(SECONDS, seed=4)
    found = []
    for level in (-50, -40, -30, -20, -10):
        heard, _ = controlled(np.clip(clean * gain(level), -1, 1) + noise("pink", len(clean)) * gain(-75))
        late = np.arange(len(heard)) > 3 * RATE
        pause = inside(~speaks, RATE // 20)[: len(heard)]
        found.append((level, db(heard[speaks[: len(heard)] & late]), db(heard[pause & late])))
    return found


def echoes() -> float:
    """How far echo goes down, after three seconds."""
    far, _ = speech(SECONDS, seed=9)
    far *= gain(-20)
    heard = room(far) + noise("white", len(far)) * gain(-80)
    return db(heard[3 * RATE :]) - db(cancelled(heard, far)[3 * RATE :])


def costs(rounds: int) -> dict[str, list[float]]:
    """Microseconds for 10 ms."""
    clean, _ = speech(2, seed=3)
    given, found = blocks((clean + noise("pink", len(clean)) * 0.1) * gain(-26)), {name: [] for name in STAGES}
    for round_ in range(rounds + 1):
        for name in list(STAGES)[:: 1 if round_ % 2 else -1]:
            stage = STAGES[name]()
            started = time.thread_time()
            for block in given:
                stage(block)
            if round_:
                found[name].append((time.thread_time() - started) / len(given) * 1e6)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    spent = costs(rounds)
    data: dict[str, Any] = {"machine": kit.machine(), "command": kit.command(), "cpu_us": spent, "suppression": suppression()}
    data |= {"voice": voice(), "levels": levels(), "echo_db": echoes()}
    base = kit.middle(spent["Opus encoding, 48 kbit/s"])[0]
    cost = [(name, kit.spread(times), f"{kit.middle(times)[0] / base:.2f}") for name, times in spent.items()]
    text = "\n\n".join(
        (
            "# Sound enhancement",
            f"`{data['command']}`. Synthetic speech, one channel at 48 kHz.",
            kit.table(("stage", "CPU, µs for 10 ms", "to Opus encoding"), cost),
            kit.table(
                ("by", "noise, 18 dB below speech", "in pauses, dB", "speech, dB"),
                [(name, kind, f"-{down:.1f}", f"{change:+.2f}") for name, kind, down, change in data["suppression"]],
            ),
            kit.table(
                ("noise", "below speech, dB", "voice missed, %", "false, %"),
                [(kind, str(ratio), f"{missed:.1f}", f"{false:.1f}") for kind, ratio, missed, false in data["voice"]],
            ),
            kit.table(
                ("speech, dBov", "comes out", "pauses"), [(str(a), f"{b:.1f}", f"{c:.1f}") for a, b, c in data["levels"]]
            ),
            f"Echo: {data['echo_db']:.1f} dB down.",
            kit.facts(data["machine"]),
        )
    )
    kit.store("sound", data, text)
    print(text)


if __name__ == "__main__":
    main()
