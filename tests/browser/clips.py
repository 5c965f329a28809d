"""Video clips that browsers play as their camera, made once and kept in build/clips."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

CACHE = Path(__file__).resolve().parents[2] / "build" / "clips"


def noisy_clip(width: int = 640, height: int = 480, fps: int = 30, seconds: float = 6.0, seed: int = 1) -> Path:
    """A 4:2:0 y4m clip that is hard to compress, so that an encoder uses every bit that it is given.

    A textured picture slides two pixels a frame under new noise in every frame; the brightness steps once a second.
    The same arguments give the same bytes.
    """
    if width % 2 or height % 2:
        raise ValueError("width and height must be even for 4:2:0")
    path = CACHE / f"noisy-{width}x{height}-{fps}fps-{seconds:g}s-seed{seed}.y4m"
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    # Blocks of 8x8 pixels of random brightness are texture that motion search can follow.
    blocks = rng.integers(60, 196, size=(-(-height // 8), -(-width // 8)), dtype=np.int16)
    texture = np.kron(blocks, np.ones((8, 8), dtype=np.int16))[:height, :width]
    chroma = rng.integers(96, 160, size=(2, height // 2, width // 2), dtype=np.uint8)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as out:
        out.write(f"YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(round(fps * seconds)):
            noise = rng.integers(-24, 25, size=(height, width), dtype=np.int16)
            light = 10 * (number // fps % 3)
            luma = np.clip(np.roll(texture, 2 * number, axis=1) + noise + light, 16, 235).astype(np.uint8)
            out.write(b"FRAME\n")
            out.write(luma.tobytes())
            out.write(np.roll(chroma, number, axis=2).tobytes())
    temporary.replace(path)  # another process may have made the same clip meanwhile: both are whole
    return path
