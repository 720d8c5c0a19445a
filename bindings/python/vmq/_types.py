# SPDX-License-Identifier: BSD-2-Clause
"""What a Queue and a Vmm take and give: messages, news, counters, flags."""

import enum
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional, Tuple, Type, TypeVar, Union

from . import _c
from ._errors import text_of_poison
from ._pages import Page

#: A peer is named, or given by its id.
Peer = Union[str, int]
#: bytes, bytearray, memoryview, array, numpy array and the like: contiguous memory.
Buffer = Any


class Message(NamedTuple):
    """A message: its bytes, the id of the peer that sent it, the pages that came along."""

    data: bytes
    peer: int
    page: Optional[Page] = None


class When(enum.IntEnum):
    """When the peer is to look at a message."""

    AUTO = _c.VMQ_SEND_AUTO  #: its doorbell is rung if it sleeps
    NOW = _c.VMQ_SEND_NOW  #: an immediate exit: the VMM sees to it now
    LAZY = _c.VMQ_SEND_LAZY  #: no exit: at a natural one, or when the peer looks


class Mode(enum.IntEnum):
    """How pages are handed over."""

    MOVE = _c.VMQ_PAGE_MOVE  #: the receiver owns them now
    LEND = _c.VMQ_PAGE_LEND  #: the receiver may read them until it frees them
    SHARE = _c.VMQ_PAGE_SHARE  #: as LEND, and both may write


class Poll(enum.IntFlag):
    """What to wait for."""

    IN = _c.VMQ_POLL_IN  #: a message
    OUT = _c.VMQ_POLL_OUT  #: room, where there was none
    EVENT = _c.VMQ_POLL_EVENT  #: a piece of news
    ERR = _c.VMQ_POLL_ERR  #: the Queue is closed; only as a result


class Cap(enum.IntFlag):
    """What an endpoint's transport can do."""

    PAGES = _c.VMQ_CAP_PAGES
    REMAP = _c.VMQ_CAP_REMAP
    UNMAP = _c.VMQ_CAP_UNMAP
    READONLY = _c.VMQ_CAP_READONLY
    ISOLATED = _c.VMQ_CAP_ISOLATED
    VOUCHED = _c.VMQ_CAP_VOUCHED
    WAKE = _c.VMQ_CAP_WAKE
    EXIT = _c.VMQ_CAP_EXIT
    TICK = _c.VMQ_CAP_TICK
    ENFORCED = _c.VMQ_CAP_ENFORCED


class EventType(enum.IntEnum):
    """What a piece of news is about."""

    JOIN = _c.VMQ_EVENT_JOIN
    LEAVE = _c.VMQ_EVENT_LEAVE
    POISON = _c.VMQ_EVENT_POISON
    DOWN = _c.VMQ_EVENT_DOWN
    LOST = _c.VMQ_EVENT_LOST
    BACK = _c.VMQ_EVENT_BACK


class Exit(enum.IntEnum):
    """Why a VM left for its VMM without meaning the queue."""

    TIMER = _c.VMQ_EXIT_TIMER
    WAIT = _c.VMQ_EXIT_WAIT
    YIELD = _c.VMQ_EXIT_YIELD
    IO = _c.VMQ_EXIT_IO


class Kick(enum.IntFlag):
    """What a doorbell rings for."""

    DATA = _c.VMQ_KICK_DATA
    SPACE = _c.VMQ_KICK_SPACE


class Bus(enum.IntEnum):
    """Where a guest's doorbell registers are."""

    PORT = _c.VMQ_BOOT_PORT  #: x86 I/O ports
    MEMORY = _c.VMQ_BOOT_MEMORY  #: guest-physical addresses


@dataclass(frozen=True)
class Event:
    """A piece of news about a peer, or about the fabric (DOWN, LOST, BACK)."""

    type: EventType
    peer: int
    name: str
    reason: int  #: LEAVE: the code of GoneError or RefusedError. POISON: enum vmq_poison

    @property
    def text(self) -> str:
        """Why a channel was poisoned, in English; else empty."""
        return text_of_poison(self.reason) if self.type == EventType.POISON else ""


@dataclass(frozen=True)
class PeerInfo:
    """What is known of a peer."""

    id: int
    name: str
    uuid: bytes
    epoch: int  #: of this life of the peer
    max_msg: int  #: the largest message that it takes, bytes
    state: int  #: 0: there; else the code of GoneError or PoisonedError
    poison: int  #: enum vmq_poison, when it is poisoned
    origin: int  #: what the transport knows the peer's machine by, or 0


@dataclass(frozen=True)
class Stats:
    """Counted since the Queue was opened, over all peers. As struct vmq_stats."""

    sent: int
    sent_bytes: int
    received: int
    received_bytes: int
    kicks_sent: int  #: doorbells rung for messages
    kicks_suppressed: int  #: not needed, or lazy
    kicks_space: int  #: doorbells rung for room, or pages, that are back
    kicks_received: int  #: own doorbell found rung
    wakes_spurious: int  #: of those, with nothing to do
    exits_immediate: int  #: NOW, to others
    exits_natural: int  #: own waits for messages or room, and relax()
    drains: int  #: of those, with lazy messages to drain
    pages_sent: int
    pages_received: int
    page_bytes_sent: int  #: in use in them: bytes that were not copied
    stale: int  #: records of an old epoch that were dropped
    partial: int  #: messages whose sender gave up half-way
    poisons: int
    peers: int  #: there now, without oneself


@dataclass(frozen=True)
class VmStats:
    """Counters of one VM, in its VMM. As struct vmq_vmm_stats."""

    exits_immediate: int
    exits_natural: Tuple[int, ...]  #: by Exit
    drains: int  #: natural exits that had something to drain
    kicks: int  #: carried out for this VM as the sender
    bypass: int  #: went past the VMM
    pages_moved: int
    pages_lent: int
    pages_shared: int
    pages_returned: int
    page_refused: int  #: claims that were ignored
    peers: int  #: channels now


@dataclass(frozen=True)
class KvmStats:
    """Counters of a VM of KVM. As struct vmq_kvm_stats."""

    returns: int  #: calls of exit(), of which:
    doorbells: int  #: ... rang
    commands: int  #: ... were written to the command register
    faults: int  #: ... wrote where the window is read-only
    refused: int  #: doorbells and commands that named no channel


T = TypeVar("T")


def from_struct(kind: Type[T], struct: Any) -> T:
    """A dataclass out of the C struct of the same fields."""
    values = {}
    for name in kind.__annotations__:
        value = getattr(struct, name)
        values[name] = value if isinstance(value, int) else tuple(value)
    return kind(**values)
