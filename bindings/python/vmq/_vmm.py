# SPDX-License-Identifier: BSD-2-Clause
"""The VMM side: what a hypervisor embeds to give its VMs queues."""

import ctypes
import mmap
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from . import _c
from ._errors import BusyError, ClosedError, Error, InvalidError, Line, encoded, error
from ._handle import Handle, calling, check, nanoseconds
from ._load import lib
from ._open import options_of
from ._queue import Queue
from ._types import Exit, Kick, VmStats, from_struct


def _raise(exc: BaseException) -> None:
    raise exc


#: ctypes tells sys.unraisablehook what a callback raises. This one is never given away.
_report = ctypes.CFUNCTYPE(None, ctypes.py_object)(_raise)


def guarded(call: Callable[..., Any], args: Tuple[Any, ...]) -> int:
    """A callback of the library's. An exception ends here: it is reported, and becomes a code."""
    try:
        with calling():
            return _c.VMQ_EACCES if call(*args) is False else 0
    except BaseException as exc:
        _report(exc)
        return exc.code if isinstance(exc, Error) else _c.VMQ_ESYS


@dataclass(eq=False)
class Channel:
    """A channel as one of its two VMs is to see it. As struct vmq_vmm_channel."""

    peer: int  #: the other VM's id
    peer_name: str
    peer_uuid: bytes
    id: int  #: the VM's own
    side: int
    epoch: int
    fd: int  #: of the region; the VMM's: os.dup() it
    region_size: int
    offset: Optional[int]  #: in the VM's window; None without a window
    _link: Optional[int] = field(repr=False)


class Part:
    """Something with a handle that can be closed."""

    _h: Optional[Handle]

    @property
    def closed(self) -> bool:
        return self._h is None or self._h.value is None

    def _use(self) -> Handle:
        if calling.inside():
            raise BusyError("a callback cannot call back into the VMM")
        if self._h is None:
            raise ClosedError()
        return self._h


class Vm(Part):
    """A VM of a Vmm: has a name, a window of memory or none, and a doorbell."""

    def __init__(self, vmm: "Vmm", name: str, window_size: int) -> None:
        self._vmm = vmm
        self.name = name
        #: The VM's memory: channels are laid into it from its start.
        self.window = mmap.mmap(-1, window_size) if window_size else None
        self._at = 0
        self._channels: Dict[int, Channel] = {}
        self._h = None

    def _config(self, calls: Dict[str, Any]) -> Tuple[Any, List[Any]]:
        """The part of struct vmq_vm_config that is callbacks and memory, and what it needs."""
        made: List[Any] = [
            _c.KICK(lambda ctx, what: ignore(guarded(calls["kick"], (Kick(what),)))),
            _c.ATTACH(lambda ctx, raw: self._attach(calls["attach"], raw.contents)),
            _c.LEAVE(lambda ctx, link, reason: self._leave(calls["leave"], link, reason)),
        ]
        config = _c.vmq_vm_config(size=ctypes.sizeof(_c.vmq_vm_config))
        config.kick, config.attach, config.leave = made
        if self.window is not None:
            memory = ctypes.c_char.from_buffer(self.window)
            self._at = config.window = ctypes.addressof(memory)
            config.window_size = len(self.window)
            made.append(memory)
        return config, made

    def _attach(self, call: Optional[Callable[[Channel], Any]], raw: Any) -> int:
        channel = Channel(
            peer=raw.peer,
            peer_name=raw.peer_name.decode(errors="surrogateescape"),
            peer_uuid=bytes(raw.peer_uuid[:16]),
            id=raw.id,
            side=raw.side,
            epoch=raw.epoch,
            fd=raw.fd,
            region_size=raw.region_size,
            offset=raw.region - self._at if raw.region else None,
            _link=raw.link,
        )
        code = guarded(call, (channel,)) if call else 0
        if code == 0:
            self._channels[raw.link] = channel
        return code

    def _leave(self, call: Optional[Callable[[Channel, int], Any]], link: int, reason: int) -> None:
        channel = self._channels.get(link)
        if call and channel:
            guarded(call, (channel, reason))

    @property
    def id(self) -> int:
        """Its id on the fabric."""
        return int(lib.vmq_vmm_id(self._use()))

    @property
    def channels(self) -> List[Channel]:
        """Those that it has, also to peers that left, until detach()."""
        return list(self._channels.values())

    @property
    def stats(self) -> VmStats:
        """Its counters, as of now."""
        raw = _c.vmq_vmm_stats(size=ctypes.sizeof(_c.vmq_vmm_stats))
        check(lib.vmq_vmm_stats(self._use(), ctypes.byref(raw)))
        return from_struct(VmStats, raw)

    def exit(self, reason: Exit = Exit.TIMER) -> int:
        """A natural exit of the VM: it is drained. Returns the number of kicks."""
        return check(lib.vmq_vmm_exit(self._use(), reason))

    def doorbell(self, peer: int, what: Kick = Kick.DATA) -> int:
        """An immediate exit: the VM rang for that peer. Returns the number of kicks."""
        return check(lib.vmq_vmm_doorbell(self._use(), peer, what), peer=peer)

    def lookup(self, name: str) -> bool:
        """May it talk to the VM of that name? True: and it is there; False: once it comes.
        RefusedError."""
        code = lib.vmq_vmm_lookup(self._use(), encoded(name))
        return code != _c.VMQ_EAGAIN and check(code) == 0

    def watch(self, limit: float) -> None:
        """Is it still listening? GoneError once it has not answered its doorbell for so many
        seconds: then it is halted."""
        with self._vmm._links:
            code = lib.vmq_vmm_watch(self._use(), nanoseconds(limit))
            if code == _c.VMQ_EGONE:
                self._void()
        check(code)

    def _linked(self, channel: Channel) -> int:
        if channel._link is None or self._channels.get(channel._link) is not channel:
            raise InvalidError("this VM has no such channel any more")
        return channel._link

    def pages(self, channel: Channel, first: int = 0, count: int = 0) -> int:
        """Make the mappings of a channel's windows agree with what was handed over. Returns the
        number of pages whose mapping changed."""
        self._use()
        with self._vmm._links:
            return check(lib.vmq_vmm_pages(self._linked(channel), first, count))

    def bypass(self, channel: Channel, what: Kick = Kick.DATA) -> None:
        """Ring the peer's doorbell without an exit."""
        self._use()
        with self._vmm._links:
            check(lib.vmq_vmm_bypass(self._linked(channel), what))

    def detach(self, channel: Channel) -> None:
        """The VM is done with a channel: its place in the window is free again."""
        self._use()
        with self._vmm._links:
            link = self._linked(channel)
            del self._channels[link]
            channel._link = None
            check(lib.vmq_vmm_detach(link))

    def _void(self) -> None:
        """Its channels end with it: they are not to be detached."""
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel._link = None

    def halt(self) -> None:
        """Its power is cut: peers see it leave; its name stays taken until remove()."""
        with self._vmm._links:
            check(lib.vmq_vmm_halt(self._use()))
            self._void()

    def remove(self) -> None:
        """Its peers see it leave, and its window is free. Removing twice does no harm."""
        if self._h is not None:
            self._use()
        with self._vmm._links:
            self._void()
            self._h = None
        self._vmm._vms.discard(self)


