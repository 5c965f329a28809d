"""Headless Chromium, driven over the DevTools protocol.

The protocol runs over two pipes (``--remote-debugging-pipe``: the browser reads file descriptor 3 and writes 4), so
that it works the same whether the browser shares our network or sits in a network namespace of its own.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.browser.drivers import BrowserError, BrowserProcess, ConsoleMessage, Page, temporary_profile

BINARY = os.environ.get("RTCENGINE_TEST_CHROMIUM", "chromium")

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-breakpad",
    "--disable-search-engine-choice-screen",
    "--password-store=basic",
    "--autoplay-policy=no-user-gesture-required",
    # Pages in the background must run like those in front: several of them watch at once.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--remote-debugging-pipe",
)
# Moves the two pipe ends to descriptors 3 and 4 and becomes the browser; Popen itself cannot renumber descriptors.
_PIPE_LAUNCHER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execvp(sys.argv[3], sys.argv[3:])"
)
_CONSOLE_LEVELS = {
    "log": "info",
    "info": "info",
    "debug": "debug",
    "warning": "warning",
    "error": "error",
    "assert": "error",
}
_MAX_MESSAGE = 256 * 1024 * 1024


class DevTools:
    """The DevTools protocol over two pipes: JSON messages that end in a NUL byte; ``sessionId`` tells pages apart."""

    def __init__(
        self,
        process: BrowserProcess,
        reader: asyncio.StreamReader,
        from_browser: asyncio.ReadTransport,
        to_browser: asyncio.WriteTransport,
    ) -> None:
        self.process = process
        self.pages: dict[str, ChromiumPage] = {}
        self._reader = reader
        self._from_browser = from_browser
        self._to_browser = to_browser
        self._next_id = 0
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._task = asyncio.create_task(self._receive(), name="devtools")

    async def call(self, method: str, params: dict[str, Any] | None = None, session: str = "", timeout: float = 30.0) -> Any:
        """Send one command and return its result; BrowserError when the browser refuses it or is gone."""
        if self._task.done():
            raise self.process.failure(f"Chromium is gone, {method} not sent")
        self._next_id += 1
        message: dict[str, Any] = {"id": self._next_id, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        future = self._calls[self._next_id] = asyncio.get_running_loop().create_future()
        try:
            self._to_browser.write(json.dumps(message).encode() + b"\0")
            async with asyncio.timeout(timeout):
                reply = await future
        finally:
            self._calls.pop(message["id"], None)
        if "error" in reply:
            raise BrowserError(f"{method}: {reply['error'].get('message')}")
        return reply["result"]

    async def close(self) -> None:
        """Stop reading and close both pipes."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._from_browser.close()
        self._to_browser.close()

    async def _receive(self) -> None:
        try:
            while True:
                data = await self._reader.readuntil(b"\0")
                message = json.loads(data[:-1])
                if "id" in message:
                    future = self._calls.get(message["id"])
                    if future is not None and not future.done():
                        future.set_result(message)
                elif page := self.pages.get(message.get("sessionId", "")):
                    page.on_event(message["method"], message["params"])
        except (asyncio.IncompleteReadError, OSError):
            pass  # the browser closed its end
        finally:
            for future in self._calls.values():
                if not future.done():
                    future.set_exception(self.process.failure("Chromium closed the connection"))


