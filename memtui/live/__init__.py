"""The running kernel through procfs, read only."""
