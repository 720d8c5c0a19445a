# SPDX-License-Identifier: BSD-2-Clause
"""The hub: a VMM for VMs that are processes."""

import ctypes
import threading
from typing import Any, Callable, Dict, Optional

from . import _c
from ._base import waiting
from ._errors import BusyError, Line, encoded
from ._handle import Handle, check, nanoseconds
from ._load import lib
from ._types import VmStats, from_struct
from ._vmm import Part, guarded, ignore, nothing


class Hub(Part):
    """A VMM of the hosted simulation, whose VMs are processes: they open
    "sim:unix=PATH?name=NAME". A context manager."""

    def __init__(
        self,
        path: str,
        *,
        topology: Optional[str] = None,
        tick_us: int = 0,
        log: Optional[Callable[[str], Any]] = None,
    ) -> None:
        line = Line()
        calls = _c.LOG(lambda ctx, text: ignore(guarded(log or nothing, (text.decode(),))))
        options = _c.vmq_hub_options(
            size=ctypes.sizeof(_c.vmq_hub_options),
            path=encoded(path),
            topology=None if topology is None else encoded(topology),
            tick_us=tick_us,
            log=calls,
            errmsg=line.address,
            errlen=line.SIZE,
        )
        self._h = None
        self._running = threading.Lock()
        handle = Handle(lib.vmq_hub_close, keep=calls)
        code = lib.vmq_hub_open(ctypes.byref(options), ctypes.byref(handle))
        if code < 0:
            raise line.error(code)
        self._h = handle

    def __enter__(self) -> "Hub":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def run(self, timeout: Optional[float] = None) -> bool:
        """Serve. True: it was stopped or closed; False: the time is up."""
        if not self._running.acquire(blocking=False):
            raise BusyError("another thread serves this hub")
        try:
            self._use()
            code = waiting(lambda left: lib.vmq_hub_run(self._h, left), nanoseconds(timeout))
        finally:
            self._running.release()
        if code == _c.VMQ_EBADF:
            return True
        return code not in (_c.VMQ_ETIMEDOUT, _c.VMQ_EAGAIN) and check(code) == 0

    def start(self) -> threading.Thread:
        """Serve in a thread of its own, until stop() or close()."""
        thread = threading.Thread(target=self.run, name="vmq-hub", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Make run() return. From any thread, and from a signal handler."""
        lib.vmq_hub_stop(self._h)

    def close(self) -> None:
        """All VMs lose the fabric; the socket is removed."""
        handle, self._h = self._h, None
        if handle is None:
            return
        lib.vmq_hub_stop(handle)
        done = handle.done
        del handle
        done.wait(5)

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
