# cython: language_level=3, freethreading_compatible=True
"""The one extension: each file below binds one C header's worth of csrc. Structs go by value; nothing is decided here."""

include "bind/err.pxi"
include "bind/base.pxi"
include "bind/srtp.pxi"
include "bind/stats.pxi"
include "bind/capture.pxi"
include "bind/cmd.pxi"
include "bind/sockets.pxi"
include "bind/loop.pxi"
include "bind/rtp.pxi"
include "bind/rtcp.pxi"
include "bind/payload.pxi"
