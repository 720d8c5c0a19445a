# SPDX-License-Identifier: BSD-2-Clause
"""What all parts of a Queue stand on: its handle, waiting in slices, its peers."""

import ctypes
import time
import warnings
import weakref
from typing import Any, Callable, Dict, Optional

from . import _c
from ._errors import InvalidError, encoded, error
from ._handle import SLICE_NS, Handle, Unshared, calling, check, nanoseconds
from ._load import lib
from ._pages import Page
from ._types import Peer


def waiting(call: Callable[[int], Any], timeout_ns: int, growing: bool = False) -> int:
    """Make a call that waits, in slices; `growing` ones if each would start from the beginning."""
    if timeout_ns == 0:
        return int(call(0))
    deadline = time.monotonic_ns() + timeout_ns
    piece = SLICE_NS
    while True:
        left = deadline - time.monotonic_ns() if timeout_ns > 0 else piece
        code: int = call(max(1, min(left, piece)))
        if code != _c.VMQ_ETIMEDOUT or 0 < timeout_ns and left <= piece:
            return code
        if growing:
            piece *= 2


class Until:
    """A deadline, if there is one."""

    def __init__(self, timeout: Optional[float]) -> None:
        self._set(nanoseconds(timeout))

    @classmethod
    def of_ns(cls, timeout_ns: int) -> "Until":
        made = cls(None)
        made._set(timeout_ns)
        return made

    def _set(self, timeout_ns: int) -> None:
        self._wait = timeout_ns
        self._at = time.monotonic_ns() + timeout_ns if timeout_ns > 0 else 0

    def left(self) -> int:
        """As a timeout of the library. Once the time is up: the shortest that there is."""
        return max(1, self._at - time.monotonic_ns()) if self._at else self._wait


class Base(Unshared):
    """The handle of a Queue, and its end."""

    _h: Optional[Handle] = None

    def __init__(self, handle: Handle) -> None:
        self._h = handle
        self._ids: Dict[str, int] = {}
        self._pages: "weakref.WeakValueDictionary[int, Page]" = weakref.WeakValueDictionary()

    @property
    def closed(self) -> bool:
        """Whether it was closed, here or by a fork."""
        handle = self._h
        return handle is None or handle.value is None

    def close(self) -> None:
        """Leave the fabric. Peers still get what was sent. All pages end here.

        A call that waits in another thread ends with ClosedError. A slice or a numpy array
        of a page goes on being readable: until the last of them is gone, the endpoint stays.
        Closing twice does no harm.
        """
        handle, self._h = self._h, None
        if handle is None:
            return
        held = self._closing()
        for ref in self._pages.valuerefs():
            page = ref()
            held += page is not None and not page._close()
        done = handle.done
        del handle
        if held:
            warnings.warn(
                f"a Queue was closed while {held} of its pages or reservations are in use: "
                "it leaves the fabric when they no longer are",
                ResourceWarning,
                stacklevel=2,
            )
        elif not done.is_set() and not calling.inside():
            done.wait(5 * SLICE_NS / 1e9)  # a call of another thread is under way

    def _closing(self) -> int:
        """For who has something to undo. How many things go on holding the endpoint."""
        return 0

    def _page(self, page: _c.vmq_page) -> Page:
        """Pages that are this end's now."""
        handle = self._h
        if handle is None:
            raise error(_c.VMQ_EBADF)
        made = Page(handle, page)
        self._pages[id(made)] = made
        return made

    @property
    def id(self) -> int:
        """Own id on the fabric."""
        return check(lib.vmq_id(self._h))

    def peer(self, name: str, timeout: Optional[float] = None) -> int:
        """Wait for the peer of that name to be there. Its id, which stays the same when it
        comes back after a restart."""
        out, text = ctypes.c_uint32(), encoded(name)
        ns = nanoseconds(timeout)
        code = waiting(lambda left: lib.vmq_peer(self._h, text, left, ctypes.byref(out)), ns)
        if code < 0:
            raise error(code, f"peer {name!r}: {lib.vmq_strerror(code).decode()}")
        self._ids[name] = out.value
        return out.value

    def _peer(self, peer: Peer, timeout: Optional[float]) -> int:
        """The id of a peer that may be given by its name."""
        if isinstance(peer, str):
            known = self._ids.get(peer)
            return self.peer(peer, timeout) if known is None else known
        if isinstance(peer, int):
            if 0 <= peer < 1 << 32:
                return peer
            raise InvalidError(f"a peer's id is a number of 32 bits, and not {peer}")
        raise TypeError(f"a peer is a name or an id, and not {type(peer).__name__}")


def raw_address(data: Any) -> Any:
    """Contiguous memory as an argument of the library, and its length in bytes."""
    if type(data) is bytes:
        return data, len(data)
    if isinstance(data, str):
        raise TypeError("a message is bytes, and not str: encode it")
    view = memoryview(data)
    if view.nbytes == 0:
        return b"", 0
    if view.readonly or not view.c_contiguous:
        copy = view.tobytes()
        return copy, len(copy)
    return ctypes.byref(ctypes.c_char.from_buffer(view)), view.nbytes
