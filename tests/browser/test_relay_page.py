"""The relay's page as a person meets it: clicks, sentences, numbers, a phone's width, https from elsewhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.browser import media
from tests.browser.chromium import ChromiumPage, chromium
from tests.browser.drivers import Page
from tests.browser.relay import Pages, Served, serve
from tests.browser.ui import choose, click, look, seen, type_into, wait_seen
from tests.interop.netns import Namespace, namespace

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def publish_test_picture(page: Page) -> None:
    await choose(page, "#source", "pattern")
    await click(page, "#start")
    await wait_seen(page, "Live")


async def plays(page: Page) -> None:
    """The page's own element shows moving pictures, uncovered, and gets sound."""
    await wait_seen(page, "Playing")
    assert await page.evaluate("document.querySelector('#veil').hidden")
    await media.inject(page)
    await page.evaluate("rtc.video = document.querySelector('#video')")
    assert len(await media.wait_moving(page, pictures=4)) >= 4
    assert await media.audio_level(page) > 0.005
    # It must not be hung up by what closes the test's own connections: this is the page's.
    await page.evaluate("rtc.video = null")


def unexpected(page: Page) -> list[str]:
    """Errors of the page's console but for those that the browser writes of every 401 and 409."""
    return [
        m.text
        for m in page.console
        if m.level in ("error", "warning") and not re.search(r"status of (401|409) .*/wh[ei]p$", m.text)
    ]


async def test_publish_watch_leave_and_come_back(served: Served, chrome: ChromiumPage, pages: Pages) -> None:
    viewer = await pages.open(chrome, served.page("clicks"))
    await wait_seen(viewer, "nobody publishes in clicks yet. The picture comes by itself.")
    publisher = await pages.open(chrome, served.page("clicks"))
    await click(publisher, "#mode")
    await wait_seen(publisher, f"Others watch at {served.page('clicks')}")
    await publish_test_picture(publisher)
    await plays(viewer)  # without a touch
    for text in ("Received", "Frames a second", "640 × 360", "Lost", "Round trip", "Opus + VP8", "udp "):
        await wait_seen(viewer, text)
    for text in ("Sent", "The path allows", "Opus + VP8"):
        await wait_seen(publisher, text)
    assert re.search(r"Received\n+[\d.]+ (kb|Mb)/s", await seen(viewer)), await seen(viewer)
    await click(viewer, "#sound")
    assert await viewer.evaluate("document.querySelector('#video').muted") is False
    await wait_seen(viewer, "Sound off")

    await click(publisher, "#start")
    await wait_seen(publisher, "Not connected")
    await wait_seen(viewer, "The publisher sends nothing")
    await publish_test_picture(publisher)
    await plays(viewer)
    # A codec that the viewer was not answered: it comes back with a new offer, by itself.
    await click(publisher, "#start")
    await choose(publisher, "#codec", "VP9")
    await publish_test_picture(publisher)
    await wait_seen(viewer, "Opus + VP9")
    await plays(viewer)
    # A second one who wants to publish is told.
    other = await pages.open(chrome, served.page("clicks") + "?publish")
    await choose(other, "#source", "pattern")
    await click(other, "#start")
    await wait_seen(other, "room clicks has a publisher already")
    await publisher.close()
    await wait_seen(other, "Live")
    assert [unexpected(page) for page in (viewer, publisher, other)] == [[], [], []]


async def test_camera_from_the_page(served: Served, chrome: ChromiumPage, pages: Pages) -> None:
    publisher = await pages.open(chrome, served.page(""))
    await type_into(publisher, "#room", "no such room!")
    await click(publisher, "#go button")
    assert "Publish in a new room" in await seen(publisher)  # the form did not take that name
    await type_into(publisher, "#room", "camera")
    await click(publisher, "#go button")
    await wait_seen(publisher, "nobody publishes in camera yet")
    await click(publisher, "#mode")
    await choose(publisher, "#codec", "H264")
    await click(publisher, "#start")
    await wait_seen(publisher, "Opus + H.264")
    viewer = await pages.open(chrome, served.page("camera"))
    await plays(viewer)


