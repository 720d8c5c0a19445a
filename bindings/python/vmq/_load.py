# SPDX-License-Identifier: BSD-2-Clause
"""Finds libvmq and gives its functions their prototypes.

$VMQ_LIBRARY, the path of the library, has the last word. Else it is looked for where
pkg-config says that vmq is installed, and then by the loader (ld.so.conf, LD_LIBRARY_PATH).
"""

import ctypes
import os
import subprocess
from typing import List, Optional

from . import _c
from ._version import __version__

SONAME = "libvmq.so." + __version__.split(".")[0]
HINT = "install libvmq, or set VMQ_LIBRARY to the path of " + SONAME


def _reason(error: OSError) -> str:
    """Why the loader refused, in one line."""
    return " ".join(str(error).split()) or "cannot be loaded"


def _pkg_config() -> Optional[str]:
    """Where pkg-config has the library; None if it knows nothing of vmq, or is not there."""
    command = [os.environ.get("PKG_CONFIG", "pkg-config"), "--variable=libdir", "vmq"]
    try:
        said = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    folder = os.fsdecode(said.strip())
    return os.path.join(folder, SONAME) if folder else None


def _find() -> ctypes.CDLL:
    named = os.environ.get("VMQ_LIBRARY")
    if named:
        try:
            return ctypes.CDLL(named, use_errno=True)
        except OSError as error:
            raise ImportError(
                f"vmq: VMQ_LIBRARY is {named!r}, which is no libvmq ({_reason(error)}); "
                f"set it to the path of {SONAME}, or unset it"
            ) from None
    tried: List[str] = ["VMQ_LIBRARY is not set"]
    path = _pkg_config()
    if path is None:
        tried.append("pkg-config does not know vmq")
    for name, told in ((path, "pkg-config"), (SONAME, "the loader")):
        if name is None:
            continue
        try:
            return ctypes.CDLL(name, use_errno=True)
        except OSError as error:
            tried.append(f"{told}: {_reason(error)}")
    raise ImportError(f"vmq: found no {SONAME} ({'; '.join(tried)}); {HINT}")


def load() -> ctypes.CDLL:
    """The library, of a version that these prototypes fit."""
    library = _find()
    try:
        _c.declare(library)
        version = library.vmq_version().decode()
    except AttributeError as error:
        raise ImportError(
            f"vmq: not the libvmq of version {__version__} ({error}); {HINT}"
        ) from None
    if version.split(".")[:2] != __version__.split(".")[:2]:
        raise ImportError(
            f"vmq: this package is for libvmq {__version__}, "
            f"but {library._name} is version {version}; {HINT}"
        )
    return library


lib = load()
