"""aiortc's sources, of the release that is installed: its examples and tests are run as they are, and are not ours to keep."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.programs import one_at_a_time

BUILD = Path(__file__).resolve().parents[2] / "build"


def source() -> Path:
    """The folder of its sdist, which pip fetches once."""
    name = f"aiortc-{importlib.metadata.version('aiortc')}"
    folder = BUILD / name
    with one_at_a_time():
        if not folder.is_dir():
            _fetch(name)
    return folder


def _fetch(name: str) -> None:
    with tempfile.TemporaryDirectory(dir=BUILD) as temporary:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation", "--no-binary", "aiortc"]
        subprocess.run([*pip, "-d", temporary, name.replace("-", "==")], check=True)
        subprocess.run(["tar", "xzf", f"{temporary}/{name}.tar.gz", "-C", temporary], check=True)
        (Path(temporary) / name).rename(BUILD / name)


def import_instead(text: str, module: str) -> str:
    """A program with `module` imported for aiortc, and nothing else changed."""
    changed, count = re.subn(r"^(from|import) aiortc\b", rf"\1 {module}", text, flags=re.MULTILINE)
    assert count
    return changed


def example(name: str, folder: Path) -> Path:
    """An example of aiortc's, copied below the folder with its imports changed; the path of its program."""
    copy = Path(shutil.copytree(source() / "examples" / name, folder / name))
    (program,) = copy.glob("*.py")
    program.write_text(import_instead(program.read_text(), "rtcengine"))
    return program
