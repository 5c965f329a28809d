"""A call over signalling that nobody trusts: logins sign the fingerprints of their certificates, and what the peer shows is
compared with what its login signed before any media passes (`verify_peer`), whatever the description says.

Two processes that talk over their standard input and output, a JSON object a line:

    for i in alice bob; do openssl genpkey -algorithm ed25519 -out $i.pem; openssl pkey -in $i.pem -pubout -out $i.pub; done
    socat EXEC:"python signed_fingerprint.py offer alice alice.pem bob bob.pub" \\
          EXEC:"python signed_fingerprint.py answer bob bob.pem alice alice.pub"
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import hashlib
import hmac
import json
import sys
import time
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

import rtcengine as rtc

SECONDS = 60  # that a signature holds
tell = functools.partial(print, file=sys.stderr, flush=True)


class Login:
    def __init__(self, me: str, key: Ed25519PrivateKey, peer: str, peer_key: Ed25519PublicKey) -> None:
        self.me, self.peer, self._key, self._peer_key = me, peer, key, peer_key

    def sign(self, fingerprint: str) -> dict[str, str]:
        statement = json.dumps([self.me, self.peer, fingerprint, time.time() + SECONDS])
        return {"statement": statement, "signature": self._key.sign(statement.encode()).hex()}

    def read(self, message: dict[str, str]) -> str:
        self._peer_key.verify(bytes.fromhex(message["signature"]), message["statement"].encode())
        *who, fingerprint, ends = json.loads(message["statement"])
        if who != [self.peer, self.me] or ends <= time.time():
            raise ValueError("signed by or for somebody else, or too long ago")
        return str(fingerprint)


async def call(role: str, login: Login) -> None:
    certificate = rtc.RTCCertificate.generateCertificate()
    signed = ""  # by the peer; nobody is verified before it is known

    def verify(shown: list[bytes]) -> bool:
        right = hmac.compare_digest(hashlib.sha256(shown[0]).digest().hex(":").upper(), signed)
        tell(f"{login.peer} is verified" if right else f"refused: this is not the certificate of {login.peer}")
        return right

    pc = rtc.RTCPeerConnection(rtc.RTCConfiguration(certificates=[certificate], verify_peer=verify))
    pc.addTrack(rtc.AudioStreamTrack())
    pc.on("connectionstatechange", lambda: tell(pc.connectionState))

    @pc.on("track")
    async def on_track(track: rtc.MediaStreamTrack) -> None:
        with contextlib.suppress(rtc.MediaStreamError):  # the call ended before
            await track.recv()
            tell(f"media of {login.peer}")

    async def speak() -> None:
        await pc.setLocalDescription()
        print(json.dumps(vars(pc.localDescription) | login.sign(certificate.certificate.fingerprint())), flush=True)

    try:
        if role == "offer":
            await speak()
        if line := await asyncio.to_thread(sys.stdin.readline):
            message = json.loads(line)
            signed = login.read(message)
            await pc.setRemoteDescription(rtc.RTCSessionDescription(message["sdp"], message["type"]))
            if role == "answer":
                await speak()
            await asyncio.to_thread(sys.stdin.read)  # until the other one hangs up
    except (ValueError, InvalidSignature) as error:
        tell(f"refused: {str(error) or 'a forged signature'}")
    finally:
        await pc.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("role", "me", "key", "peer", "peer_key"):
        parser.add_argument(name)
    given = parser.parse_args()
    private = load_pem_private_key(Path(given.key).read_bytes(), None)
    public = load_pem_public_key(Path(given.peer_key).read_bytes())
    assert isinstance(private, Ed25519PrivateKey) and isinstance(public, Ed25519PublicKey), "no Ed25519 keys"
    asyncio.run(call(given.role, Login(given.me, private, given.peer, public)))
