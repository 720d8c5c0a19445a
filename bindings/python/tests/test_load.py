# SPDX-License-Identifier: BSD-2-Clause
"""Where the library is looked for, and what is said when it is not there."""

import os
import subprocess
import sys

import pytest

import vmq
from conftest import PATIENCE

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(vmq.__file__)))
LIBRARY = os.path.realpath(os.environ["VMQ_LIBRARY"]) if os.environ.get("VMQ_LIBRARY") else ""
needs_library = pytest.mark.skipif(not LIBRARY, reason="VMQ_LIBRARY names no library to copy")


def imported(tmp_path, **settings):
    """The last line of a Python that imports the package with these settings alone."""
    environment = {k: v for k, v in os.environ.items() if k != "VMQ_LIBRARY"}
    environment.update(PYTHONPATH=PACKAGE, PKG_CONFIG="/nonexistent/pkg-config")
    environment.update(settings)
    done = subprocess.run(
        [sys.executable, "-c", "import vmq; print(vmq.library_version(), vmq.library_path())"],
        env=environment,
        cwd=str(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        text=True,
    )
    return done.returncode, done.stdout.strip().splitlines()[-1]


def folder_with(tmp_path, name="libvmq.so.0"):
    folder = tmp_path / "lib"
    folder.mkdir()
    os.symlink(LIBRARY, str(folder / name))
    return str(folder)


def pkg_config(tmp_path, says):
    script = tmp_path / "pkg-config"
    script.write_text(f'#!/bin/sh\n[ "$*" = "--variable=libdir vmq" ] && echo "{says}"\n')
    script.chmod(0o755)
    return str(script)


def test_the_versions_agree():
    assert vmq.__version__.split(".")[:2] == vmq.library_version().split(".")[:2]


@needs_library
def test_the_environment_has_the_last_word(tmp_path):
    path = folder_with(tmp_path, "mine.so") + "/mine.so"
    assert imported(tmp_path, VMQ_LIBRARY=path) == (0, f"{vmq.__version__} {path}")


@needs_library
def test_then_pkg_config_is_asked(tmp_path):
    folder = folder_with(tmp_path)
    code, line = imported(tmp_path, PKG_CONFIG=pkg_config(tmp_path, folder))
    assert (code, line) == (0, f"{vmq.__version__} {folder}/libvmq.so.0")


@needs_library
def test_then_the_loader(tmp_path):
    code, line = imported(
        tmp_path,
        LD_LIBRARY_PATH=folder_with(tmp_path),
        PKG_CONFIG=pkg_config(tmp_path, "/nonexistent/lib"),
    )
    assert (code, line) == (0, f"{vmq.__version__} libvmq.so.0")


def test_a_wrong_path_gives_one_line(tmp_path):
    for path in ("/nonexistent/libvmq.so", str(tmp_path), __file__):
        code, line = imported(tmp_path, VMQ_LIBRARY=path)
        assert code == 1 and line.startswith("ImportError: vmq: VMQ_LIBRARY is") and path in line


def test_a_library_that_is_another_gives_one_line(tmp_path):
    code, line = imported(tmp_path, VMQ_LIBRARY="libc.so.6")
    assert code == 1 and line.startswith("ImportError: vmq: not the libvmq of version")
    assert "set VMQ_LIBRARY" in line


def test_none_gives_one_line_that_says_what_was_looked_for(tmp_path):
    if subprocess.run("ldconfig -p 2>/dev/null | grep -q libvmq.so.0", shell=True).returncode == 0:
        pytest.skip("the loader knows a libvmq.so.0 on this machine")
    code, line = imported(tmp_path, PKG_CONFIG=pkg_config(tmp_path, "/nonexistent/lib"))
    assert code == 1
    for word in (
        "found no libvmq.so.0",
        "VMQ_LIBRARY is not set",
        "pkg-config: /nonexistent/lib/libvmq.so.0",
        "the loader:",
        "install libvmq",
    ):
        assert word in line
    code, line = imported(tmp_path)
    assert code == 1 and "pkg-config does not know vmq" in line


def test_another_version_is_refused(tmp_path):
    """The check of the version, with a package that says it is a later one."""
    copy = tmp_path / "vmq"
    copy.mkdir()
    source = os.path.dirname(vmq.__file__)
    for name in os.listdir(source):
        if name.endswith(".py"):
            with open(os.path.join(source, name)) as file:
                (copy / name).write_text(file.read())
    (copy / "_version.py").write_text('__version__ = "0.99.0"\n')
    path = str(vmq.library_path())
    code, line = imported(tmp_path, PYTHONPATH=str(tmp_path), VMQ_LIBRARY=path)
    assert code == 1 and "is for libvmq 0.99.0" in line and vmq.library_version() in line
