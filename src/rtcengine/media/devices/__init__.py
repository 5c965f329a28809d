"""Cameras, microphones and screens (W3C mediacapture-main, screen-capture)."""
