"""Frames encrypted from end to end (RFC 9605), as a transform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..sframe import SFrameReceiver, SFrameSender
from .transform import TransformFrame

if TYPE_CHECKING:
    from typing_extensions import Buffer


class SFrameTransform:
    """Encrypts what goes out with one key, and decrypts what comes in with any of those that it has::

    sender.transform = SFrameTransform("AES_128_GCM_SHA256_128", key, kid=7)
    receiver.transform = SFrameTransform("AES_128_GCM_SHA256_128", key, kid=7)

    One object may serve any number of senders, and must when they have the same key and KID: their frames are numbered
    together, since no number may come twice under one key (RFC 9605 §9.1). So a program that begins anew needs another key,
    or another KID. For what comes in there is one object a connection: it takes each frame once.

    Any thread, one at a time, may change its keys while frames go through it on the event loop's.
    """

    opaque = True

    def __init__(self, suite: str, key: Buffer, kid: int, *, keys: Mapping[int, Buffer] | None = None) -> None:
        self._suite = suite
        self._sender = SFrameSender(suite, key, kid)
        self._receiver = SFrameReceiver(suite, {kid: key, **(keys or {})})

    @property
    def kid(self) -> int:
        """What is encrypted with now."""
        return self._sender.kid

    def set_key(self, key: Buffer, kid: int) -> None:
        """Encrypts with this key from the next frame on, and decrypts with it too. The KID has to be another one, so that no
        key is begun twice: ValueError."""
        if kid in self._receiver.kids:
            raise ValueError(f"there is a key with the KID {kid} already")
        self._receiver.add_key(kid, key)
        self._sender = SFrameSender(self._suite, key, kid)

    def add_key(self, kid: int, key: Buffer) -> None:
        """Decrypts with this key too."""
        self._receiver.add_key(kid, key)

    def remove_key(self, kid: int) -> None:
        """Decrypts with it no more. KeyError when there is none."""
        self._receiver.remove_key(kid)

    def __call__(self, frame: TransformFrame) -> bytes:
        return self._sender.encrypt(frame.data) if frame.outgoing else self._receiver.decrypt(frame.data)
