# SPDX-License-Identifier: BSD-2-Clause
"""pip installs the package from the tree, without network, by the command in README.md; it
finds the library, or says in one line what it looked for and what to do."""

import ctypes.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from vmq import _version

PACKAGE = Path(__file__).resolve().parents[1]
TOP = PACKAGE.parents[1]
SONAME = "libvmq.so." + _version.__version__.split(".")[0]

SAY_HELLO = """
import threading, vmq
with vmq.open("sim:install?name=a") as a, vmq.open("sim:install?name=b") as b:
    looking = threading.Thread(target=b.peer, args=("a", 30))
    looking.start()
    a.peer("b", 30)
    looking.join()
    a.send("b", b"hello", timeout=30)
    print(b.recv(30).data.decode(), vmq.__file__, vmq.library_path())
"""


def clean(**more: str) -> Dict[str, str]:
    """An environment without what this machine says to pip, Python and the loader."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("PIP_", "PYTHON", "VMQ_", "LD_", "PKG_CONFIG", "VIRTUAL_ENV"))}
    folder = str(Path(sys.executable).parent)
    return {**kept, "PATH": folder + os.pathsep + kept.get("PATH", ""), "LC_ALL": "C.UTF-8",
            "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_CACHE_DIR": "1", **more}


def run(*command: str, cwd: Path, env: Dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, timeout=400)


def copy_tree(to: Path) -> Path:
    """What the package is made from, and nothing that was left lying beside it."""
    shutil.copytree(PACKAGE, to / "bindings" / "python",
                    ignore=shutil.ignore_patterns("__pycache__", ".*", "tests", "build", "*.egg-info"))
    (to / "include" / "vmq").mkdir(parents=True)
    shutil.copy(TOP / "include" / "vmq" / "version.h", to / "include" / "vmq")
    shutil.copy(TOP / "LICENSE", to)
    return to


def commands() -> List[str]:
    """The lines of README.md that make a venv and install into it."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", (PACKAGE / "README.md").read_text(), re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.match(r"python3 -m venv |\S*pip install ", line)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, with the package installed as README.md says: in env."""
    ready = run(sys.executable, "-c", "import ensurepip, venv", cwd=TOP, env=clean())
    if ready.returncode:
        pytest.skip("this Python has no venv (python3-venv)")
    top = copy_tree(tmp_path_factory.mktemp("tree"))
    typed = commands()
    assert len(typed) == 2, f"README.md: {typed}"
    for line in typed:
        done = run("sh", "-c", line, cwd=top, env=clean())
        assert done.returncode == 0, f"{line}\n{done.stdout}"
    return top


@pytest.fixture(scope="module")
def library() -> str:
    named = os.environ.get("VMQ_LIBRARY")
    if not named:
        pytest.skip("VMQ_LIBRARY is not set")
    return str(Path(named).resolve())


def installed(tree: Path, *code: str, cwd: Path = Path("/"), **env: str) -> Any:
    return run(str(tree / "env" / "bin" / "python"), "-c", *code, cwd=cwd, env=clean(**env))


def pip(tree: Path, *arguments: str) -> Any:
    return run(str(tree / "env" / "bin" / "pip"), *arguments, cwd=tree, env=clean())


# ---- it is installed, and works --------------------------------------------------------


def test_all_of_the_package_is_installed(tree: Path) -> None:
    wanted = {path.name for path in (PACKAGE / "vmq").iterdir() if path.suffix in (".py", ".typed")}
    (site,) = (tree / "env" / "lib").glob("python3*/site-packages")
    assert {path.name for path in (site / "vmq").iterdir() if path.is_file()} == wanted
    shown = pip(tree, "show", "vmq").stdout
    assert f"Version: {_version.__version__}" in shown and "License: BSD-2-Clause" in shown
    assert pip(tree, "check").returncode == 0


def test_nothing_was_left_in_the_tree(tree: Path) -> None:
    left = {path.name for path in (tree / "bindings" / "python").iterdir()} - {"__pycache__"}
    assert left == {path.name for path in copy_tree(tree / "fresh").joinpath("bindings", "python").iterdir()}


def test_a_message_with_vmq_library(tree: Path, library: str) -> None:
    said = installed(tree, SAY_HELLO, VMQ_LIBRARY=library).stdout.split()
    assert said[0] == "hello"
    assert said[1].startswith(str(tree / "env")) and said[2] == library


def soname_in(folder: Path, library: str) -> Path:
    folder.mkdir()
    (folder / SONAME).symlink_to(library)
    return folder


def test_a_message_through_the_loader(tree: Path, library: str, tmp_path: Path) -> None:
    folder = soname_in(tmp_path / "lib", library)
    said = installed(tree, SAY_HELLO, PKG_CONFIG="false", LD_LIBRARY_PATH=str(folder)).stdout.split()
    assert said[0] == "hello" and said[2] == SONAME


def test_a_message_through_pkg_config(tree: Path, library: str, tmp_path: Path) -> None:
    if not shutil.which("pkg-config"):
        pytest.skip("no pkg-config")
    folder = soname_in(tmp_path / "lib", library)
    (tmp_path / "vmq.pc").write_text(f"libdir={folder}\nName: vmq\nDescription: vmq\nVersion: 0\n")
    said = installed(tree, SAY_HELLO, PKG_CONFIG_PATH=str(tmp_path)).stdout.split()
    assert said[0] == "hello" and said[2] == str(folder / SONAME)


# ---- no library, or a wrong one: one line ------------------------------------------------


def refused(tree: Path, **env: str) -> str:
    """The last line of `import vmq`, which is all that it has to say."""
    done = installed(tree, "import vmq", **env)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith((" ", "Traceback"))] == lines[-1:], done.stdout
    assert lines[-1].startswith("ImportError: vmq: ")
    return lines[-1]


def test_no_library(tree: Path) -> None:
    env = {"PKG_CONFIG_PATH": "/nonexistent", "PKG_CONFIG_LIBDIR": "/nonexistent"}
    if ctypes.util.find_library("vmq"):
        pytest.skip("a libvmq is installed on this machine")
    line = refused(tree, **env)
    for part in ("VMQ_LIBRARY is not set", "pkg-config", "the loader", SONAME, "install"):
        assert part in line


@pytest.mark.parametrize("what, part", [
    ("/nonexistent/libvmq.so", "/nonexistent/libvmq.so"),
    ("/", "'/'"),
    (os.devnull, os.devnull),
    (__file__, "test_install.py"),
    ("libm.so.6", "libm.so.6"),
])
def test_vmq_library_is_wrong(tree: Path, what: str, part: str) -> None:
    line = refused(tree, VMQ_LIBRARY=what)
    assert part in line and "VMQ_LIBRARY" in line
    assert "set" in line or "install" in line, "it does not say what to do"


def test_a_library_of_another_version(tree: Path, tmp_path: Path) -> None:
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    names = re.findall(r"\bvmq_\w+(?=;)", (TOP / "lib" / "vmq.map").read_text())
    source = "".join(f"void {name}(void) {{ }}\n" for name in names if name != "vmq_version")
    (tmp_path / "other.c").write_text(source + 'const char *vmq_version(void) { return "7.1.0"; }\n')
    made = run("cc", "-shared", "-fPIC", "-o", "libother.so", "other.c", cwd=tmp_path, env=clean())
    assert made.returncode == 0, made.stdout
    line = refused(tree, VMQ_LIBRARY=str(tmp_path / "libother.so"))
    assert "7.1.0" in line and _version.__version__ in line and "libother.so" in line


# ---- what pip is told when the tree is not right -------------------------------------------


def broken(tmp_path: Path, tree: Path, change: Any) -> List[str]:
    """pip's output for a tree with something wrong in it: the lines that are ours."""
    top = copy_tree(tmp_path / "tree")
    change(top)
    done = pip(tree, "install", "--target", str(tmp_path / "into"), str(top / "bindings" / "python"))
    assert done.returncode != 0 and not list(tmp_path.glob("into/vmq*"))
    assert "Traceback" not in done.stdout
    return [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("vmq: ")]


