"""What the two browser drivers share: the Page interface, evaluation of JavaScript, and the browser's processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import tempfile
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.util import until


class BrowserError(Exception):
    """The browser could not be started, went away, or refused a command."""


class JavaScriptError(Exception):
    """JavaScript run by ``Page.evaluate`` threw; the message holds the page's own message and stack."""


@dataclass(frozen=True)
class ConsoleMessage:
    """One line of a page's console: ``level`` is debug, info, warning or error. Uncaught exceptions count as error."""

    level: str
    text: str


class Page(ABC):
    """One page (a tab in its own window) of a browser."""

    def __init__(self) -> None:
        self.console: list[ConsoleMessage] = []

    @abstractmethod
    async def goto(self, url: str, timeout: float = 30.0) -> None:
        """Load ``url`` and wait for its load event; BrowserError when it cannot be loaded."""

    @abstractmethod
    async def screenshot(self, path: str | os.PathLike[str]) -> None:
        """Write what the page shows to ``path`` as PNG."""

    @abstractmethod
    async def new_page(self) -> Page:
        """Open another page in the same browser process, blank."""

    @abstractmethod
    async def close(self) -> None:
        """Close this page; the browser goes on."""

    @abstractmethod
    async def _run(self, source: str, timeout: float) -> str | None:
        """Run an expression, await its promise and return its string; None when it does not compile."""

    async def evaluate(self, source: str, arg: object = None, timeout: float = 60.0) -> Any:
        """Run JavaScript and return its value (through JSON, so ``undefined`` and NaN come back as None).

        ``source`` is an expression, in which ``await`` may be used, or the body of an async function. ``arg`` is passed
        as the variable ``arg``. Raises JavaScriptError when the code throws or does not compile, TimeoutError after
        ``timeout`` seconds.
        """
        # What the code throws is caught inside the page: an error of the protocol then means that it does not compile,
        # and nothing has run yet, so the same source can be tried as a function's body.
        bodies = (f"return ({source}\n);", f"{source}\n")
        for body in bodies:
            text = await self._run(
                f"(async (arg) => {{ try {{ const value = await (async () => {{ {body} }})();"
                " return JSON.stringify({value: value === undefined ? null : value}); }"
                " catch (e) { return JSON.stringify({error: String(e), stack: String((e && e.stack) || '')}); }"
                f" }})({json.dumps(arg)})",
                timeout,
            )
            if text is None:
                continue
            reply: dict[str, Any] = json.loads(text)
            if "error" in reply:
                raise JavaScriptError(f"{reply['error']}\n{reply['stack']}".rstrip())
            return reply.get("value")
        raise JavaScriptError(f"does not compile: {source[:200]}")


class BrowserProcess:
    """A browser with its own process group and temporary profile; ``close`` ends the group and removes the profile."""

    def __init__(self, profile: Path) -> None:
        self.profile = profile
        self.output: deque[str] = deque(maxlen=200)  # last lines of standard error, for messages about failures
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls, argv: Sequence[str], profile: Path, env: Mapping[str, str] | None = None, pass_fds: Sequence[int] = ()
    ) -> BrowserProcess:
        """Start ``argv``; the profile directory belongs to the process from now on."""
        self = cls(profile)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, **(env or {})},
                pass_fds=pass_fds,
                start_new_session=True,
            )
        except OSError as e:
            shutil.rmtree(profile, ignore_errors=True)
            raise BrowserError(f"cannot start {argv[0]}: {e}") from e
        self._reader = asyncio.create_task(self._read_stderr(), name="browser-stderr")
        return self

    @property
    def pid(self) -> int:
        """Process id, which is the group's id too."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """False once the main process has ended and all that it wrote has been read."""
        ended = self._process is None or self._process.returncode is not None
        return not (ended and (self._reader is None or self._reader.done()))

    def failure(self, what: str) -> BrowserError:
        """An error that carries the last lines the browser wrote."""
        return BrowserError(f"{what}; its last output:\n" + "\n".join(list(self.output)[-15:]))

    async def close(self, grace: float = 5.0) -> None:
        """SIGTERM to the group, SIGKILL to what is left after ``grace`` seconds, then remove the profile."""
        assert self._process is not None
        with contextlib.suppress(AssertionError):
            self._signal(signal.SIGTERM)
            await until(lambda: not self._alive(), timeout=grace)
        self._signal(signal.SIGKILL)
        await self._process.wait()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        # A child that is being torn down may write into the profile once more.
        with contextlib.suppress(AssertionError):
            await until(self._remove_profile, timeout=5.0)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _alive(self) -> bool:
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _remove_profile(self) -> bool:
        shutil.rmtree(self.profile, ignore_errors=True)
        return not self.profile.exists()

    async def _read_stderr(self) -> None:
        assert self._process is not None and self._process.stderr is not None
        # Read in blocks: a browser may write lines longer than a StreamReader's limit.
        rest = ""
        while block := await self._process.stderr.read(65536):
            *lines, rest = (rest + block.decode(errors="replace")).split("\n")
            self.output.extend(lines)
        if rest:
            self.output.append(rest)


def temporary_profile(browser: str) -> Path:
    """A new empty profile directory."""
    return Path(tempfile.mkdtemp(prefix=f"rtcengine-{browser}-"))
