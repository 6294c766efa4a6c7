"""ELF64 files as the model's facts: headers, dynamic section, symbols. The only room that knows pyelftools."""

from memtui.elf_reader.debug_files import read_symbols, symbols_in
from memtui.elf_reader.headers import parse_elf, read_elf

__all__ = ["parse_elf", "read_elf", "read_symbols", "symbols_in"]
