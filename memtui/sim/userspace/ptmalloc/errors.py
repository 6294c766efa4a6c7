"""What glibc aborts on."""


class HeapCorruption(Exception):
    """The program handed in what is no block; the message is glibc's own where glibc notices it (2.36)."""
