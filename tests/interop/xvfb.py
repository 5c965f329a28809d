"""An X server without a screen, whose pixels a test can write."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest


class Xvfb:
    """`name` is what DISPLAY is set to. `show` puts a picture on the screen, RGB of (height, width, 3)."""

    def __init__(self, folder: Path, width: int, height: int) -> None:
        self.width, self.height = width, height
        # It would clear the screen when its last client leaves.
        command = ["Xvfb", "-displayfd", "1", "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-noreset"]
        # The framebuffer is a file (XWD): a header, colours, and then the pixels, four bytes each.
        self._process = subprocess.Popen(
            [*command, "-fbdir", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        number = self._process.stdout.readline().strip()
        assert number, "Xvfb does not start"
        self.name = f":{number}"
        file = folder / "Xvfb_screen0"
        offset = file.stat().st_size - 4 * width * height
        self._pixels = np.memmap(file, np.uint8, "r+", offset, (height, width, 4))

    def show(self, picture: npt.NDArray[np.uint8]) -> None:
        self._pixels[..., :3] = picture[..., ::-1]
        self._pixels.flush()

    def picture(self) -> npt.NDArray[np.uint8]:
        """What is on the screen."""
        return self._pixels[..., 2::-1].copy()

    def end(self) -> None:
        """At once, as a crash would."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def display(folder: Path, environment: pytest.MonkeyPatch, width: int, height: int) -> Iterator[Xvfb]:
    """One that DISPLAY names meanwhile."""
    server = Xvfb(folder, width, height)
    environment.setenv("DISPLAY", server.name)
    yield server
    server.end()
