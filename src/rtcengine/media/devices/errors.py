"""The W3C's errors of devices by its names; its TypeError is Python's."""

from __future__ import annotations


class MediaDeviceError(Exception):
    """Any of them."""


class NotFoundError(MediaDeviceError):
    """There is no device of that kind."""


class NotAllowedError(MediaDeviceError):
    """The system does not let this program use the device."""


class NotReadableError(MediaDeviceError):
    """The device is there and gives nothing: it is in use elsewhere, or it failed, or it is gone."""


class OverconstrainedError(MediaDeviceError):
    """No device can do what is required. `constraint` names a property that by itself none can satisfy, "" when it is only
    all of them together."""

    def __init__(self, constraint: str, message: str = "") -> None:
        super().__init__(message or f"no device satisfies what is required of {constraint or 'all properties together'}")
        self.constraint = constraint
        self.message = str(self)
