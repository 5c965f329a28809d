"""Headless Firefox, driven over WebDriver BiDi (https://w3c.github.io/webdriver-bidi/), without geckodriver."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.browser.authority import trust
from tests.browser.drivers import BrowserError, BrowserProcess, ConsoleMessage, Page, temporary_profile
from tests.util import until

BINARY = os.environ.get("RTCENGINE_TEST_FIREFOX", "firefox-esr")

Pref = bool | int | str

_PREFS: dict[str, Pref] = {
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.gmp-manager.updateEnabled": False,
    "media.gmp-manager.url": "",
    # Pages behind others must run like the one in front.
    "dom.min_background_timeout_value": 4,
    "dom.timeout.enable_budget_timer_throttling": False,
    "dom.timeout.background_throttling_max_budget": -1,
    "media.suspend-background-video.enabled": False,
    "dom.disable_open_during_load": False,
    # No traffic of the browser's own: the machines that run tests have no way out.
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.search.update": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.prefetch-next": False,
    "network.trr.mode": 5,
    "privacy.trackingprotection.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "signon.rememberSignons": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "toolkit.telemetry.unified": False,
}
_LEVELS = {"warn": "warning"}


class BiDi:
    """A WebDriver BiDi session over one websocket."""

    def __init__(self, process: BrowserProcess, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.process = process
        self.pages: dict[str, FirefoxPage] = {}
        self._http = http
        self._socket = socket
        self._next_id = 0
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._task = asyncio.create_task(self._receive(), name="bidi")

    async def call(self, method: str, params: dict[str, Any], timeout: float = 30.0) -> Any:
        """Send one command and return its result; BrowserError when the browser refuses it or is gone."""
        if self._task.done():
            raise self.process.failure(f"Firefox is gone, {method} not sent")
        self._next_id += 1
        number = self._next_id
        future = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send_str(json.dumps({"id": number, "method": method, "params": params}))
            async with asyncio.timeout(timeout):
                reply = await future
        finally:
            self._calls.pop(number, None)
        if reply["type"] == "error":
            raise BrowserError(f"{method}: {reply['error']}: {reply['message']}")
        return reply["result"]

    async def close(self) -> None:
        """Close the websocket."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._socket.close()
        await self._http.close()

    async def _receive(self) -> None:
        try:
            async for item in self._socket:
                if item.type is not aiohttp.WSMsgType.TEXT:
                    continue
                message = json.loads(item.data)
                if message["type"] == "event":
                    self._on_event(message["method"], message["params"])
                elif (future := self._calls.get(message.get("id") or 0)) and not future.done():
                    future.set_result(message)
        finally:
            for future in self._calls.values():
                if not future.done():
                    future.set_exception(self.process.failure("Firefox closed the connection"))

    def _on_event(self, method: str, params: dict[str, Any]) -> None:
        page = self.pages.get(params.get("source", {}).get("context") or "")
        if method == "log.entryAdded" and page is not None:
            level = _LEVELS.get(params["level"], params["level"])
            page.console.append(ConsoleMessage(level, params.get("text") or ""))


class FirefoxPage(Page):
    """One page (a top-level browsing context) of Firefox."""

    def __init__(self, bidi: BiDi, context: str) -> None:
        super().__init__()
        self._bidi = bidi
        self._context = context
        bidi.pages[context] = self

    @property
    def pid(self) -> int:
        """Id of the browser's process group."""
        return self._bidi.process.pid

    async def goto(self, url: str, timeout: float = 30.0) -> None:
        await self._bidi.call("browsingContext.navigate", {"context": self._context, "url": url, "wait": "complete"}, timeout)

    async def screenshot(self, path: str | os.PathLike[str]) -> None:
        reply = await self._bidi.call("browsingContext.captureScreenshot", {"context": self._context})
        await asyncio.to_thread(Path(path).write_bytes, base64.b64decode(reply["data"]))

    async def new_page(self) -> Page:
        # A window of its own stays in front: Firefox treats hidden tabs differently.
        reply = await self._bidi.call("browsingContext.create", {"type": "window"})
        return FirefoxPage(self._bidi, reply["context"])

    async def close(self) -> None:
        self._bidi.pages.pop(self._context, None)
        await self._bidi.call("browsingContext.close", {"context": self._context})

    async def _run(self, source: str, timeout: float) -> str | None:
        params = {
            "expression": source,
            "awaitPromise": True,
            "target": {"context": self._context},
            "userActivation": True,
        }
        reply = await self._bidi.call("script.evaluate", params, timeout)
        return None if reply["type"] == "exception" else str(reply["result"]["value"])


def _user_js(prefs: Mapping[str, Pref]) -> str:
    return "".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in prefs.items())


async def _connect(process: BrowserProcess, start_timeout: float) -> BiDi:
    """Wait for the address that Firefox prints, and open a session there."""

    def address() -> str | None:
        if not process.running:
            raise process.failure("Firefox ended at its start")
        found = re.search(r"WebDriver BiDi listening on (ws://\S+)", "\n".join(process.output))
        return found and found[1]

    url = await until(address, timeout=start_timeout, what="Firefox to listen")
    http = aiohttp.ClientSession()
    try:
        socket = await http.ws_connect(f"{url}/session", max_msg_size=0)
    except BaseException:
        await http.close()
        raise
    return BiDi(process, http, socket)


@asynccontextmanager
async def firefox(
    *,
    fake_devices: bool = True,
    mdns: bool = False,
    ignore_certificate_errors: bool = False,
    window: tuple[int, int] = (1280, 800),
    prefs: Mapping[str, Pref] | None = None,
    authority: bytes | None = None,
    start_timeout: float = 60.0,
) -> AsyncIterator[FirefoxPage]:
    """Start Firefox and give its first page; ``await page.new_page()`` opens more in the same process.

    fake_devices: a synthetic camera and microphone. mdns: hide local addresses behind ``.local`` names.
    prefs: further preferences (about:config names), which win over ours. authority: one more whose word on servers counts, PEM.
    """
    profile = temporary_profile("firefox")
    settings = {
        **_PREFS,
        "media.navigator.streams.fake": fake_devices,
        "media.peerconnection.ice.obfuscate_host_addresses": mdns,
        **(prefs or {}),
    }
    (profile / "user.js").write_text(_user_js(settings))
    if authority is not None:
        await trust(profile, authority)
    # Chromium ends with its pipes; Firefox would outlive tests that are killed.
    argv = [
        "setpriv",
        "--pdeathsig",
        "TERM",
        BINARY,
        "--headless",
        "--no-remote",
        "--remote-debugging-port=0",
        "--profile",
        str(profile),
    ]
    argv += [f"--width={window[0]}", f"--height={window[1]}"]
    env = {"HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1", "MOZ_HEADLESS_WIDTH": str(window[0])}
    env["MOZ_HEADLESS_HEIGHT"] = str(window[1])
    process = await BrowserProcess.start(argv, profile, env)
    bidi: BiDi | None = None
    try:
        bidi = await _connect(process, start_timeout)
        capabilities = {"alwaysMatch": {"acceptInsecureCerts": ignore_certificate_errors}}
        await bidi.call("session.new", {"capabilities": capabilities}, start_timeout)
        await bidi.call("session.subscribe", {"events": ["log.entryAdded"]})
        tree = await bidi.call("browsingContext.getTree", {"maxDepth": 0})
        yield FirefoxPage(bidi, tree["contexts"][0]["context"])
    finally:
        if bidi is not None:
            with contextlib.suppress(BrowserError, TimeoutError, ConnectionError):
                await bidi.call("browser.close", {}, timeout=5.0)
            await bidi.close()
        await process.close()
