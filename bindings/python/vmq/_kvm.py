# SPDX-License-Identifier: BSD-2-Clause
"""Queues for the guests of a VMM on Linux's KVM.

vmq_kvm_window() has no form here: what lies in a window is the library's, and a VMM that is
written in Python has no guest memory of its own to lay it into.
"""

import ctypes
from typing import Any, Callable, Optional, Set

from . import _c
from ._errors import InvalidError, error
from ._handle import Handle, check
from ._load import lib
from ._member import Member
from ._part import guarded, ignore
from ._types import KvmStats, from_struct

#: Of a vCPU's mapping, struct kvm_run and the page with the data of I/O exits.
_RUN_MIN = 2 * _c.VMQ_PAGE_SIZE


def _nothing(vm: Any) -> None:
    """vmq_kvm_remove() makes an end of the VM."""


class Kvm(Member):
    """A VM of KVM that has its queue. Made by Vmm.add_kvm(). The VMM keeps its vCPUs and its
    loop: KVM_RUN with fcntl.ioctl(), which lets other threads run, and exit() after it."""

    def __init__(
        self,
        links: Any,
        members: Set[Member],
        vmm: Handle,
        name: str,
        config: Any,
        fault: Optional[Callable[[int, int], Any]],
    ) -> None:
        self.name = name
        self._links = links
        self._members = members
        if fault is not None:
            call = fault
            config.fault = _c.FAULT(lambda ctx, at, size: ignore(guarded(call, (at, size))))
        handle = Handle(lib.vmq_kvm_remove, keep=config, parent=vmm)
        code = lib.vmq_kvm_add(vmm, ctypes.byref(config), ctypes.byref(handle))
        if code < 0:
            what = "" if code == _c.VMQ_ESYS else f"VM {name!r}: {lib.vmq_strerror(code).decode()}"
            raise error(code, what)
        self._known: Optional[Handle] = Handle(_nothing, parent=handle)
        self._known.value = lib.vmq_kvm_vm(handle)
        self._h = handle

    def _vm(self) -> Any:
        self._use()
        return self._known

    def exit(self, run: Any) -> bool:
        """A vCPU returned from KVM_RUN: with 0, or with EINTR. `run` is its mapping, such as the
        mmap of its descriptor. True: that was the queue's, enter the guest again; False: it is
        the VMM's to handle."""
        view = memoryview(run)
        if view.readonly or view.nbytes < _RUN_MIN:
            raise InvalidError("a vCPU's mapping is writable, of KVM_GET_VCPU_MMAP_SIZE bytes")
        memory = ctypes.c_char.from_buffer(view)
        return check(lib.vmq_kvm_exit(self._use(), ctypes.byref(memory))) == 1

    @property
    def kvm_stats(self) -> KvmStats:
        """What its exits were, beside `stats`."""
        raw = _c.vmq_kvm_stats(size=ctypes.sizeof(_c.vmq_kvm_stats))
        check(lib.vmq_kvm_stats(self._use(), ctypes.byref(raw)))
        return from_struct(KvmStats, raw)

    def remove(self) -> None:
        """Its peers see it leave; its window, slot and doorbells are gone. Not while a vCPU of
        it runs. Removing twice does no harm."""
        if not self.closed:
            self._use()
            with self._links:
                self._known = None
                self._h = None
        self._members.discard(self)
