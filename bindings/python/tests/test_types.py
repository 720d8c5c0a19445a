# SPDX-License-Identifier: BSD-2-Clause
"""The package and its examples are typed: mypy has nothing to say."""

import os
import re
import shutil
import subprocess

import pytest

import vmq

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE = os.path.dirname(os.path.dirname(HERE))


def mypy(tmp_path, *files):
    tool = shutil.which("mypy")
    if not tool:
        pytest.skip("mypy was not found")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["MYPYPATH"] = HERE
    done = subprocess.run(
        [tool, "--strict", f"--cache-dir={tmp_path.parent}/cache", *files],
        env=environment,
        cwd=str(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def test_the_package_is_typed(tmp_path):
    code, said = mypy(tmp_path, os.path.join(HERE, "vmq"))
    assert code == 0, said
    assert os.path.exists(os.path.join(HERE, "vmq", "py.typed"))


def test_a_user_of_it_is_checked(tmp_path):
    good = tmp_path / "good.py"
    good.write_text(
        "import vmq\n\n\n"
        "def echo(address: str) -> int:\n"
        "    with vmq.open(address) as q:\n"
        "        for msg in q:\n"
        "            q.send(msg.peer, msg.data, when=vmq.When.LAZY)\n"
        "            with q.reserve(msg.peer, len(msg.data), timeout=1) as room:\n"
        "                room.view[:] = msg.data\n"
        "            q.sendv(msg.peer, [b'a', room.view])\n"
        "        return q.stats.sent\n\n\n"
        "def serve(vmm: vmq.Vmm, path: str) -> bool:\n"
        "    with vmm.bridge(path, log=print) as bridge:\n"
        "        bridge.connect(path)\n"
        "        return bridge.run(0)\n"
    )
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import vmq\n\n"
        'q = vmq.open("sim:x?name=a")\n'
        "sent: str = q.stats.sent\n"
        'with q.reserve("b", "5"):\n'
        "    q.sendv(b'b', [])\n"
    )
    code, said = mypy(tmp_path, str(good))
    assert code == 0, said
    code, said = mypy(tmp_path, str(bad))
    assert code == 1 and "Incompatible types" in said and "Found 3 errors" in said


def test_all_names_are_there():
    for name in vmq.__all__:
        assert hasattr(vmq, name)


def test_only_declared_functions_are_called():
    """Whatever is called of the library has its prototype in _c.py."""
    from vmq import _c

    folder = os.path.join(HERE, "vmq")
    called = set()
    for name in os.listdir(folder):
        if name.endswith(".py"):
            with open(os.path.join(folder, name)) as file:
                called |= set(re.findall(r"\blib(?:rary)?\.(vmq_\w+)", file.read()))
    assert called and called <= set(_c.PROTOTYPES)
