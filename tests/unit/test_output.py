"""Files to write: which are ours, and what is said of one that cannot be written."""

from __future__ import annotations

import errno
import io
import os
import threading
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rtcengine.media.output import Output, close_output, open_output


def sounds(container: Any, stream: Any, count: int) -> None:
    for n in range(count):
        frame = av.AudioFrame.from_ndarray(np.full((1, 960), n, np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48000, 960 * n
        container.mux(stream.encode(frame))


def test_a_file_is_as_ffmpegs_own(tmp_path: Path) -> None:
    """With a header that is written once its end is known."""
    ours, theirs = tmp_path / "ours.wav", tmp_path / "theirs.wav"
    container, output = open_output(ours)
    assert output is not None and output.seekable() and not ours.exists()
    for one, close in ((container, lambda: close_output(container, output)), (av.open(str(theirs), "w"), None)):
        stream = one.add_stream("pcm_s16le", rate=48000, layout="mono")
        sounds(one, stream, 30)
        one.mux(stream.encode(None))
        (close or one.close)()
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("file", ["udp://127.0.0.1:9/a.ts", "file:a.ts", io.BytesIO()])
def test_what_is_no_path(file: Any) -> None:
    container, output = open_output(file, "mpegts")
    assert output is None
    close_output(container, output)


def test_pictures_that_are_files_each(tmp_path: Path) -> None:
    container, output = open_output(tmp_path / "%3d.png")
    assert output is None and container.format.name == "image2"
    close_output(container, output)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """The first reason is said, whoever asks."""
    container, output = open_output("/dev/full", "matroska")
    stream = container.add_stream("pcm_s16le", rate=48000, layout="mono")
    assert output is not None and not output.seekable()
    for attempt in (lambda: sounds(container, stream, 500), lambda: close_output(container, output)):
        with pytest.raises(OSError, match="/dev/full") as failed:
            attempt()
        assert failed.value.errno == errno.ENOSPC
    nowhere = Output(tmp_path / "no" / "where")
    with pytest.raises(FileNotFoundError, match="where"):
        nowhere.write(b"a")
    nowhere.close()


def test_a_write_that_waits_holds_nothing_up(tmp_path: Path) -> None:
    """A pipe that is full: the whole of what is written arrives once it is read."""
    os.mkfifo(tmp_path / "pipe")
    output, told = Output(tmp_path / "pipe"), bytes(range(256)) * 4096
    writing = threading.Thread(target=lambda: (output.write(told), output.close()))
    writing.start()
    with (tmp_path / "pipe").open("rb") as pipe:
        assert pipe.read() == told
    writing.join()
