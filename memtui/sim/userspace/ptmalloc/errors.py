"""What glibc aborts on."""


class HeapCorruption(Exception):
    """A block that is none, or was freed before; the message is glibc's own."""
