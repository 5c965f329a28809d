"""Who the peer is, by the word of an identity provider (RFC 8827 §7, W3C webrtc-identity).

A provider asserts that a user holds certain certificates. Its assertion travels in the description (a=identity) and is
validated before anything else is done with it: a description whose assertion is forged, expired or made for other
certificates is refused, the negotiation stays where it was, and no transport ever learns the peer's address. Since DTLS
holds the peer to the description's fingerprints, who connects is who was asserted.

A browser loads the provider's code from its domain; here the program hands over objects. What is in this file does no I/O:
providers do.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..sdp import SessionDescription
from ..types import Fingerprint
from .errors import IdentityError, InvalidStateError
from .jsep_check import parsed

MAX_ATTRIBUTE = 8192 - len("a=identity:")
"""Characters of an assertion in its description: it has to fit into a line."""
PROVIDER_TIMEOUT_S = 10.0


class IdentityProvider(Protocol):
    """What a program brings. `protocol` ("default" where it is missing) tells several providers of one domain apart."""

    domain: str

    async def generate(self, contents: str) -> str:
        """An assertion that the user holds what `contents` says, a JSON text that `validate` has to give back as it was.
        It should end soon: it is made anew for each description."""

    async def validate(self, assertion: str, origin: str) -> Mapping[str, str]:
        """`identity`, "user@domain" of this provider's domain, and `contents`; whatever it raises refuses."""


@dataclass(frozen=True, slots=True)
class RTCIdentityAssertion:
    """A peer's identity: `name` is "user@domain", `idp` the provider's domain."""

    idp: str
    name: str


class PeerIdentity:
    """Awaitable, as often as wanted: the identity once it is known, or why there is none."""

    def __init__(self) -> None:
        self.assertion: RTCIdentityAssertion | None = None
        self._error: Exception | None = None
        self._waiting: set[asyncio.Future[RTCIdentityAssertion]] = set()

    def __await__(self) -> Generator[Any, None, RTCIdentityAssertion]:
        return self._wait().__await__()

    async def _wait(self) -> RTCIdentityAssertion:
        if self.assertion is not None:
            return self.assertion
        if self._error is not None:
            raise self._error
        future: asyncio.Future[RTCIdentityAssertion] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            return await future
        finally:
            self._waiting.discard(future)

    def resolve(self, assertion: RTCIdentityAssertion) -> None:
        if self.assertion is None and self._error is None:
            self.assertion = assertion
            for future in self._waiting:
                if not future.done():
                    future.set_result(assertion)

    def reject(self, error: Exception) -> None:
        if self.assertion is None and self._error is None:
            self._error = error
            for future in self._waiting:
                if not future.done():
                    future.set_exception(error)


