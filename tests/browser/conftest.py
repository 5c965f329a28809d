"""Browsers, an empty page and a relay that the tests of a run share: starting them costs more than most tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.browser.chromium import ChromiumPage, chromium
from tests.browser.clips import noisy_clip
from tests.browser.firefox import FirefoxPage, firefox
from tests.browser.relay import Pages, Served, serve
from tests.browser.serve import blank_page_server
from tests.interop.coturn import Coturn, coturn


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def blank() -> AsyncIterator[str]:
    """URL of an empty page, of another origin than the relay's: what it does there needs CORS."""
    async with blank_page_server() as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chrome() -> AsyncIterator[ChromiumPage]:
    """Chromium with its built-in fake camera and microphone."""
    async with chromium() as page:
        yield page


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def noisy_chrome() -> AsyncIterator[ChromiumPage]:
    """Chromium whose camera is a clip that takes every bit that it may have."""
    async with chromium(fake_video=noisy_clip()) as page:
        yield page


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fox() -> AsyncIterator[FirefoxPage]:
    """Firefox with a fake camera and microphone."""
    async with firefox() as page:
        yield page


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served() -> AsyncIterator[Served]:
    """A relay on loopback without tokens. Each test has rooms of its own."""
    async with serve() as relay:
        yield relay


@pytest_asyncio.fixture(loop_scope="session")
async def pages(blank: str) -> AsyncIterator[Pages]:
    """Opens pages for one test; they are hung up and closed after it."""
    async with Pages(blank) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def turn(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Coturn]:
    """A TURN server on loopback."""
    async with coturn(tmp_path_factory.mktemp("turn")) as server:
        yield server
