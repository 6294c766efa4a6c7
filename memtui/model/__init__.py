"""Immutable facts about memory: what every source produces and every screen draws. Standard library only."""
