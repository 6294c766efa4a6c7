"""Small programs and libraries made for a test, and the logs of what the dynamic linker does with them."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from memtui.model.step import StepRecord
from tests.oracle.ld_so_predicted import Predicted, Remembering

LINE = re.compile(r"set_tid_address\((\S+)\) .*")
"""The result is the process's number, which nobody can predict."""


class Workshop:
    """A folder in which things are built; programs run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def library(self, path: str, options: str = "", source: str = "", needs: Sequence[str] = ()) -> Path:
        """A shared library below the folder; its soname is its file name unless `options` say otherwise.

        Args:
            path: below the folder.
            options: of gcc.
            source: C; "" for a function of its own name.
            needs: paths of libraries below the folder that it is linked with.
        """
        name = Path(path).name
        symbol = re.sub(r"\W", "_", name)
        soname = "" if "-soname" in options else f"-Wl,-soname,{name}"
        text = source or f"int {symbol}(void) {{ return 1; }}"
        return self._gcc(path, f"-shared -fPIC {soname} {options}", text, needs)

    def program(self, path: str, options: str = "", needs: Sequence[str] = (), source: str = "") -> Path:
        """A program below the folder that ends at once."""
        return self._gcc(path, options, source or "int main(void) { return 0; }", needs)

    def _gcc(self, path: str, options: str, source: str, needs: Sequence[str]) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        linked = [str(self.folder / need) for need in needs]
        line = ["gcc", "-x", "c", "-", "-x", "none", "-o", str(target), "-Wl,--no-as-needed", *options.split(), *linked]
        line += ["-Wl,--allow-shlib-undefined", f"-Wl,-rpath-link,{self.folder}"]
        subprocess.run(line, input=source.encode(), check=True, cwd=self.folder, capture_output=True)
        return target

    def strace(self, argv: Sequence[str], env: Mapping[str, str], under: Sequence[str] = ()) -> list[str]:
        """The log of a program with ASLR off, without its execve; `under` is put before strace."""
        log = self.folder / "strace.log"
        start = [*under, "setarch", "-R", "strace", "-E", "_", "-o", str(log)]
        for name in ("_", "LD_LIBRARY_PATH"):
            start += ["-E", name]
        for name, value in env.items():
            start += ["-E", f"{name}={value}"]
        done = subprocess.run([*start, *argv], capture_output=True, check=False, cwd=self.folder, env={})
        assert log.exists(), done.stderr
        return log.read_text(errors="surrogateescape").splitlines()[1:]

    def predicted(
        self, argv: Sequence[str], env: Mapping[str, str], host: Remembering | None = None
    ) -> list[StepRecord]:
        """What the simulator makes of the same."""
        here = os.getcwd()
        os.chdir(self.folder)
        try:
            variables = [f"{name}={value}" for name, value in env.items()]
            return Predicted(host or Remembering(), argv[0], argv, variables).run()
        finally:
            os.chdir(here)


def comparable(lines: Sequence[str]) -> list[str]:
    """Without what cannot be predicted."""
    return [LINE.sub(r"set_tid_address(\1)", line) for line in lines]
