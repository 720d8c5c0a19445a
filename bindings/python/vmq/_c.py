# SPDX-License-Identifier: BSD-2-Clause
"""The C interface: constants, structs and prototypes, under the names of the headers.

Nothing here does anything. A test compares all of it with the headers.
"""

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_bool,
    c_char,
    c_char_p,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any, Dict, List, Tuple

# ---- errors.h -----------------------------------------------------------------

VMQ_OK = 0
VMQ_EINVAL = -1
VMQ_EBADF = -2
VMQ_EAGAIN = -3
VMQ_ETIMEDOUT = -4
VMQ_EMSGSIZE = -5
VMQ_ENOENT = -6
VMQ_EGONE = -7
VMQ_EPEER = -8
VMQ_EACCES = -9
VMQ_EEXIST = -10
VMQ_ENOMEM = -11
VMQ_EMFILE = -12
VMQ_ECONN = -13
VMQ_EVERSION = -14
VMQ_EPROTO = -15
VMQ_ENOTSUP = -16
VMQ_ESTALE = -17
VMQ_EBUSY = -18
VMQ_EURI = -19
VMQ_ETOPOLOGY = -20
VMQ_ESYS = -21

VMQ_POISON_NONE = 0
VMQ_POISON_CONSUME = 1
VMQ_POISON_SPAN = 2
VMQ_POISON_LENGTH = 3
VMQ_POISON_KIND = 4
VMQ_POISON_PAD = 5
VMQ_POISON_HELLO = 6
VMQ_POISON_IDENTITY = 7
VMQ_POISON_FRAGMENT = 8
VMQ_POISON_OVERSIZE = 9
VMQ_POISON_PAGE_RANGE = 10
VMQ_POISON_PAGE_OWNER = 11
VMQ_POISON_PAGE_GEN = 12
VMQ_POISON_PAGE_MODE = 13
VMQ_POISON_VERSION = 14
VMQ_POISON_STATE = 15
VMQ_POISON_DIRECTORY = 16

# ---- layout.h -----------------------------------------------------------------

VMQ_PAGE_SIZE = 4096
VMQ_LANE_MIN = 4096
VMQ_LANE_MAX = 1 << 30
VMQ_POOL_MAX = 1 << 20
VMQ_NAME_MAX = 43

VMQ_PAGE_MOVE = 1
VMQ_PAGE_LEND = 2
VMQ_PAGE_SHARE = 3

VMQ_KICK_DATA = 1 << 0
VMQ_KICK_SPACE = 1 << 1

# ---- vmq.h --------------------------------------------------------------------

VMQ_NOWAIT = 0
VMQ_FOREVER = -1

VMQ_OPEN_THREADSAFE = 1 << 0
VMQ_OPEN_STRICT = 1 << 1

VMQ_SPIN_NONE = 0xFFFFFFFF
VMQ_NO_PAGES = 0xFFFFFFFF

VMQ_EVENT_JOIN = 1
VMQ_EVENT_LEAVE = 2
VMQ_EVENT_POISON = 3
VMQ_EVENT_DOWN = 4
VMQ_EVENT_LOST = 5
VMQ_EVENT_BACK = 6

VMQ_SEND_AUTO = 0
VMQ_SEND_NOW = 1
VMQ_SEND_LAZY = 2

VMQ_MSG_PAGE = 1 << 0

VMQ_POLL_IN = 1 << 0
VMQ_POLL_OUT = 1 << 1
VMQ_POLL_EVENT = 1 << 2
VMQ_POLL_ERR = 1 << 3
VMQ_POLL_LIMIT = 1024

VMQ_CAP_PAGES = 1 << 0
VMQ_CAP_REMAP = 1 << 1
VMQ_CAP_UNMAP = 1 << 2
VMQ_CAP_READONLY = 1 << 3
VMQ_CAP_ISOLATED = 1 << 4
VMQ_CAP_VOUCHED = 1 << 5
VMQ_CAP_WAKE = 1 << 6
VMQ_CAP_EXIT = 1 << 7
VMQ_CAP_TICK = 1 << 8
VMQ_CAP_ENFORCED = 1 << 9

NAME = c_char * (VMQ_NAME_MAX + 1)
UUID = c_uint8 * 16


