# SPDX-License-Identifier: BSD-2-Clause
"""bench/python as a module: its processes, its rivals and its hub."""

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

_PATH = Path(__file__).resolve().parents[3] / "bench" / "python"


def load() -> Any:
    spec = spec_from_loader("vmq_bench", SourceFileLoader("vmq_bench", str(_PATH)))
    assert spec and spec.loader
    module = module_from_spec(spec)
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = kept
    return module


bench = load()
