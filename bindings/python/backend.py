# SPDX-License-Identifier: BSD-2-Clause
"""Builds the package for pip (PEP 517, PEP 660), with nothing but Python itself.

setuptools would want `wheel`, which a plain venv does not have, and pip would ask the network
for it. The package is a folder of Python files: here they are put into an archive.
"""

import base64
import hashlib
import io
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Dict, List, NoReturn, Optional

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
NAME = "vmq"
PYTHON = ">=3.9"
TAG = "py3-none-any"
WHEEL = f"Wheel-Version: 1.0\nGenerator: vmq\nRoot-Is-Purelib: true\nTag: {TAG}\n"


def fail(text: str) -> NoReturn:
    sys.exit(f"vmq: {text}")


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path} cannot be read ({error}): take the whole folder bindings/python of a release")


def version() -> str:
    """The package's version. In the library's tree it has to be the library's."""
    found = re.search(r'^__version__ = "(\d+\.\d+\.\d+)"$', read(HERE / NAME / "_version.py"), re.M)
    if not found:
        fail(f"{HERE / NAME / '_version.py'} says no version: take it from a release")
    header = TOP / "include" / "vmq" / "version.h"
    if header.exists():
        numbers = re.findall(r"^#define VMQ_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", read(header), re.M)
        if ".".join(numbers) != found[1]:
            fail(f"this package is {found[1]} and {header} is {'.'.join(numbers) or 'of no version'}: "
                 "take both from one release")
    return found[1]


def metadata() -> str:
    return (
        f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version()}\n"
        "Summary: A message queue for each virtual machine: Python's side of libvmq\n"
        "License: BSD-2-Clause\n"
        f"Requires-Python: {PYTHON}\n"
        "Classifier: License :: OSI Approved :: BSD License\n"
        "Classifier: Operating System :: POSIX :: Linux\n"
        "Classifier: Typing :: Typed\n"
        "Description-Content-Type: text/markdown\n\n" + read(HERE / "README.md")
    )


def package() -> Dict[str, bytes]:
    """The package's files."""
    paths = sorted((HERE / NAME).glob("*.py")) + [HERE / NAME / "py.typed"]
    if HERE / NAME / "__init__.py" not in paths:
        fail(f"{HERE / NAME} has no __init__.py: take the whole folder bindings/python of a release")
    return {f"{NAME}/{path.name}": read(path).encode() for path in paths}


def licence() -> Dict[str, bytes]:
    """In the library's tree it stands at the top; in an archive of this folder, beside this."""
    for path in (HERE / "LICENSE", TOP / "LICENSE"):
        if path.exists():
            return {"LICENSE": read(path).encode()}
    return {}


def wheel(folder: str, files: Dict[str, bytes]) -> str:
    """Write an archive of these files, and of what says what it is. Gives its name."""
    info = f"{NAME}-{version()}.dist-info"
    files = {**files, f"{info}/METADATA": metadata().encode(), f"{info}/WHEEL": WHEEL.encode()}
    files.update((f"{info}/{name}", data) for name, data in licence().items())
    rows: List[str] = []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(data)}\n")
    files[f"{info}/RECORD"] = "".join(rows + [f"{info}/RECORD,,\n"]).encode()
    made = f"{NAME}-{version()}-{TAG}.whl"
    with zipfile.ZipFile(Path(folder) / made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)  # of 1980: the same files give the same bytes
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return made


# ---- what pip calls ------------------------------------------------------------------

Settings = Optional[Dict[str, Any]]


def build_wheel(folder: str, settings: Settings = None, metadata_folder: Optional[str] = None) -> str:
    return wheel(folder, package())


def build_editable(folder: str, settings: Settings = None, metadata_folder: Optional[str] = None) -> str:
    package()
    return wheel(folder, {f"{NAME}.pth": f"{HERE}\n".encode()})


def build_sdist(folder: str, settings: Settings = None) -> str:
    base = f"{NAME}-{version()}"
    files = {**package(), **licence(), "PKG-INFO": metadata().encode()}
    for name in ("README.md", "backend.py", "pyproject.toml"):
        files[name] = read(HERE / name).encode()
    with tarfile.open(Path(folder) / f"{base}.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(f"{base}/{name}")
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return f"{base}.tar.gz"
