"""Files to write that may be slow, or full: however long a disk takes, only the thread that writes waits for it."""

from __future__ import annotations

import io
import os
import re
import stat
from typing import Any


class Output:
    """What av.open writes into in place of a path: FFmpeg's own files are opened, begun and ended with the GIL held, so that a
    disk that stalls there would stop the whole program. The file is made with the first byte, by the thread that writes.
    `error`: the first that the system gave."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = os.fspath(path)
        self.error: OSError | None = None
        self._file: io.FileIO | None = None

    def seekable(self) -> bool:
        """Not a pipe or a device."""
        try:
            return stat.S_ISREG(os.stat(self.name).st_mode)
        except OSError:  # it is not there yet
            return True

    def write(self, data: bytes) -> int:
        try:
            file, rest = self._opened(), memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as error:
            self.error = self.error or OSError(error.errno, error.strerror, self.name)
            raise self.error from error
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._opened().seek(offset, whence)

    def tell(self) -> int:
        return self._opened().tell()

    def close(self) -> None:
        """Idempotent."""
        if self._file is not None:
            self._file.close()

    def _opened(self) -> io.FileIO:
        if self._file is None:
            self._file = io.FileIO(self.name, "w")
        return self._file


def open_output(file: Any, format: str | None = None, options: dict[str, str] | None = None) -> tuple[Any, Output | None]:
    """As av.open with mode "w", and the Output behind it: None of a file-like object, an address, or a format whose muxer opens
    its files itself (pictures, segments, devices)."""
    import av

    container: Any = av.open(file, mode="w", format=format, options=options)
    if not isinstance(file, str | os.PathLike) or re.match(r"[\w+.-]{2,}:", os.fspath(file)) or container.format.no_file:
        return container, None
    output = Output(file)
    return av.open(output, mode="w", format=container.format.name, options=options), output


def close_output(container: Any, output: Output | None) -> None:
    """Ends the file. OSError: that which it gave first, also where FFmpeg has forgotten it."""
    import av

    failed: Exception | None = None
    try:
        container.close()
    except av.FFmpegError as error:
        failed = error
    finally:
        if output is not None:
            output.close()
    if output is not None and output.error is not None:
        failed = output.error
    if failed is not None:
        raise failed
