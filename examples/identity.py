"""A call whose ends prove who they are: an identity provider (RFC 8827 §7) signs user, certificates and an end with Ed25519.

Two processes that talk over their standard input and output, a JSON object a line:

    openssl genpkey -algorithm ed25519 -out provider.pem
    socat EXEC:"python identity.py offer alice@example.org bob@example.org provider.pem" \\
          EXEC:"python identity.py answer bob@example.org alice@example.org provider.pem"

Here both have the provider's private key. In earnest it signs for whoever is logged in; peers have the public half.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import functools
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import rtcengine as rtc


class SignedIdentity:
    """The provider: anything with a domain and these two coroutines will do."""

    domain = "example.org"

    def __init__(self, key: Ed25519PrivateKey, user: str, seconds: float) -> None:
        self.key, self.user, self.seconds = key, user, seconds

    async def generate(self, contents: str) -> str:
        body = json.dumps({"identity": self.user, "contents": contents, "ends": time.time() + self.seconds})
        return json.dumps({"body": body, "signature": base64.b64encode(self.key.sign(body.encode())).decode()})

    async def validate(self, assertion: str, origin: str) -> Mapping[str, str]:
        signed = json.loads(assertion)
        self.key.public_key().verify(base64.b64decode(signed["signature"]), signed["body"].encode())
        body = json.loads(signed["body"])
        if body["ends"] <= time.time():
            raise rtc.IdentityError("the assertion has expired", "idp-token-expired")
        return {"identity": body["identity"], "contents": body["contents"]}


tell = functools.partial(print, file=sys.stderr, flush=True)


async def speak(pc: rtc.RTCPeerConnection) -> None:
    await pc.setLocalDescription()
    print(json.dumps(vars(pc.localDescription)), flush=True)


async def call(role: str, me: str, peer: str, key: Ed25519PrivateKey, seconds: float) -> None:
    pc = rtc.RTCPeerConnection(rtc.RTCConfiguration(peerIdentity=peer))  # whose description proves somebody else is refused
    pc.setIdentityProvider(SignedIdentity(key, me, seconds))
    pc.addTrack(rtc.AudioStreamTrack())
    pc.on("connectionstatechange", lambda: tell(pc.connectionState))

    @pc.on("track")
    async def on_track(track: rtc.MediaStreamTrack) -> None:
        with contextlib.suppress(rtc.MediaStreamError):  # the call ended before
            await track.recv()
            tell(f"media of {(await pc.peerIdentity).name}")

    try:
        if role == "offer":
            await speak(pc)
        if line := await asyncio.to_thread(sys.stdin.readline):
            await pc.setRemoteDescription(rtc.RTCSessionDescription(**json.loads(line)))
            if role == "answer":
                await speak(pc)
            await asyncio.to_thread(sys.stdin.read)  # until the other one hangs up
    except rtc.IdentityError as error:
        tell(f"refused: {error}")
    finally:
        await pc.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("role", "me", "peer", "key"):
        parser.add_argument(name)
    parser.add_argument("--seconds", type=float, default=60.0, help="life of an assertion")
    given = parser.parse_args()
    private = load_pem_private_key(Path(given.key).read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey), "no Ed25519 key"
    asyncio.run(call(given.role, given.me, given.peer, private, given.seconds))