class vmq_env(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("ctx", c_void_p),
        ("now", CFUNCTYPE(c_uint64, c_void_p)),
        ("wait", CFUNCTYPE(None, c_void_p, c_void_p, c_uint64)),
        ("wake", CFUNCTYPE(None, c_void_p, c_void_p)),
        ("random", CFUNCTYPE(c_uint64, c_void_p)),
    ]


class vmq_options(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("name", c_char_p),
        ("flags", c_uint32),
        ("lane_size", c_uint32),
        ("pool_pages", c_uint32),
        ("max_msg", c_uint32),
        ("lazy_max_us", c_uint32),
        ("spin_us", c_uint32),
        ("uuid", POINTER(c_uint8)),
        ("topology", c_char_p),
        ("env", POINTER(vmq_env)),
        ("errmsg", c_void_p),
        ("errlen", c_size_t),
        ("transport", c_void_p),
    ]


class vmq_peer_info(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("id", c_uint32),
        ("epoch", c_uint32),
        ("max_msg", c_uint32),
        ("state", c_int32),
        ("poison", c_int32),
        ("uuid", UUID),
        ("name", NAME),
        ("origin", c_uint32),
    ]


class vmq_event(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("type", c_uint32),
        ("peer", c_uint32),
        ("reason", c_int32),
        ("name", NAME),
    ]


class vmq_iovec(Structure):
    _fields_ = [("base", c_void_p), ("len", c_size_t)]


class vmq_page(Structure):
    _fields_ = [
        ("addr", c_void_p),
        ("len", c_size_t),
        ("peer", c_uint32),
        ("first", c_uint32),
        ("count", c_uint32),
        ("gen", c_uint32),
        ("mode", c_uint32),
        ("epoch", c_uint32),
    ]


class vmq_msg(Structure):
    _fields_ = [
        ("data", c_void_p),
        ("cap", c_size_t),
        ("len", c_size_t),
        ("peer", c_uint32),
        ("flags", c_uint32),
        ("page", vmq_page),
        ("reserved", c_uint64 * 2),
    ]


class vmq_pollfd(Structure):
    _fields_ = [("q", c_void_p), ("events", c_uint32), ("revents", c_uint32)]


class vmq_stats(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("sent", c_uint64),
        ("sent_bytes", c_uint64),
        ("received", c_uint64),
        ("received_bytes", c_uint64),
        ("kicks_sent", c_uint64),
        ("kicks_suppressed", c_uint64),
        ("kicks_space", c_uint64),
        ("kicks_received", c_uint64),
        ("wakes_spurious", c_uint64),
        ("exits_immediate", c_uint64),
        ("exits_natural", c_uint64),
        ("drains", c_uint64),
        ("pages_sent", c_uint64),
        ("pages_received", c_uint64),
        ("page_bytes_sent", c_uint64),
        ("stale", c_uint64),
        ("partial", c_uint64),
        ("poisons", c_uint64),
        ("peers", c_uint64),
    ]


# ---- vmm.h --------------------------------------------------------------------

VMQ_VMM_CLOSED = 1 << 0

VMQ_EXIT_TIMER = 0
VMQ_EXIT_WAIT = 1
VMQ_EXIT_YIELD = 2
VMQ_EXIT_IO = 3
VMQ_EXIT_REASONS = 4


class vmq_vmm_options(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("flags", c_uint32),
        ("seed", c_uint64),
        ("first_id", c_uint32),
    ]


class vmq_vmm_channel(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("link", c_void_p),
        ("id", c_uint32),
        ("peer", c_uint32),
        ("peer_name", c_char_p),
        ("peer_uuid", POINTER(c_uint8)),
        ("side", c_uint32),
        ("epoch", c_uint32),
        ("fd", c_int),
        ("region_size", c_uint64),
        ("region", c_void_p),
        ("doorbell", c_int * 2),
    ]


KICK = CFUNCTYPE(None, c_void_p, c_uint)
ATTACH = CFUNCTYPE(c_int, c_void_p, POINTER(vmq_vmm_channel))
LEAVE = CFUNCTYPE(None, c_void_p, c_void_p, c_int)
LOG = CFUNCTYPE(None, c_void_p, c_char_p)


class vmq_vm_config(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("name", c_char_p),
        ("uuid", POINTER(c_uint8)),
        ("lane_size", c_uint32),
        ("pool_pages", c_uint32),
        ("window", c_void_p),
        ("window_size", c_size_t),
        ("doorbell", c_int * 2),
        ("ctx", c_void_p),
        ("kick", KICK),
        ("attach", ATTACH),
        ("leave", LEAVE),
    ]


