# SPDX-License-Identifier: BSD-2-Clause
"""vmq: a message queue for each virtual machine. Python's side of libvmq.

    import vmq

    with vmq.open("sim:lab?name=a") as q:
        q.send("b", b"hello")
        for msg in q:
            print(msg.peer, msg.data)
"""

from ._bridge import Bridge
from ._errors import (
    ERRORS,
    AddressError,
    AgainError,
    BusyError,
    ClosedError,
    Error,
    ExistsError,
    ExportedError,
    FabricError,
    GoneError,
    InvalidError,
    NoDescriptorsError,
    NoMemoryError,
    NotFoundError,
    PoisonedError,
    ProtocolError,
    RefusedError,
    SizeError,
    StaleError,
    SystemCallError,
    TimedOutError,
    TopologyError,
    UnsupportedError,
    VersionError,
)
from ._hub import Hub
from ._kvm import Kvm
from ._load import lib as _lib
from ._open import open
from ._pages import Page
from ._queue import Queue
from ._reserve import Reservation
from ._types import (
    Bus,
    Cap,
    Event,
    EventType,
    Exit,
    Kick,
    KvmStats,
    Message,
    Mode,
    PeerInfo,
    Poll,
    Stats,
    VmStats,
    When,
)
from ._version import __version__
from ._vmm import Channel, Vm, Vmm
from ._wait import poll


def library_version() -> str:
    """The version of the libvmq that was found."""
    return str(_lib.vmq_version().decode())


def library_path() -> str:
    """Where it was found: a path, or the name that the loader knew."""
    return str(_lib._name)


__all__ = [
    "ERRORS",
    "AddressError",
    "AgainError",
    "Bridge",
    "Bus",
    "BusyError",
    "Cap",
    "Channel",
    "ClosedError",
    "Error",
    "Event",
    "EventType",
    "ExistsError",
    "Exit",
    "ExportedError",
    "FabricError",
    "GoneError",
    "Hub",
    "InvalidError",
    "Kick",
    "Kvm",
    "KvmStats",
    "Message",
    "Mode",
    "NoDescriptorsError",
    "NoMemoryError",
    "NotFoundError",
    "Page",
    "PeerInfo",
    "PoisonedError",
    "Poll",
    "ProtocolError",
    "Queue",
    "RefusedError",
    "Reservation",
    "SizeError",
    "StaleError",
    "Stats",
    "SystemCallError",
    "TimedOutError",
    "TopologyError",
    "UnsupportedError",
    "VersionError",
    "Vm",
    "VmStats",
    "Vmm",
    "When",
    "__version__",
    "library_path",
    "library_version",
    "open",
    "poll",
]
