"""Encoders and decoders over PyAV and opuslib: frames in, encoded frames out."""
