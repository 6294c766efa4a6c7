"""Scripts that run one another, and the limits of what execve is given, against the running kernel."""

import os
import random
from pathlib import Path

import pytest

from tests.oracle.exec_stop import Ask
from tests.oracle.test_exec import predict, pytestmark

__all__ = ["pytestmark"]

COUNT = int(os.environ.get("MEMTUI_EXEC_SCRIPTS", "150"))
PAGE = 4096
LINES = {
    "nothing": "#!",
    "newline": "#!\n",
    "blanks": "#! \t \n",
    "only blanks": "#!" + " " * 300,
    "no newline": "#!/bin/sh",
    "blank at the end of the file": "#!/bin/sh ",
    "argument, no newline": "#!/bin/sh -e",
    "argument, blank, no newline": "#!/bin/sh -e ",
    "tabs": "#!\t/bin/sh\t-e\tx\t\n",
    "arguments": "#! /bin/sh  -e  -x y  \nexit\n",
    "carriage return": "#!/bin/sh\r\nexit\n",
    "nul": "#!/bin/sh\0-e\n",
    "nul behind a blank": "#!/bin/sh \0-e\n",
    "nul in the argument": "#!/bin/sh -e\0f g\n",
    "missing": "#!/nowhere/sh\n",
    "folder": "#!/tmp\n",
    "not executable": "#!/etc/passwd\n",
    "not a folder": "#!/etc/passwd/sh\n",
    "device": "#!/dev/null\n",
    "text": "echo\n",
    "empty": "",
    "one byte": "#",
    "no root": "#!sh\n",
    "long argument": "#!/bin/sh " + "a" * 400 + "\n",
    "long name": "#!/" + "a" * 400 + "\n",
    "newline at 255": "#!/bin/sh " + "a" * 245 + "\n",
    "newline at 254": "#!/bin/sh " + "a" * 244 + "\n",
    "name up to 254": "#!/" + "b/" * 126 + "\n",
    "name up to 255": "#!/" + "./" * 122 + "bin/sh\n",
    "name up to 256": "#!/" + "./" * 122 + "/bin/sh\n",
    "many blanks": "#!" + " " * 246 + "/bin/sh\n",
    "too many blanks": "#!" + " " * 247 + "/bin/sh\n",
}


def script(path: Path, text: str) -> str:
    path.write_bytes(os.fsencode(text))
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("name", LINES)
def test_the_first_line(ask: Ask, tmp_path: Path, name: str):
    path = script(tmp_path / "script", LINES[name])
    for argv in (["x", "one"], [], [""]):
        assert predict(path, argv, {"A": "b"}, None) == ask(path, argv, {"A": "b"}, None)


@pytest.mark.parametrize("levels", range(1, 9))
def test_scripts_that_run_scripts(ask: Ask, tmp_path: Path, levels: int):
    path = "/bin/sh"
    for level in range(levels):
        path = script(tmp_path / f"level{level}", f"#!{path} -{level}\n")
    assert predict(path, ["x", "one"], {}, None) == ask(path, ["x", "one"], {}, None)


def test_a_script_that_runs_itself(ask: Ask, tmp_path: Path):
    path = script(tmp_path / "own", f"#!{tmp_path}/own\n")
    assert predict(path, ["x"], {}, None) == ask(path, ["x"], {}, None) == {"errno": "ELOOP"}


def test_what_cannot_be_executed(ask: Ask, tmp_path: Path):
    plain = tmp_path / "plain"
    plain.write_bytes(Path("/bin/true").read_bytes())
    plain.chmod(0o644)
    (tmp_path / "gone").symlink_to(tmp_path / "none")
    for path in (
        *(str(plain), "/tmp", "/dev/null", "", "/none", str(tmp_path / "gone")),
        *("/bin/true/", "/bin/true/x", "/" + "a" * 256, "/" + "./" * 2048, "/proc/self/maps", "/proc/meminfo"),
    ):
        assert predict(path, ["x"], {}, None) == ask(path, ["x"], {}, None), path


def test_strings_and_limits_of_all_sizes(ask: Ask, tmp_path: Path):
    rng, wrong = random.Random(20618), []
    run = script(tmp_path / "run", "#!/bin/sh -e\n")
    for number in range(COUNT):
        stack = rng.choice(
            (0, 1, 4095, 4096, 8191, 8192, 12288, 1 << 17, (1 << 17) + 1, 1 << 18, 1 << 19, 8 << 20, 1 << 26, -1)
        )
        longest = rng.choice((10, 200, 5000, 40_000, 131_071, 131_072))
        argv = ["a" * rng.randrange(longest + 1) for _ in range(rng.choice((1, 2, 3, 30, 300)))]
        env = {f"V{count}": "b" * rng.randrange(longest) for count in range(rng.choice((0, 1, 5, 50)))}
        if sum(map(len, argv)) + sum(map(len, env.values())) > 9 << 20:
            argv = argv[:20]
        edge = (3 << 20) * 2 if stack < 0 or stack > 24 << 20 else max(stack // 4, 128 << 10)
        path = rng.choice(("/bin/true", run))
        if rng.random() < 0.5:  # near the limit
            env = {f"V{count}": "b" * 100_000 for count in range(edge // 100_020)}
            used = (
                len(path) + 1 + sum(len(text) + 9 for text in argv) + sum(len(n) + len(v) + 10 for n, v in env.items())
            )
            argv.append("c" * min(max(edge - used - 9 + rng.randint(-20, 3), 0), 131_071))
        real, predicted = ask(path, argv, env, stack), predict(path, argv, env, stack)
        if real != predicted:
            wrong.append((number, path, stack, len(argv), len(env), longest, real, predicted))
    assert wrong == []
