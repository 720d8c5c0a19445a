# SPDX-License-Identifier: BSD-2-Clause
"""The hub: a VMM for VMs that are processes."""

import ctypes
from typing import Dict, Optional

from . import _c
from ._errors import Line, encoded
from ._handle import Handle, check
from ._load import lib
from ._part import Log, Server, log_callback
from ._types import VmStats, from_struct


class Hub(Server):
    """A VMM of the hosted simulation, whose VMs are processes: they open
    "sim:unix=PATH?name=NAME". A context manager."""

    _run = lib.vmq_hub_run
    _stop = lib.vmq_hub_stop
    _what = "hub"

    def __init__(
        self,
        path: str,
        *,
        topology: Optional[str] = None,
        tick_us: int = 0,
        log: Optional[Log] = None,
    ) -> None:
        """Listen at `path`. log(line): what happens, told by the thread that serves."""
        line, calls = Line(), log_callback(log)
        options = _c.vmq_hub_options(
            size=ctypes.sizeof(_c.vmq_hub_options),
            path=encoded(path),
            topology=None if topology is None else encoded(topology),
            tick_us=tick_us,
            log=calls,
            errmsg=line.address,
            errlen=line.SIZE,
        )
        handle = Handle(lib.vmq_hub_close, keep=calls)
        code = lib.vmq_hub_open(ctypes.byref(options), ctypes.byref(handle))
        if code < 0:
            raise line.error(code)
        self._path = path
        super().__init__(handle)

    def __repr__(self) -> str:
        return f"<vmq.Hub at {self._path!r}{', closed' if self.closed else ''}>"

    def vms(self) -> Dict[str, bool]:
        """The VMs that are or were there, and whether they are."""
        found: Dict[str, bool] = {}
        name, there = (ctypes.c_char * (_c.VMQ_NAME_MAX + 1))(), ctypes.c_bool()
        while True:
            code = lib.vmq_hub_next(self._use(), name, ctypes.byref(there))
            if code == _c.VMQ_ENOENT:
                return found
            check(code)
            found[name.value.decode(errors="surrogateescape")] = there.value

    def stats(self, name: str) -> VmStats:
        """Counters of the VM of that name, also after it left."""
        raw = _c.vmq_vmm_stats(size=ctypes.sizeof(_c.vmq_vmm_stats))
        code = lib.vmq_hub_stats(self._use(), encoded(name), ctypes.byref(raw))
        check(code, f"VM {name!r}: {lib.vmq_strerror(code).decode()}" if code else "")
        return from_struct(VmStats, raw)

    def kill(self, name: str) -> None:
        """End a VM as a power cut would: SIGKILL to its process."""
        check(lib.vmq_hub_kill(self._use(), encoded(name)), f"VM {name!r}")
