"""The built-in demos, one story a .trace file."""
