"""Sound that is like speech, with pauses that are known, and noise; made from seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

RATE = 48000
BLOCK = RATE // 100
FORMANTS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
Signal = npt.NDArray[np.float64]


def speech(seconds: float, seed: int, pitch: float = 120.0) -> tuple[Signal, npt.NDArray[np.bool_]]:
    """Phrases of syllables, vowels of three formants with a consonant now and then, pauses between them; and where it speaks.
    There its mean square is 1. The first half second is silent."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    found, speaks, at = np.zeros(count), np.zeros(count, bool), RATE // 2
    while at < count:
        for _ in range(rng.integers(4, 9)):
            sound = _vowel(rng, pitch)
            if rng.random() < 0.5:
                length = int(rng.uniform(0.05, 0.1) * RATE)
                hiss = np.diff(rng.standard_normal(length), prepend=0) * np.sin(np.pi * np.arange(length) / length)
                sound = np.concatenate((sound, 0.006 * hiss))
            sound = sound[: count - at]
            found[at : at + len(sound)] += sound
            speaks[at : at + len(sound)] = True
            at += len(sound)
        at += int(rng.uniform(0.4, 1.1) * RATE)
    return found / rms(found[speaks]), speaks


def _vowel(rng: np.random.Generator, pitch: float) -> Signal:
    length = int(rng.uniform(0.12, 0.28) * RATE)
    time = np.arange(length) / RATE
    phase = np.cumsum(pitch * rng.uniform(0.85, 1.2) * (1 + 0.03 * np.sin(10 * np.pi * time) - 0.15 * time)) / RATE
    source = (np.diff(np.floor(phase), prepend=0) > 0) + 0.006 * rng.standard_normal(length)
    formants = zip(FORMANTS[rng.integers(len(FORMANTS))], (60, 90, 140), (1, 0.5, 0.25), strict=True)
    sound = sum(gain * _resonate(source, hertz, width) for hertz, width, gain in formants)
    return np.asarray(sound * np.clip(np.minimum(time / 0.025, (time[-1] - time) / 0.04), 0, 1) * rng.uniform(0.6, 1))


def _resonate(sound: Signal, hertz: float, width: float) -> Signal:
    n = np.arange(int(0.06 * RATE))
    answer = np.exp(-np.pi * width * n / RATE) * np.sin(2 * np.pi * hertz * (n + 1) / RATE)
    answer /= np.abs(np.fft.rfft(answer, 8192)).max()
    return convolve(sound, answer)


def convolve(sound: Signal, answer: Signal) -> Signal:
    """As long as the sound."""
    size = 1 << (len(sound) + len(answer)).bit_length()
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(answer, size), size)[: len(sound)]


def noise(kind: str, count: int, seed: int = 2) -> Signal:
    """White, pink, or hum of 50 Hz with its harmonics; of mean square 1."""
    rng = np.random.default_rng(seed)
    found = rng.standard_normal(count)
    if kind == "pink":
        size = 1 << count.bit_length()
        rows = np.maximum(np.arange(size // 2 + 1), 20 * size // RATE)  # flat below 20 Hz
        found = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) / np.sqrt(rows), size)[:count]
    elif kind == "hum":
        time = np.arange(count) / RATE
        found = 0.05 * found + sum(np.sin(100 * np.pi * k * time + k) / k for k in range(1, 12))
    elif kind != "white":
        raise ValueError(kind)
    return np.asarray(found / rms(found))


def rms(sound: Any) -> float:
    return math.sqrt(float(np.mean(np.square(np.asarray(sound, np.float64)))))


def db(sound: Any) -> float:
    """Its mean square."""
    return 20 * math.log10(max(rms(sound), 1e-9))


def gain(level: float) -> float:
    """Of so many dB."""
    return float(10 ** (level / 20))


def blocks(sound: Signal) -> list[npt.NDArray[np.float32]]:
    """One channel, 10 ms each."""
    return [sound[np.newaxis, at : at + BLOCK].astype(np.float32) for at in range(0, len(sound) - BLOCK + 1, BLOCK)]


def through(stage: Callable[[npt.NDArray[np.float32]], Any], sound: Signal) -> Signal:
    """What comes out of a stage."""
    return np.concatenate([stage(block)[0] for block in blocks(sound)]).astype(np.float64)


def inside(where: npt.NDArray[np.bool_], margin: int) -> npt.NDArray[np.bool_]:
    """Where it is true, and so many samples on either side."""
    count = np.concatenate(([0], np.cumsum(where)))
    at = np.arange(len(where))
    low, high = np.maximum(at - margin, 0), np.minimum(at + margin + 1, len(where))
    return np.asarray(count[high] - count[low] == high - low)