class Identities:
    """Both directions of one connection. `target`: who the peer has to be; the first one validated becomes it."""

    def __init__(self, fingerprints: Callable[[], Iterable[Fingerprint]], target: str | None) -> None:
        self.target = None if target is None else _normal(target)
        self.peer = PeerIdentity()
        self._fingerprints = fingerprints
        self._provider: IdentityProvider | None = None
        self._trusted: dict[tuple[str, str], IdentityProvider] = {}
        self._origin = ""
        self._made: str | None = None

    def use(self, provider: IdentityProvider, origin: str) -> None:
        """Asserts who we are from now on, and validates peers of its own."""
        self._provider, self._origin, self._made = provider, origin, None
        self.trust(provider)

    def trust(self, provider: IdentityProvider) -> None:
        """Validates the peer's assertions of its domain and protocol."""
        if not isinstance(getattr(provider, "domain", None), str) or not provider.domain:
            raise TypeError("a provider has a domain")
        self._trusted[provider.domain.lower(), _protocol(provider)] = provider

    async def attribute(self, *, fresh: bool) -> str | None:
        """What a=identity says of us; not `fresh`: as it was said in a description that has yet to be set."""
        provider = self._provider
        if provider is None:
            return None
        if self._made is None or fresh:
            fingerprints = [{"algorithm": f.algorithm, "digest": f.value} for f in self._fingerprints()]
            assertion = await _ask(provider.generate, json.dumps({"fingerprint": fingerprints}))
            if not isinstance(assertion, str) or not assertion:
                raise IdentityError("the provider gave no assertion", "idp-bad-script-failure")
            idp = {"domain": provider.domain, "protocol": _protocol(provider)}
            text = base64.b64encode(json.dumps({"idp": idp, "assertion": assertion}).encode()).decode()
            if len(text) > MAX_ATTRIBUTE:
                raise IdentityError(f"the assertion has {len(text)} characters, {MAX_ATTRIBUTE} fit", "idp-token-invalid")
            self._made = text
        return self._made

    def spend(self) -> None:
        """A description was set: the next one gets an assertion of its own."""
        self._made = None

    async def check(self, sdp: str) -> RTCIdentityAssertion | None:
        """Whom the peer's description proves; None when it does not say and nobody asks. IdentityError for what proves
        nothing, RTCError for what cannot be read."""
        if self.target is None and not self._trusted:
            return None
        description = parsed(sdp)
        try:
            return await self._check(description)
        except IdentityError as error:
            self.peer.reject(error)
            if self.target is None:
                self.peer = PeerIdentity()  # another description may do better
            raise

    async def _check(self, description: SessionDescription) -> RTCIdentityAssertion | None:
        if description.identity is None:
            if self.target is None:
                return None
            raise IdentityError(f"the description proves nobody's identity, {self.target} is wanted", "idp-token-invalid")
        domain, protocol, assertion = _envelope(description.identity.assertion)
        provider = self._trusted.get((domain, protocol))
        if provider is None:
            raise IdentityError(f"no provider for {domain!a} ({protocol!a}) is trusted", "idp-load-failure")
        result = await _ask(provider.validate, assertion, self._origin)
        name = result.get("identity") if isinstance(result, Mapping) else None
        contents = result.get("contents") if isinstance(result, Mapping) else None
        if not isinstance(name, str) or not isinstance(contents, str):
            raise IdentityError("the provider gave no identity and contents", "idp-bad-script-failure")
        name = _normal(name)
        user, at, of = name.rpartition("@")
        if not user or not at or of != domain:
            raise IdentityError(f"{name!a} is nobody of {domain}", "idp-token-invalid")
        shown = _shown(description)
        if not shown or not shown <= _asserted(contents):
            raise IdentityError(f"{name} is asserted for other certificates than the description's", "idp-token-invalid")
        if self.target is not None and name != self.target:
            raise WrongPeerError(f"the peer is {name}, {self.target} is wanted", "idp-token-invalid")
        return RTCIdentityAssertion(domain, name)

    def settle(self, assertion: RTCIdentityAssertion | None) -> None:
        """The description that proved it holds; whoever comes later has to be the same."""
        if assertion is not None:
            self.target = assertion.name
            self.peer.resolve(assertion)

    def close(self) -> None:
        self.peer.reject(InvalidStateError("the connection is closed"))


class WrongPeerError(IdentityError):
    """Validated, and another one than wanted: the connection is closed (W3C webrtc-identity §8)."""


def _protocol(provider: IdentityProvider) -> str:
    return str(getattr(provider, "protocol", "default"))


def _normal(name: str) -> str:
    """Domains have no case, users may."""
    user, at, domain = name.rpartition("@")
    return f"{user}{at}{domain.lower()}"


async def _ask(question: Callable[..., Awaitable[Any]], *about: str) -> Any:
    try:
        async with asyncio.timeout(PROVIDER_TIMEOUT_S):
            return await question(*about)
    except IdentityError:
        raise
    except TimeoutError:
        raise IdentityError("the provider did not answer in time", "idp-timeout") from None
    except Exception as error:
        raise IdentityError(f"the provider failed: {error}", "idp-execution-failure") from error


def _envelope(text: str) -> tuple[str, str, str]:
    """Domain, protocol and the provider's assertion."""
    try:
        found = json.loads(base64.b64decode(text, validate=True))
        domain, protocol, assertion = found["idp"]["domain"], found["idp"].get("protocol", "default"), found["assertion"]
    except (binascii.Error, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise IdentityError("a=identity cannot be read", "idp-token-invalid") from None
    if not (isinstance(domain, str) and domain and isinstance(protocol, str) and isinstance(assertion, str)):
        raise IdentityError("a=identity names no provider and assertion", "idp-token-invalid")
    return domain.lower(), protocol, assertion


def _asserted(contents: str) -> set[tuple[str, bytes]]:
    try:
        entries = json.loads(contents)["fingerprint"]
        return {(e["algorithm"].lower(), bytes.fromhex(e["digest"].replace(":", ""))) for e in entries}
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise IdentityError("the assertion's contents cannot be read", "idp-token-invalid") from None


def _shown(description: SessionDescription) -> set[tuple[str, bytes]]:
    """Of all levels: whatever a transport may come to trust."""
    levels = [description, *description.media]
    return {(f.algorithm, f.digest) for level in levels for f in level.fingerprints}
