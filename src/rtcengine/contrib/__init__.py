"""What programs for aiortc find beside it."""