class ChromiumPage(Page):
    """One page of Chromium."""

    def __init__(self, devtools: DevTools, target: str, session: str) -> None:
        super().__init__()
        self._devtools = devtools
        self._target = target
        self._session = session
        self._loaded: dict[str, asyncio.Event] = {}
        self._crashed = False

    @classmethod
    async def attach(cls, devtools: DevTools, target: str) -> ChromiumPage:
        """Attach to a page target and switch on the events that we use."""
        session = (await devtools.call("Target.attachToTarget", {"targetId": target, "flatten": True}))["sessionId"]
        page = cls(devtools, target, session)
        devtools.pages[session] = page
        for domain in ("Page", "Runtime", "Log", "Inspector"):
            await page.command(f"{domain}.enable")
        await page.command("Page.setLifecycleEventsEnabled", {"enabled": True})
        return page

    @property
    def pid(self) -> int:
        """Id of the browser's process group."""
        return self._devtools.process.pid

    async def command(self, method: str, params: dict[str, Any] | None = None, timeout: float = 30.0) -> Any:
        """Run a DevTools command on this page (https://chromedevtools.github.io/devtools-protocol/)."""
        if self._crashed:
            raise BrowserError("the page has crashed")
        return await self._devtools.call(method, params, self._session, timeout)

    async def goto(self, url: str, timeout: float = 30.0) -> None:
        reply = await self.command("Page.navigate", {"url": url}, timeout)
        if reply.get("errorText"):
            raise BrowserError(f"{url}: {reply['errorText']}")
        loader = reply.get("loaderId")
        if loader is None:  # a fragment of the page that is already there
            return
        async with asyncio.timeout(timeout):
            await self._load_event(loader).wait()

    async def screenshot(self, path: str | os.PathLike[str]) -> None:
        reply = await self.command("Page.captureScreenshot", {"format": "png"})
        await asyncio.to_thread(Path(path).write_bytes, base64.b64decode(reply["data"]))

    async def new_page(self) -> Page:
        # A window of its own keeps a page visible: hidden ones get no animation frames and some throttle video.
        target = await self._devtools.call("Target.createTarget", {"url": "about:blank", "newWindow": True})
        return await ChromiumPage.attach(self._devtools, target["targetId"])

    async def close(self) -> None:
        self._devtools.pages.pop(self._session, None)
        await self._devtools.call("Target.closeTarget", {"targetId": self._target})

    async def _run(self, source: str, timeout: float) -> str | None:
        params = {"expression": source, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        reply = await self.command("Runtime.evaluate", params, timeout)
        return None if "exceptionDetails" in reply else str(reply["result"]["value"])

    def on_event(self, method: str, params: dict[str, Any]) -> None:
        """Take one event of this page's session."""
        if method == "Page.lifecycleEvent" and params["name"] == "load":
            self._load_event(params["loaderId"]).set()
        elif method == "Runtime.consoleAPICalled":
            parts = [str(a.get("value", a.get("description", a["type"]))) for a in params["args"]]
            self._log(_CONSOLE_LEVELS.get(params["type"], "info"), " ".join(parts))
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self._log("error", details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded":
            entry = params["entry"]
            self._log(
                "debug" if entry["level"] == "verbose" else entry["level"],
                f"{entry['text']} {entry.get('url', '')}".rstrip(),
            )
        elif method == "Inspector.targetCrashed":
            self._crashed = True
            self._log("error", "the page has crashed")

    def _log(self, level: str, text: str) -> None:
        self.console.append(ConsoleMessage(level, text))

    def _load_event(self, loader: str) -> asyncio.Event:
        return self._loaded.setdefault(loader, asyncio.Event())


def _argv(
    profile: Path,
    *,
    fake_devices: bool,
    fake_video: str | os.PathLike[str] | None,
    mdns: bool,
    ignore_certificate_errors: bool,
    window: tuple[int, int],
    disable_features: Sequence[str],
    secure_origins: Sequence[str],
    args: Sequence[str],
) -> list[str]:
    # One list: of a --disable-features given twice, only the last would count.
    features = ["Translate", "MediaRouter", "OptimizationHints", "DialMediaRouteProvider", *disable_features]
    if not mdns:
        features.append("WebRtcHideLocalIpsWithMdns")
    argv = [BINARY, *_FLAGS, f"--user-data-dir={profile}", f"--window-size={window[0]},{window[1]}"]
    argv.append("--disable-features=" + ",".join(features))
    if fake_devices or fake_video is not None:
        argv += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    if fake_video is not None:
        argv.append(f"--use-file-for-fake-video-capture={Path(fake_video).resolve()}")
    if ignore_certificate_errors:
        argv.append("--ignore-certificate-errors")
    if secure_origins:
        argv.append("--unsafely-treat-insecure-origin-as-secure=" + ",".join(secure_origins))
    return [*argv, *args, "about:blank"]


async def _connect(argv: list[str], profile: Path) -> DevTools:
    """Start Chromium with its pipes and return the connection; the caller closes connection and process."""
    loop = asyncio.get_running_loop()
    to_browser = os.pipe()
    from_browser = os.pipe()
    # Out of the way of 3 and 4, which the launcher overwrites.
    child = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (to_browser[0], from_browser[1])]
    os.close(to_browser[0])
    os.close(from_browser[1])
    launcher = [sys.executable, "-I", "-S", "-c", _PIPE_LAUNCHER, *map(str, child)]
    try:
        process = await BrowserProcess.start([*launcher, *argv], profile, {"HOME": str(profile)}, pass_fds=child)
    except BaseException:
        os.close(to_browser[1])
        os.close(from_browser[0])
        raise
    finally:
        for fd in child:
            os.close(fd)
    reader = asyncio.StreamReader(limit=_MAX_MESSAGE)
    incoming, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_browser[0], "rb", 0)
    )
    outgoing, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(to_browser[1], "wb", 0))
    return DevTools(process, reader, incoming, outgoing)


@asynccontextmanager
async def chromium(
    *,
    fake_devices: bool = True,
    fake_video: str | os.PathLike[str] | None = None,
    mdns: bool = False,
    ignore_certificate_errors: bool = False,
    netns: str | None = None,
    window: tuple[int, int] = (1280, 800),
    disable_features: Sequence[str] = (),
    secure_origins: Sequence[str] = (),
    args: Sequence[str] = (),
) -> AsyncIterator[ChromiumPage]:
    """Start Chromium and give its first page; ``await page.new_page()`` opens more in the same process.

    fake_devices: a synthetic camera and microphone, granted without asking.
    fake_video: a .y4m or .mjpeg file to play, in a loop, as the camera.
    mdns: hide local addresses behind ``.local`` names, as Chromium does for a page without camera permission; the fake
        devices come with that permission, so hiding needs fake_devices=False.
    netns: run inside this network namespace (``ip netns``; needs root).
    secure_origins: http origins to treat as secure, so that getUserMedia works there.
    """
    if fake_video is not None and not os.path.isfile(fake_video):  # noqa: ASYNC240
        raise BrowserError(f"no such clip: {fake_video}")
    profile = temporary_profile("chromium")
    argv = _argv(
        profile,
        fake_devices=fake_devices,
        fake_video=fake_video,
        mdns=mdns,
        ignore_certificate_errors=ignore_certificate_errors,
        window=window,
        disable_features=disable_features,
        secure_origins=secure_origins,
        args=args,
    )
    if netns is not None:
        argv = ["ip", "netns", "exec", netns, *argv]
    devtools = await _connect(argv, profile)
    try:
        targets = (await devtools.call("Target.getTargets"))["targetInfos"]
        first = next((t["targetId"] for t in targets if t["type"] == "page"), None)
        if first is None:
            first = (await devtools.call("Target.createTarget", {"url": "about:blank"}))["targetId"]
        yield await ChromiumPage.attach(devtools, first)
    finally:
        with contextlib.suppress(BrowserError, TimeoutError):
            await devtools.call("Browser.close", timeout=5.0)
        await devtools.close()
        await devtools.process.close()
