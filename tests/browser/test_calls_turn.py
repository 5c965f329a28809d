"""Calls with browsers by a TURN server alone, over UDP, TCP and TLS: of one side only relayed candidates are told, ours or the
page's, and the other has its own addresses."""

from __future__ import annotations

import base64
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from rtcengine import NetworkOptions, RTCConfiguration, RTCIceServer, RTCIceTransportPolicy, RTCPeerConnection
from tests.browser.authority import vouched
from tests.browser.chromium import ChromiumPage, chromium
from tests.browser.drivers import Page
from tests.browser.firefox import FirefoxPage, firefox
from tests.browser.relay import Pages
from tests.browser.talk import HERE, Ends, talk
from tests.interop.coturn import PASSWORD, USER, Coturn, coturn

pytestmark = pytest.mark.asyncio(loop_scope="session")

URLS = {"udp": "turn:{}:{}", "tcp": "turn:{}:{}?transport=tcp", "tls": "turns:{}:{}?transport=tcp"}
long = pytest.mark.long


def url(server: Coturn, over: str, host: str = HERE) -> str:
    return URLS[over].format(host, server.tls_port if over == "tls" else server.port)


def ours_by_relay(server: Coturn, over: str) -> RTCPeerConnection:
    servers = [RTCIceServer(url(server, over), USER, PASSWORD)]
    configuration = RTCConfiguration(iceServers=servers, iceTransportPolicy=RTCIceTransportPolicy.RELAY)
    return RTCPeerConnection(configuration, network=NetworkOptions(addresses=(HERE,), turn_insecure=True))


async def we_are_relayed(page: Page, server: Coturn, over: str, we_offer: bool) -> Ends:
    """The page has no server, and nothing else of ours is told to it."""
    used = await talk(page, ours_by_relay(server, over), we_offer=we_offer, trickle=True, way=f"our relay by {over}")
    assert used.ours["type"] == "relay" and used.page_theirs["port"] == used.ours["port"]
    assert used.page_theirs["type"] in ("relay", "prflx") and used.theirs["type"] in ("host", "prflx")
    return used


async def page_is_relayed(page: Page, server: Coturn, over: str, we_offer: bool, host: str = HERE) -> Ends:
    """`host`: the server's name for the page."""
    servers = [{"urls": url(server, over, host), "username": USER, "credential": PASSWORD}]
    ours = RTCPeerConnection(network=NetworkOptions(addresses=(HERE,)))
    configuration = {"iceServers": servers, "iceTransportPolicy": "relay"}
    said = f"page's relay by {over}"
    used = await talk(page, ours, we_offer=we_offer, trickle=True, configuration=configuration, way=said)
    assert used.page_ours["type"] == "relay" and used.theirs["port"] == used.page_ours["port"]
    assert used.ours["type"] == "host"
    return used


def ways(short: set[tuple[str, bool]]) -> pytest.MarkDecorator:
    """Over what, and who offers: those of `short` in every run."""
    params = []
    for over, offers in itertools.product(URLS, ("we offer", "it offers")):
        one = over, offers == "we offer"
        params.append(pytest.param(*one, id=f"{over}-{offers}", marks=() if one in short else long))
    return pytest.mark.parametrize(("over", "we_offer"), params)


@ways({("tls", True)})
async def test_we_by_relay_chromium(over: str, we_offer: bool, chrome: ChromiumPage, pages: Pages, turn: Coturn) -> None:
    await we_are_relayed(await pages.open(chrome), turn, over, we_offer)


@ways(set())
async def test_we_by_relay_firefox(over: str, we_offer: bool, fox: FirefoxPage, pages: Pages, turn: Coturn) -> None:
    await we_are_relayed(await pages.open(fox), turn, over, we_offer)


@pytest.mark.parametrize("we_offer", [pytest.param(True, marks=long), False], ids=["we offer", "it offers"])
@pytest.mark.parametrize("over", [pytest.param("udp", marks=long), "tcp"])
async def test_chromium_by_relay(over: str, we_offer: bool, chrome: ChromiumPage, pages: Pages, turn: Coturn) -> None:
    await page_is_relayed(await pages.open(chrome), turn, over, we_offer)


@long
@pytest.mark.parametrize("we_offer", [True, False], ids=["we offer", "it offers"])
@pytest.mark.parametrize("over", ["udp", "tcp"])
async def test_firefox_by_relay(over: str, we_offer: bool, fox: FirefoxPage, pages: Pages, turn: Coturn) -> None:
    await page_is_relayed(await pages.open(fox), turn, over, we_offer)


@contextlib.asynccontextmanager
async def trusting(certificate: bytes) -> AsyncIterator[ChromiumPage]:
    """Chromium that takes this certificate, by the digest of its key; ignoring errors of pages covers no TURN server."""
    key = x509.load_pem_x509_certificate(certificate).public_key()
    form = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(form)
    pin = base64.b64encode(digest.finalize()).decode()
    async with chromium(args=[f"--ignore-certificate-errors-spki-list={pin}"]) as page:
        yield page


@long
@pytest.mark.parametrize("we_offer", [True, False], ids=["we offer", "it offers"])
async def test_chromium_by_relay_over_tls(we_offer: bool, blank: str, tmp_path: Path) -> None:
    async with coturn(tmp_path) as server, trusting(server.certificate) as page:
        await page.goto(blank)
        await page_is_relayed(page, server, "tls", we_offer)


@pytest.mark.parametrize("we_offer", [pytest.param(True, marks=long), False], ids=["we offer", "it offers"])
async def test_firefox_by_relay_over_tls(we_offer: bool, blank: str, tmp_path: Path) -> None:
    """It checks the certificate, by the server's name: without one it does not connect at all."""
    known = vouched("localhost")
    async with (
        coturn(tmp_path, cert_pem=known.cert_pem, key_pem=known.key_pem) as server,
        firefox(authority=known.authority) as page,
    ):
        await page.goto(blank)
        await page_is_relayed(page, server, "tls", we_offer, host="localhost")
        assert any("TLS" in line and "cipher" in line.lower() for line in server.said)