class vmq_vmm_stats(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("exits_immediate", c_uint64),
        ("exits_natural", c_uint64 * VMQ_EXIT_REASONS),
        ("drains", c_uint64),
        ("kicks", c_uint64),
        ("bypass", c_uint64),
        ("pages_moved", c_uint64),
        ("pages_lent", c_uint64),
        ("pages_shared", c_uint64),
        ("pages_returned", c_uint64),
        ("page_refused", c_uint64),
        ("peers", c_uint64),
    ]


class vmq_bridge_options(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("path", c_char_p),
        ("retry_ms", c_uint32),
        ("log", LOG),
        ("ctx", c_void_p),
        ("errmsg", c_void_p),
        ("errlen", c_size_t),
    ]


class vmq_hub_options(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("path", c_char_p),
        ("topology", c_char_p),
        ("tick_us", c_uint32),
        ("log", LOG),
        ("ctx", c_void_p),
        ("errmsg", c_void_p),
        ("errlen", c_size_t),
    ]


# ---- kvm.h, and what it takes of boot.h -----------------------------------------

VMQ_BOOT_PORT = 1
VMQ_BOOT_MEMORY = 2

VMQ_KVM_EXITS = 1 << 0
VMQ_KVM_ROUTE = 1 << 1

FAULT = CFUNCTYPE(None, c_void_p, c_uint64, c_uint32)


class vmq_kvm_config(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("name", c_char_p),
        ("uuid", POINTER(c_uint8)),
        ("lane_size", c_uint32),
        ("pool_pages", c_uint32),
        ("vm_fd", c_int),
        ("flags", c_uint32),
        ("memory_slot", c_uint32),
        ("peers", c_uint32),
        ("window", c_uint64),
        ("window_size", c_uint64),
        ("doorbell", c_uint64),
        ("bus", c_uint32),
        ("gsi", c_uint32),
        ("vector", c_uint32),
        ("fault", FAULT),
        ("ctx", c_void_p),
    ]


class vmq_kvm_stats(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("returns", c_uint64),
        ("doorbells", c_uint64),
        ("commands", c_uint64),
        ("faults", c_uint64),
        ("refused", c_uint64),
    ]


# ---- functions: every symbol of lib/vmq.map, in its order ------------------------
#
# Handles (struct vmq *, struct vmq_vmm * and so on) and callers' buffers are c_void_p.

