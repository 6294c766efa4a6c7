"""The one text language of steps: strace and ltrace lines in and out."""
