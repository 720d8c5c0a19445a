# SPDX-License-Identifier: BSD-2-Clause
"""The VMM side: what a hypervisor embeds to give its VMs queues."""

import ctypes
import mmap
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from . import _c
from ._bridge import Bridge
from ._errors import ClosedError, InvalidError, Line, encoded, error
from ._handle import Handle, check
from ._kvm import Kvm
from ._load import lib
from ._member import Member
from ._open import number_of, options_of, pages_of, uuid_of
from ._part import Log, Part, guarded, ignore, nothing
from ._queue import Queue
from ._types import Bus, Exit, Kick


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


class Vm(Member):
    """A VM of a Vmm: has a name, a window of memory or none, and a doorbell."""

    def __init__(self, vmm: "Vmm", name: str, window_size: int) -> None:
        self._vmm = vmm
        self._links = vmm._links
        self.name = name
        #: The VM's memory: channels are laid into it from its start.
        self.window = mmap.mmap(-1, window_size) if window_size else None
        self._at = 0
        self._channels: Dict[int, Channel] = {}

    def _config(self, calls: Dict[str, Any]) -> Tuple[Any, List[Any]]:
        """The part of struct vmq_vm_config that is callbacks and memory, and what it needs."""
        kick = calls["kick"]
        made: List[Any] = [
            _c.KICK(lambda ctx, what: ignore(guarded(kick, (Kick(what),)))) if kick else _c.KICK(0),
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
    def channels(self) -> List[Channel]:
        """Those that it has, also to peers that left, until detach()."""
        return list(self._channels.values())

    def exit(self, reason: Exit = Exit.TIMER) -> int:
        """A natural exit of the VM: it is drained. Returns the number of kicks."""
        return check(lib.vmq_vmm_exit(self._use(), reason))

    def doorbell(self, peer: int, what: Kick = Kick.DATA) -> int:
        """An immediate exit: the VM rang for that peer. Returns the number of kicks."""
        return check(lib.vmq_vmm_doorbell(self._use(), peer, what), peer=peer)

    def _linked(self, channel: Channel) -> int:
        if channel._link is None or self._channels.get(channel._link) is not channel:
            raise InvalidError("this VM has no such channel any more")
        return channel._link

    def pages(self, channel: Channel, first: int = 0, count: int = 0) -> int:
        """Make the mappings of a channel's windows agree with what was handed over. Returns the
        number of pages whose mapping changed."""
        self._use()
        with self._links:
            return check(lib.vmq_vmm_pages(self._linked(channel), first, count))

    def bypass(self, channel: Channel, what: Kick = Kick.DATA) -> None:
        """Ring the peer's doorbell without an exit."""
        self._use()
        with self._links:
            check(lib.vmq_vmm_bypass(self._linked(channel), what))

    def detach(self, channel: Channel) -> None:
        """The VM is done with a channel: its place in the window is free again."""
        self._use()
        with self._links:
            link = self._linked(channel)
            del self._channels[link]
            channel._link = None
            check(lib.vmq_vmm_detach(link))

    def _void(self) -> None:
        """Its channels end with it: they are not to be detached."""
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel._link = None

    def remove(self) -> None:
        """Its peers see it leave, and its window is free. Removing twice does no harm."""
        if not self.closed:
            self._use()
            with self._links:
                self._void()
                self._h = None
        self._vmm._members.discard(self)


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
        self._members: Set[Member] = set()
        self._bridge: Optional[Bridge] = None
        handle = Handle(lib.vmq_vmm_destroy)
        check(lib.vmq_vmm_create(ctypes.byref(options), ctypes.byref(handle)))
        self._h = handle

    def __enter__(self) -> "Vmm":
        if self.closed:
            raise ClosedError()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<vmq.Vmm{', closed' if self.closed else f' of {len(self._members)} VMs'}>"

    def close(self) -> None:
        """Remove all VMs and close the bridge, then the VMM; that is, once the last of its
        Queues is closed. BusyError in a callback."""
        if not self.closed:
            self._use()
        bridge, self._bridge = self._bridge, None
        if bridge is not None:
            bridge.close()
        for member in list(self._members):
            member.remove()
        self._h = None

    def add(
        self,
        name: str,
        *,
        window: int = 0,
        kick: Optional[Callable[[Kick], Any]] = None,
        attach: Optional[Callable[[Channel], Any]] = None,
        leave: Optional[Callable[[Channel, int], Any]] = None,
        uuid: Optional[bytes] = None,
        lane_size: int = 0,
        pool_pages: Optional[int] = None,
        doorbell: Optional[Tuple[int, int]] = None,
    ) -> Vm:
        """Add a VM with a window of so many bytes; 0: none, it maps channels itself.

        kick(what) rings its doorbell. attach(channel): it has a channel to a peer now; returns
        False to refuse. leave(channel, reason): that peer is gone; detach() it when done.
        doorbell: eventfds that ring it for Kick.DATA and Kick.SPACE, open until remove(). They
        are written where there is no kick(), and a VM without them has no peers over a bridge.
        """
        vm = Vm(self, name, window)
        kick = kick if kick or doorbell else nothing
        config, needed = vm._config({"kick": kick, "attach": attach, "leave": leave})
        config.name = encoded(name)
        config.uuid = uuid_of(uuid)
        config.lane_size = number_of("lane_size", lane_size)
        config.pool_pages = pages_of(pool_pages)
        if doorbell is not None:
            config.doorbell[0], config.doorbell[1] = doorbell
        mine = self._use()
        handle = Handle(lib.vmq_vmm_remove, keep=[needed, vm.window], parent=mine)
        code = lib.vmq_vmm_add(mine, ctypes.byref(config), ctypes.byref(handle))
        if code < 0:
            raise error(code, f"VM {name!r}: {lib.vmq_strerror(code).decode()}")
        vm._h = handle
        self._members.add(vm)
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

    def add_kvm(
        self,
        name: str,
        vm_fd: int,
        *,
        memory_slot: int,
        window: int,
        window_size: int,
        doorbell: int,
        gsi: int,
        vector: int,
        bus: Bus = Bus.PORT,
        exits: bool = False,
        route: bool = False,
        peers: int = 0,
        fault: Optional[Callable[[int, int], Any]] = None,
        uuid: Optional[bytes] = None,
        lane_size: int = 0,
        pool_pages: Optional[int] = None,
    ) -> Kvm:
        """Give a VM of KVM its queue: `vm_fd` is of KVM_CREATE_VM, and open until remove().

        `window`, of `window_size` bytes, is the guest-physical address where its channels are
        laid, in a memory slot of their own; `doorbell` the port or address of its registers;
        `gsi` and `vector` are how it is rung. exits: each doorbell leaves KVM_RUN, for
        Kvm.exit(), and does not stay in the kernel. route: make an MSI route for gsi the VM's
        whole GSI routing table; else there has to be one. fault(address, length): the guest
        wrote where it may only read.
        """
        mine = self._use()
        config = _c.vmq_kvm_config(
            size=ctypes.sizeof(_c.vmq_kvm_config),
            name=encoded(name),
            uuid=uuid_of(uuid),
            lane_size=number_of("lane_size", lane_size),
            pool_pages=pages_of(pool_pages),
            vm_fd=vm_fd,
            flags=(_c.VMQ_KVM_EXITS if exits else 0) | (_c.VMQ_KVM_ROUTE if route else 0),
            memory_slot=number_of("memory_slot", memory_slot),
            peers=number_of("peers", peers),
            window=number_of("window", window, 64),
            window_size=number_of("window_size", window_size, 64),
            doorbell=number_of("doorbell", doorbell, 64),
            bus=bus,
            gsi=number_of("gsi", gsi),
            vector=number_of("vector", vector),
        )
        kvm = Kvm(self._links, self._members, mine, name, config, fault)
        self._members.add(kvm)
        return kvm

    def bridge(
        self, path: Optional[str] = None, *, retry: float = 0.1, log: Optional[Log] = None
    ) -> Bridge:
        """Its bridge to other VMMs of this user's on this machine: one. It listens at `path`, if
        there is one. retry: seconds between attempts to connect. log(line): what happens, told
        by the thread that serves. VMMs that are bridged need first_ids whose ranges don't meet."""
        self._bridge = Bridge(self._use(), path, retry, log)
        return self._bridge

    def allow(self, a: str, b: str) -> None:
        """These two VMs may talk. "*" stands for every VM; the last word on a pair counts."""
        check(lib.vmq_vmm_allow(self._use(), encoded(a), encoded(b)))

    def refuse(self, a: str, b: str) -> None:
        """These two may not. If they are connected, that ends."""
        check(lib.vmq_vmm_refuse(self._use(), encoded(a), encoded(b)))
