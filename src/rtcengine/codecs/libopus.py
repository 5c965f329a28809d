"""Finds libopus for opuslib, which wants it while it is imported: the system's, or the one in PyAV's wheel."""

from __future__ import annotations

import ctypes.util
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType


class OpusMissing(ImportError):
    """No libopus: the text says what to install."""


def library_path() -> str | None:
    """Where libopus is: RTCENGINE_LIBOPUS, what the linker knows, or PyAV's own copy; None when there is none."""
    given = os.environ.get("RTCENGINE_LIBOPUS")
    if given:
        return given
    known = ctypes.util.find_library("opus")
    if known:
        return known
    spec = find_spec("av")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    for folder in (package.parent / "av.libs", package / ".dylibs"):
        for found in sorted(folder.glob("libopus*")):
            return str(found)
    return None


@cache
def load() -> ModuleType:
    """opuslib, imported with libopus found. Raises OpusMissing."""
    path = library_path()
    if path is None:
        raise OpusMissing("libopus is missing: install the package libopus0 (Debian) or opus, or set RTCENGINE_LIBOPUS")
    original = ctypes.util.find_library

    def find(name: str) -> str | None:
        return path if name == "opus" else original(name)

    ctypes.util.find_library = find
    try:
        import opuslib
        import opuslib.api.ctl
        import opuslib.api.encoder
    except OSError as error:
        raise OpusMissing(f"libopus could not be loaded from {path}: {error}") from error
    finally:
        ctypes.util.find_library = original
    module: ModuleType = opuslib
    return module
