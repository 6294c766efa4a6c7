"""A small Linux: a simulated kernel and what runs above its system calls."""
