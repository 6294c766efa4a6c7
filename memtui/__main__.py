"""`python -m memtui`."""

from memtui.start import main

main()
