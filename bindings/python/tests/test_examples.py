# SPDX-License-Identifier: BSD-2-Clause
"""Each example does what it says, and the README's commands are no lies."""

import os
import re
import subprocess
import sys

import pytest
from conftest import PATIENCE

import vmq

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(HERE)), "examples", "python")


def start(name, *args):
    return subprocess.Popen(
        [sys.executable, os.path.join(EXAMPLES, name), *args], stdout=subprocess.PIPE, text=True
    )


def output(name, *args):
    process = start(name, *args)
    try:
        said = process.communicate(timeout=4 * PATIENCE)[0]
    finally:
        process.kill()
    assert process.returncode == 0
    return said.splitlines()


def test_all_are_tested():
    assert sorted(os.listdir(EXAMPLES)) == ["aio.py", "echo.py", "numpy_pages.py", "vmm.py"]


def test_echo(hub):
    server = start("echo.py", f"sim:unix={hub.path}?name=server")
    try:
        said = output("echo.py", f"sim:unix={hub.path}?name=client", "server", "one", "two words")
        assert said == ["one", "two words"]
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_aio():
    assert sorted(output("aio.py")) == ["ONE", "THREE", "TWO"]


def test_numpy_pages():
    pytest.importorskip("numpy")
    assert output("numpy_pages.py") == [
        "half of everything: 64 MiB, sum 4194304",
        "64 MiB moved, 18 bytes copied",
    ]


def test_vmm():
    lines = output("vmm.py")
    assert sorted(lines[:2]) == ["greetings from a", "greetings from b"]
    assert sorted(re.sub(r"\d+", "N", line) for line in lines[2:]) == [
        "a N timer exits",
        "b N timer exits",
    ]
    with open(os.path.join(EXAMPLES, "vmm.py")) as file:
        code = file.read().split('"""')[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 20


@pytest.mark.parametrize(
    "folder, count, first",
    [(HERE, 5, "b'hello'"), (os.path.join(HERE, "..", ".."), 1, "guest got: hello from the host")],
)
def test_the_readmes_python_runs(folder, count, first):
    """Each block of Python in a README, one after the other in one program."""
    with open(os.path.join(folder, "README.md")) as file:
        blocks = re.findall(r"```python\n(.*?)```", file.read(), re.S)
    assert len(blocks) >= count
    done = subprocess.run(
        [sys.executable, "-"], input="\n".join(blocks), stdout=subprocess.PIPE, text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == first
    assert vmq.__version__
