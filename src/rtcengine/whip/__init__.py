"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) from the client's side: publish to an address, watch one."""

from .errors import WhipError as WhipError
from .publish import WhipClient as WhipClient
from .watch import WhepClient as WhepClient

__all__ = ["WhepClient", "WhipClient", "WhipError"]