def write(name: str, text: str) -> Any:
    return lambda top: top.joinpath(name).write_text(text)


def remove(name: str) -> Any:
    return lambda top: top.joinpath(name).unlink()


BROKEN: List[Tuple[Any, str]] = [
    (write("include/vmq/version.h", "#define VMQ_VERSION_MAJOR 9\n#define VMQ_VERSION_MINOR 8\n"
           "#define VMQ_VERSION_PATCH 7\n"), "is 9.8.7: take both from one release"),
    (write("include/vmq/version.h", ""), "is of no version: take both from one release"),
    (write("bindings/python/vmq/_version.py", ""), "says no version: take it from a release"),
    (remove("bindings/python/vmq/_version.py"), "_version.py cannot be read"),
    (remove("bindings/python/vmq/__init__.py"), "has no __init__.py: take the whole folder"),
    (remove("bindings/python/README.md"), "README.md cannot be read"),
]


@pytest.mark.parametrize("change, text", BROKEN, ids=[text for _, text in BROKEN])
def test_pip_says_what_is_wrong_in_one_line(tree: Path, tmp_path: Path, change: Any, text: str) -> None:
    (line,) = broken(tmp_path, tree, change)
    assert text in line


def test_a_tree_without_the_library(tree: Path, tmp_path: Path) -> None:
    """The folder alone is enough: the version is then the package's own."""
    top = copy_tree(tmp_path / "tree")
    shutil.rmtree(top / "include")
    done = pip(tree, "install", "--target", str(tmp_path / "into"), str(top / "bindings" / "python"))
    assert done.returncode == 0, done.stdout


# ---- other ways ----------------------------------------------------------------------------


@pytest.fixture()
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(PACKAGE))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import backend

    yield backend
    del sys.modules["backend"]


def test_from_a_source_archive(tree: Path, backend: Any, tmp_path: Path) -> None:
    name = backend.build_sdist(str(tmp_path))
    with tarfile.open(tmp_path / name) as archive:
        names = archive.getnames()
    assert f"vmq-{_version.__version__}/LICENSE" in names
    assert all(name.startswith(f"vmq-{_version.__version__}/") for name in names)
    done = pip(tree, "install", "--target", str(tmp_path / "into"), str(tmp_path / name))
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "into" / "vmq" / "py.typed").exists()


def test_the_same_tree_gives_the_same_wheel(backend: Any, tmp_path: Path) -> None:
    both = []
    for folder in (tmp_path / "1", tmp_path / "2"):
        folder.mkdir()
        both.append((folder / backend.build_wheel(str(folder))).read_bytes())
    assert both[0] == both[1]


def test_removed_and_editable(tree: Path, library: str) -> None:
    """The last one: it takes the package out of env."""
    assert pip(tree, "uninstall", "-y", "vmq").returncode == 0
    assert "No module named 'vmq'" in installed(tree, "import vmq").stdout
    assert not list((tree / "env").rglob("*vmq*"))

    done = pip(tree, "install", "-e", "./bindings/python")
    assert done.returncode == 0, done.stdout
    said = installed(tree, SAY_HELLO, VMQ_LIBRARY=library).stdout.split()
    assert said[0] == "hello" and said[1].startswith(str(tree / "bindings"))