PROTOTYPES: Dict[str, Tuple[Any, List[Any]]] = {
    "vmq_bridge_close": (c_int, [c_void_p]),
    "vmq_bridge_connect": (c_int, [c_void_p, c_char_p]),
    "vmq_bridge_fd": (c_int, [c_void_p]),
    "vmq_bridge_open": (c_int, [c_void_p, POINTER(vmq_bridge_options), POINTER(c_void_p)]),
    "vmq_bridge_run": (c_int, [c_void_p, c_int64]),
    "vmq_bridge_stop": (None, [c_void_p]),
    "vmq_broadcast": (c_int, [c_void_p, c_void_p, c_size_t, c_uint32, c_int64]),
    "vmq_cancel": (c_int, [c_void_p]),
    "vmq_caps": (c_uint64, [c_void_p]),
    "vmq_close": (c_int, [c_void_p]),
    "vmq_commit": (c_int, [c_void_p, c_size_t, c_uint32]),
    "vmq_errname": (c_char_p, [c_int]),
    "vmq_event": (c_int, [c_void_p, POINTER(vmq_event), c_int64]),
    "vmq_fd": (c_int, [c_void_p]),
    "vmq_flush": (c_int, [c_void_p]),
    "vmq_hub_close": (c_int, [c_void_p]),
    "vmq_hub_kill": (c_int, [c_void_p, c_char_p]),
    "vmq_hub_next": (c_int, [c_void_p, POINTER(c_char), POINTER(c_bool)]),
    "vmq_hub_open": (c_int, [POINTER(vmq_hub_options), POINTER(c_void_p)]),
    "vmq_hub_run": (c_int, [c_void_p, c_int64]),
    "vmq_hub_stats": (c_int, [c_void_p, c_char_p, POINTER(vmq_vmm_stats)]),
    "vmq_hub_stop": (None, [c_void_p]),
    "vmq_id": (c_int64, [c_void_p]),
    "vmq_kvm_add": (c_int, [c_void_p, POINTER(vmq_kvm_config), POINTER(c_void_p)]),
    "vmq_kvm_exit": (c_int, [c_void_p, c_void_p]),
    "vmq_kvm_remove": (c_int, [c_void_p]),
    "vmq_kvm_stats": (c_int, [c_void_p, POINTER(vmq_kvm_stats)]),
    "vmq_kvm_vm": (c_void_p, [c_void_p]),
    "vmq_kvm_window": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "vmq_open": (c_int, [c_char_p, POINTER(vmq_options), POINTER(c_void_p)]),
    "vmq_page_alloc": (c_int, [c_void_p, c_uint32, c_size_t, POINTER(vmq_page), c_int64]),
    "vmq_page_free": (c_int, [c_void_p, POINTER(vmq_page)]),
    "vmq_page_send": (
        c_int,
        [c_void_p, POINTER(vmq_page), c_int, c_void_p, c_size_t, c_uint32, c_int64],
    ),
    "vmq_peek": (c_int, [c_void_p, POINTER(vmq_msg), c_int64]),
    "vmq_peer": (c_int, [c_void_p, c_char_p, c_int64, POINTER(c_uint32)]),
    "vmq_peer_info": (c_int, [c_void_p, c_uint32, POINTER(vmq_peer_info)]),
    "vmq_poison_text": (c_char_p, [c_int]),
    "vmq_poll": (c_int, [POINTER(vmq_pollfd), c_uint, c_int64]),
    "vmq_recv": (c_int64, [c_void_p, c_void_p, c_size_t, POINTER(vmq_msg), c_int64]),
    "vmq_recv_batch": (c_int, [c_void_p, POINTER(vmq_msg), c_uint, c_int64]),
    "vmq_release": (c_int, [c_void_p]),
    "vmq_reserve": (c_int, [c_void_p, c_uint32, c_size_t, POINTER(c_void_p), c_int64]),
    "vmq_send": (c_int, [c_void_p, c_uint32, c_void_p, c_size_t, c_uint32, c_int64]),
    "vmq_send_batch": (c_int, [c_void_p, c_uint32, POINTER(vmq_iovec), c_uint, c_uint32, c_int64]),
    "vmq_sendv": (c_int, [c_void_p, c_uint32, POINTER(vmq_iovec), c_uint, c_uint32, c_int64]),
    "vmq_stats": (c_int, [c_void_p, POINTER(vmq_stats)]),
    "vmq_strerror": (c_char_p, [c_int]),
    "vmq_version": (c_char_p, []),
    "vmq_vmm_add": (c_int, [c_void_p, POINTER(vmq_vm_config), POINTER(c_void_p)]),
    "vmq_vmm_allow": (c_int, [c_void_p, c_char_p, c_char_p]),
    "vmq_vmm_bypass": (c_int, [c_void_p, c_uint]),
    "vmq_vmm_count_bypass": (None, [c_void_p, c_uint64]),
    "vmq_vmm_create": (c_int, [POINTER(vmq_vmm_options), POINTER(c_void_p)]),
    "vmq_vmm_destroy": (c_int, [c_void_p]),
    "vmq_vmm_detach": (c_int, [c_void_p]),
    "vmq_vmm_doorbell": (c_int, [c_void_p, c_uint32, c_uint]),
    "vmq_vmm_exit": (c_int, [c_void_p, c_int]),
    "vmq_vmm_halt": (c_int, [c_void_p]),
    "vmq_vmm_id": (c_uint32, [c_void_p]),
    "vmq_vmm_lookup": (c_int, [c_void_p, c_char_p]),
    "vmq_vmm_open": (c_int, [c_void_p, POINTER(vmq_options), POINTER(c_void_p)]),
    "vmq_vmm_pages": (c_int, [c_void_p, c_uint32, c_uint32]),
    "vmq_vmm_refuse": (c_int, [c_void_p, c_char_p, c_char_p]),
    "vmq_vmm_remove": (c_int, [c_void_p]),
    "vmq_vmm_stats": (c_int, [c_void_p, POINTER(vmq_vmm_stats)]),
    "vmq_vmm_watch": (c_int, [c_void_p, c_int64]),
    "vmq_yield": (c_int, [c_void_p]),
}


def declare(library: ctypes.CDLL) -> None:
    """Give every function of the library its prototype."""
    for name, (restype, argtypes) in PROTOTYPES.items():
        function = getattr(library, name)
        function.restype = restype
        function.argtypes = argtypes
