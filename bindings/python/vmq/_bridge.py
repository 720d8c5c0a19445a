# SPDX-License-Identifier: BSD-2-Clause
"""The bridge: joins the VMs of this VMM with those of others on the machine."""

import ctypes
from typing import Optional

from . import _c
from ._errors import InvalidError, Line, encoded
from ._handle import Handle, check
from ._load import lib
from ._part import Log, Server, log_callback


class Bridge(Server):
    """Joins the VMs of this VMM with those of other VMMs' processes. Made by Vmm.bridge(). A
    context manager.

    It has to be served: run() in a loop, start() for a thread, or run(0) whenever an event
    loop finds it readable (fileno()). No message passes through it.
    """

    _run = lib.vmq_bridge_run
    _stop = lib.vmq_bridge_stop
    _what = "bridge"

    def __init__(
        self, vmm: Handle, path: Optional[str], retry: float, log: Optional[Log]
    ) -> None:
        line, calls = Line(), log_callback(log)
        if not 0.001 <= retry <= 1e6:
            raise InvalidError(f"seconds between attempts, from 0.001 on, and not {retry!r}")
        options = _c.vmq_bridge_options(
            size=ctypes.sizeof(_c.vmq_bridge_options),
            path=None if path is None else encoded(path),
            retry_ms=int(retry * 1000),
            log=calls,
            errmsg=line.address,
            errlen=line.SIZE,
        )
        handle = Handle(lib.vmq_bridge_close, keep=calls, parent=vmm)
        code = lib.vmq_bridge_open(vmm, ctypes.byref(options), ctypes.byref(handle))
        if code < 0:
            raise line.error(code)
        self._path = path
        super().__init__(handle)

    def __repr__(self) -> str:
        where = "" if self._path is None else f" at {self._path!r}"
        return f"<vmq.Bridge{where}{', closed' if self.closed else ''}>"

    def connect(self, path: str) -> None:
        """Stay connected with the VMM whose bridge listens at path, from the next run on,
        whether it is there yet or not."""
        code = lib.vmq_bridge_connect(self._use(), encoded(path))
        check(code, f"{path!r}: {lib.vmq_strerror(code).decode()}")

    @property
    def fd(self) -> int:
        """A descriptor for an event loop: readable when run(0) has something to do."""
        return check(lib.vmq_bridge_fd(self._use()))

    def fileno(self) -> int:
        """As fd, for the select and selectors modules."""
        return self.fd
