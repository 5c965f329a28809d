"""Sources of pictures and sound."""
