"""Tracks: sources of pictures and sound."""
