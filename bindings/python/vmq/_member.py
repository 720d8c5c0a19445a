# SPDX-License-Identifier: BSD-2-Clause
"""What all VMs of a Vmm have, whoever runs them."""

import ctypes
from typing import Any

from . import _c
from ._errors import encoded
from ._handle import check, nanoseconds
from ._load import lib
from ._part import Part
from ._types import VmStats, from_struct


class Member(Part):
    """A VM of a Vmm."""

    name: str
    _links: Any  #: the Vmm's lock for what ends with its VMs

    def _vm(self) -> Any:
        """It as vmm.h knows it."""
        return self._use()

    def __repr__(self) -> str:
        return f"<vmq.{type(self).__name__} {self.name!r}{', removed' if self.closed else ''}>"

    @property
    def id(self) -> int:
        """Its id on the fabric."""
        return int(lib.vmq_vmm_id(self._vm()))

    @property
    def stats(self) -> VmStats:
        """Its counters, as of now."""
        raw = _c.vmq_vmm_stats(size=ctypes.sizeof(_c.vmq_vmm_stats))
        check(lib.vmq_vmm_stats(self._vm(), ctypes.byref(raw)))
        return from_struct(VmStats, raw)

    def lookup(self, name: str) -> bool:
        """May it talk to the VM of that name? True: and it is there; False: once it comes.
        RefusedError."""
        code = lib.vmq_vmm_lookup(self._vm(), encoded(name))
        return code != _c.VMQ_EAGAIN and check(code) == 0

    def watch(self, limit: float) -> None:
        """Is it still listening? GoneError once it has not answered its doorbell for so many
        seconds: then it is halted."""
        limit_ns = nanoseconds(limit)
        with self._links:
            code = lib.vmq_vmm_watch(self._vm(), limit_ns)
            if code == _c.VMQ_EGONE:
                self._void()
        check(code)

    def halt(self) -> None:
        """Its power is cut: peers see it leave; its name stays taken until remove()."""
        with self._links:
            check(lib.vmq_vmm_halt(self._vm()))
            self._void()

    def _void(self) -> None:
        """Its channels end with it."""

    def remove(self) -> None:
        """Its peers see it leave. Removing twice does no harm."""
        raise NotImplementedError
