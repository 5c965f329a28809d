"""What `rtcengine relay` says when it starts: versions, addresses, who may do what, and what should be mended."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict, dataclass
from typing import Any

from .. import __version__
from ..engine import Address
from ..relay.relay import Relay
from ..relay.server import Server
from . import machine
from .style import Style


def hostport(address: Address) -> str:
    """As in a URL: "192.0.2.1:8189", "[2001:db8::1]:8189"."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known when the relay is ready. `url` is the page; `port` its port, `udp_port` that of all media."""

    url: str
    port: int
    udp_port: int
    urls: list[str]
    demo: str | None
    version: str
    openssl: str
    libopus: str
    batching: list[str]
    bound: list[str]
    advertised: list[str]
    publish_token: bool
    watch_token: bool
    warnings: list[str]

    def as_event(self) -> dict[str, Any]:
        return asdict(self)


def collect(relay: Relay, server: Server, demo_room: str | None) -> Facts:
    """Looks at a relay whose server runs."""
    urls = server.urls()
    config, features = relay.config, relay.engine.features
    return Facts(
        url=urls[0],
        port=server.port,
        udp_port=relay.engine.port,
        urls=urls,
        demo=urls[0] + demo_room if demo_room else None,
        version=__version__,
        openssl=str(features["crypto"]),
        libopus=machine.opus_version(),
        batching=[name for name in ("recvmmsg", "sendmmsg", "gso") if features[name]],
        bound=[hostport(address) for address in relay.engine.addresses],
        advertised=relay.advertised(),
        publish_token=bool(config.token),
        watch_token=bool(config.watch_token),
        warnings=warnings(relay),
    )


def only_local(host: str) -> bool:
    """Whether only this machine reaches a server bound to the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def warnings(relay: Relay) -> list[str]:
    """What works now but will trouble somebody, with what to do about it."""
    found = []
    config, features = relay.config, relay.engine.features
    for name, what, key in (("rcvbuf", "receive", "rmem_max"), ("sndbuf", "send", "wmem_max")):
        granted = min(features[name], default=0)
        if granted < machine.BUFFER_WANTED:
            found.append(
                f"the UDP {what} buffer is {granted} bytes, bursts will be lost; as root: "
                f"sysctl -w net.core.{key}={machine.BUFFER_LIMIT}"
            )
    if not only_local(config.host):
        if not config.tls:
            found.append("plain http: browsers on other machines give no camera; use --tls or --cert")
        if not config.token:
            found.append("whoever reaches this address may publish; use --token")
    if not config.public_ips and relay.advertised() in ([], ["127.0.0.1"]):
        found.append("no address but loopback is advertised: other machines need --public-ip ADDRESS")
    return found


def as_lines(facts: Facts, style: Style) -> list[str]:
    """The banner for a person, without the line that says ready."""
    opus = facts.libopus or "no libopus"
    batching = "+".join(facts.batching) or "one datagram a system call"
    base = facts.url.rstrip("/")
    token = {True: "by token", False: "anybody"}
    lines = [
        f"{style.bold(f'rtcengine {facts.version}')}  {facts.openssl}  {opus}  {batching}",
        f"  page       {'  '.join(facts.urls)}",
    ]
    if facts.demo:
        lines.append(f"  demo       {style.paint('cyan', facts.demo)}  (a test picture, made here)")
    lines += [
        f"  publish    {base}/<room> or by WHIP {base}/<room>/whip  ({token[facts.publish_token]})",
        f"  watch      {base}/<room> or by WHEP {base}/<room>/whep  ({token[facts.watch_token]})",
        f"  media      udp {', '.join(facts.bound)}  advertised {', '.join(facts.advertised) or 'nothing'}",
    ]
    lines += [f"  {style.paint('yellow', 'warning')}    {text}" for text in facts.warnings]
    return lines