async def test_tokens(chrome: ChromiumPage, pages: Pages) -> None:
    async with serve(token="may-publish", watch_token="may/watch") as guarded:
        publisher = await pages.open(chrome, guarded.page("room") + "?publish")
        await choose(publisher, "#source", "pattern")
        await click(publisher, "#start")
        await wait_seen(publisher, "This relay asks for a token.")
        assert "not accepted" not in await seen(publisher)
        for wrong in ("guess", "may/watch"):
            await type_into(publisher, "#token", wrong)
            await click(publisher, "#token-form button")
            await wait_seen(publisher, "That token was not accepted.")
        await type_into(publisher, "#token", "may-publish")
        await click(publisher, "#token-form button")
        await wait_seen(publisher, "Live")
        assert "token" not in await seen(publisher)
        viewer = await pages.open(chrome, guarded.page("room"))
        await wait_seen(viewer, "This relay asks for a token.")
        await type_into(viewer, "#token", "may/watch")
        await click(viewer, "#token-form button")
        await plays(viewer)
        # A link may carry it, where servers do not see it.
        invited = await pages.open(chrome, guarded.page("room") + "#token=may%2Fwatch")
        await plays(invited)
        assert [unexpected(page) for page in (publisher, viewer, invited)] == [[], [], []]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_fits_a_phone(dark: bool, served: Served, chrome: ChromiumPage, pages: Pages, tmp_path: Path) -> None:
    """Nothing sticks out at 360 pixels, in any state; all can be read on its ground."""
    room = f"phone-{dark}"
    publisher, page = await pages.open(chrome, served.page(room) + "?publish"), await pages.open(chrome)
    await publish_test_picture(publisher)
    await look(publisher, 360, 740, dark=dark)
    await look(page, 360, 740, dark=dark)
    async with serve(watch_token="secret") as guarded:
        for name, url, text in [
            ("lobby", served.page(""), "Publish in a new room"),
            ("waiting", served.page("nobody-yet"), "nobody publishes"),
            ("form", served.page("mine") + "?publish", "Others watch at"),
            ("token", guarded.page("mine"), "This relay asks for a token."),
            ("watching", served.page(room), "Opus + VP8"),
        ]:
            await page.goto(url)
            await wait_seen(page, text)
            await fits(page, name, tmp_path)
        await fits(publisher, "publishing", tmp_path)
        ground = await page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (sum(ground) < 3 * 60) if dark else (sum(ground) > 3 * 200)
    assert unexpected(page) == unexpected(publisher) == []


# Elements with text of their own whose contrast (WCAG 2.1 §1.4.3) is below 4.5, and those that stick out.
_FAULTS = """
const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const colour = (text) => text.match(/[\\d.]+/g).map(Number);
const ground = (e) => {
  for (; e; e = e.parentElement) {
    const c = colour(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c;
  }
  return [255, 255, 255];
};
const faults = [];
if (document.documentElement.scrollWidth > 360) faults.push(`wide: ${document.documentElement.scrollWidth}`);
for (const e of document.body.querySelectorAll("*")) {
  if (!e.checkVisibility()) continue;
  const box = e.getBoundingClientRect();
  if (box.right > 360.5 || box.left < -0.5) faults.push(`sticks out: ${e.tagName} ${e.id} ${box.left} ${box.right}`);
  if (e.closest(".screen") || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
  const [a, b] = [light(colour(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) faults.push(`faint: ${e.tagName} ${e.id} ${((a + 0.05) / (b + 0.05)).toFixed(1)}`);
}
return faults;
"""


async def fits(page: Page, name: str, folder: Path) -> None:
    await page.screenshot(folder / f"{name}.png")  # pytest keeps those of the last runs
    assert await page.evaluate(_FAULTS) == [], name


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def elsewhere() -> AsyncIterator[tuple[Namespace, ChromiumPage]]:
    """Another network, and a browser there that accepts certificates that nobody has signed."""
    async with namespace() as ns, chromium(netns=ns.name, ignore_certificate_errors=True) as page:
        yield ns, page


async def test_https_from_another_network(
    elsewhere: tuple[Namespace, ChromiumPage], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ns, first = elsewhere
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with serve(host="0.0.0.0", self_signed=True) as served, Pages("about:blank") as pages:
        url = f"https://{ns.host_address}:{served.server.port}/far"
        publisher = await pages.open(first, url + "?publish")
        assert await publisher.evaluate("isSecureContext")
        await click(publisher, "#start")  # the camera, as the form stands
        await wait_seen(publisher, "Live")
        await wait_seen(publisher, f"udp {ns.host_address}:{served.relay.engine.port}")
        viewer = await pages.open(first, url)
        await plays(viewer)
        assert unexpected(publisher) == unexpected(viewer) == []


async def test_plain_http_from_another_network(elsewhere: tuple[Namespace, ChromiumPage]) -> None:
    ns, first = elsewhere
    async with serve(host="0.0.0.0") as served, Pages("about:blank") as pages:
        url = f"http://{ns.host_address}:{served.server.port}/plain"
        publisher = await pages.open(first, url + "?publish")
        sentence = "Browsers give cameras and screens only to https pages and to localhost: start the relay with --tls"
        await wait_seen(publisher, sentence)
        await publisher.evaluate("document.querySelector('#message').textContent = ''")
        await choose(publisher, "#source", "camera")
        await click(publisher, "#start")
        await wait_seen(publisher, sentence)  # said again, to whom insists
        assert "Live" not in await seen(publisher)
        await publish_test_picture(publisher)  # as the sentence says
        viewer = await pages.open(first, url)
        await plays(viewer)
