"""One module a kernel file, spelled as the kernel spells it; pure functions and values."""
