"""A person at a page in Chromium: clicks what can be seen, types, reads."""

from __future__ import annotations

from tests.browser.chromium import ChromiumPage
from tests.browser.drivers import BrowserError, Page
from tests.util import until

# The middle of an element, in view; what lies there must be it, or nobody could click it.
_MIDDLE = """
const element = document.querySelector(arg);
if (!element || !element.getClientRects().length) return null;
element.scrollIntoView({block: "center"});
const box = element.getBoundingClientRect();
const at = {x: box.x + box.width / 2, y: box.y + box.height / 2};
const hit = document.elementFromPoint(at.x, at.y);
return element.contains(hit) && !element.disabled ? at : null;
"""


async def click(page: Page, selector: str) -> None:
    """Click an element with the mouse, once it can be seen."""
    assert isinstance(page, ChromiumPage)
    at = await until(lambda: page.evaluate(_MIDDLE, selector), what=f"{selector} in sight")
    for kind in ("mousePressed", "mouseReleased"):
        await page.command("Input.dispatchMouseEvent", {"type": kind, **at, "button": "left", "clickCount": 1})


async def type_into(page: Page, selector: str, text: str) -> None:
    """Click an input and type over what it holds."""
    assert isinstance(page, ChromiumPage)
    await click(page, selector)
    await page.evaluate("document.querySelector(arg).select()", selector)
    await page.command("Input.insertText", {"text": text})


async def choose(page: Page, selector: str, value: str) -> None:
    """Choose an option of a <select>: its list is drawn outside of the page."""
    await page.evaluate(
        "const list = document.querySelector(arg[0]); list.value = arg[1];"
        "if (list.value !== arg[1]) throw new Error(`no such option: ${arg[1]}`);"
        "list.dispatchEvent(new Event('input')); list.dispatchEvent(new Event('change'));",
        [selector, value],
    )


async def seen(page: Page) -> str:
    """The text that can be seen, without that of inputs."""
    return str(await page.evaluate("document.body?.innerText ?? ''"))


async def wait_seen(page: Page, text: str, timeout: float = 15.0) -> None:
    """Wait until the page shows this text."""

    async def shown() -> bool:
        try:
            return text in await seen(page)
        except BrowserError:  # between two pages
            return False

    try:
        await until(shown, timeout=timeout)
    except AssertionError:
        raise AssertionError(f"{text!r} did not appear in {timeout:g} s; the page says: {await seen(page)}") from None


async def look(page: Page, width: int, height: int, *, dark: bool = False) -> None:
    """Give the page a screen of that size (a phone's below 500) and its user's taste."""
    assert isinstance(page, ChromiumPage)
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    await page.command("Emulation.setDeviceMetricsOverride", screen)
    taste = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    await page.command("Emulation.setEmulatedMedia", {"features": [taste]})
