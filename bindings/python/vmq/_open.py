# SPDX-License-Identifier: BSD-2-Clause
"""To open an endpoint."""

import ctypes
from typing import Any, Optional

from . import _c
from ._errors import InvalidError, Line, encoded
from ._handle import Handle
from ._load import lib
from ._queue import Queue


def open(
    address: str,
    *,
    name: Optional[str] = None,
    lane_size: int = 0,
    pool_pages: Optional[int] = None,
    max_msg: int = 0,
    lazy_max_us: int = 0,
    spin_us: Optional[int] = None,
    uuid: Optional[bytes] = None,
    topology: Optional[str] = None,
    strict: bool = False,
) -> Queue:
    """Open an endpoint at an address, such as "sim:lab?name=a".

    What is in the address wins over the arguments; 0 and None are the defaults of struct
    vmq_options, but pool_pages=0 is no pages at all, and spin_us=0 to sleep at once.
    """
    options = options_of(
        name, lane_size, pool_pages, max_msg, lazy_max_us, spin_us, uuid, topology, strict
    )
    text, line = encoded(address), Line()
    options.errmsg, options.errlen = line.address, line.SIZE
    handle = Handle(lib.vmq_close)
    code = lib.vmq_open(text, ctypes.byref(options), ctypes.byref(handle))
    if code < 0:
        raise line.error(code)
    return Queue(handle)


def options_of(
    name: Optional[str],
    lane_size: int,
    pool_pages: Optional[int],
    max_msg: int,
    lazy_max_us: int,
    spin_us: Optional[int],
    uuid: Optional[bytes],
    topology: Optional[str],
    strict: bool,
) -> Any:
    spin = _c.VMQ_SPIN_NONE if spin_us == 0 else spin_us or 0
    return _c.vmq_options(
        size=ctypes.sizeof(_c.vmq_options),
        name=None if name is None else encoded(name),
        flags=_c.VMQ_OPEN_THREADSAFE | (_c.VMQ_OPEN_STRICT if strict else 0),
        lane_size=number_of("lane_size", lane_size),
        pool_pages=pages_of(pool_pages),
        max_msg=number_of("max_msg", max_msg),
        lazy_max_us=number_of("lazy_max_us", lazy_max_us),
        spin_us=number_of("spin_us", spin),
        uuid=uuid_of(uuid),
        topology=None if topology is None else encoded(topology),
    )


def number_of(key: str, value: int, bits: int = 32) -> int:
    """A number of a struct, which ctypes would cut down to its bits without a word."""
    if not 0 <= value < 1 << bits:
        raise InvalidError(f"{key} is {value}")
    return value


def pages_of(pool_pages: Optional[int]) -> int:
    """A pool's size: None is the default, and 0 is no pool."""
    return _c.VMQ_NO_PAGES if pool_pages == 0 else number_of("pool_pages", pool_pages or 0)


def uuid_of(uuid: Optional[bytes]) -> Any:
    """A UUID of a struct; NULL: derived from the name."""
    if uuid is None:
        return None
    if len(uuid) != 16:
        raise InvalidError(f"a UUID has 16 bytes, and not {len(uuid)}")
    return (ctypes.c_uint8 * 16)(*uuid)