def ignore(code: int) -> None:
    """A callback without a result."""


def nothing(*args: Any) -> None:
    """The callback of who wants none."""


class Vmm(Part):
    """What a hypervisor embeds to give its VMs queues. A context manager.

    Callbacks run on the thread that caused them, under the VMM's lock. They must not use the
    Vmm, its VMs or its Queues; methods of Vmm and Vm say BusyError then. What a callback
    raises goes to sys.unraisablehook, and the library gets an error code.
    """

    def __init__(self, *, closed: bool = False, seed: int = 0, first_id: int = 0) -> None:
        options = _c.vmq_vmm_options(
            size=ctypes.sizeof(_c.vmq_vmm_options),
            flags=_c.VMQ_VMM_CLOSED if closed else 0,
            seed=seed,
            first_id=first_id,
        )
        self._links = threading.RLock()
        self._vms: Set[Vm] = set()
        self._h = None
        handle = Handle(lib.vmq_vmm_destroy)
        check(lib.vmq_vmm_create(ctypes.byref(options), ctypes.byref(handle)))
        self._h = handle

    def __enter__(self) -> "Vmm":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove all VMs, then the VMM; that is, once the last of its Queues is closed."""
        for vm in list(self._vms):
            vm.remove()
        self._h = None

    def add(
        self,
        name: str,
        *,
        window: int = 0,
        kick: Callable[[Kick], Any] = nothing,
        attach: Optional[Callable[[Channel], Any]] = None,
        leave: Optional[Callable[[Channel, int], Any]] = None,
        uuid: Optional[bytes] = None,
        lane_size: int = 0,
        pool_pages: Optional[int] = None,
    ) -> Vm:
        """Add a VM with a window of so many bytes; 0: none, it maps channels itself.

        kick(what) rings its doorbell. attach(channel): it has a channel to a peer now; returns
        False to refuse. leave(channel, reason): that peer is gone; detach() it when done.
        """
        vm = Vm(self, name, window)
        config, needed = vm._config({"kick": kick, "attach": attach, "leave": leave})
        if uuid is not None and len(uuid) != 16:
            raise InvalidError(f"a UUID has 16 bytes, and not {len(uuid)}")
        config.name = encoded(name)
        config.uuid = None if uuid is None else (ctypes.c_uint8 * 16)(*uuid)
        config.lane_size = lane_size
        config.pool_pages = _c.VMQ_NO_PAGES if pool_pages == 0 else pool_pages or 0
        mine = self._use()
        handle = Handle(lib.vmq_vmm_remove, keep=[needed, vm.window], parent=mine)
        code = lib.vmq_vmm_add(mine, ctypes.byref(config), ctypes.byref(handle))
        if code < 0:
            raise error(code, f"VM {name!r}: {lib.vmq_strerror(code).decode()}")
        vm._h = handle
        self._vms.add(vm)
        return vm

    def open(
        self,
        name: str,
        *,
        lane_size: int = 0,
        pool_pages: Optional[int] = None,
        max_msg: int = 0,
        lazy_max_us: int = 0,
        spin_us: Optional[int] = None,
        uuid: Optional[bytes] = None,
        strict: bool = False,
    ) -> Queue:
        """An endpoint of this process on the VMM: the host's own queue, or that of a VM which
        is a thread. Arguments as of vmq.open()."""
        options = options_of(
            name, lane_size, pool_pages, max_msg, lazy_max_us, spin_us, uuid, None, strict
        )
        line, mine = Line(), self._use()
        options.errmsg, options.errlen = line.address, line.SIZE
        handle = Handle(lib.vmq_close, parent=mine)
        code = lib.vmq_vmm_open(mine, ctypes.byref(options), ctypes.byref(handle))
        if code < 0:
            raise line.error(code)
        return Queue(handle)

    def allow(self, a: str, b: str) -> None:
        """These two VMs may talk. "*" stands for every VM; the last word on a pair counts."""
        check(lib.vmq_vmm_allow(self._use(), encoded(a), encoded(b)))

    def refuse(self, a: str, b: str) -> None:
        """These two may not. If they are connected, that ends."""
        check(lib.vmq_vmm_refuse(self._use(), encoded(a), encoded(b)))
