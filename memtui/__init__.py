"""memtui: see how Linux manages process memory."""

__version__ = "0.1.0"
