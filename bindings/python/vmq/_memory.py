# SPDX-License-Identifier: BSD-2-Clause
"""Memory of the library's, shown as memoryviews, and how that ends.

A view shows the memory itself. What makes it safe is who holds whom: a view, and all that was
made of it (slices, numpy arrays), holds the memory's owner, which holds the endpoint. While
such a thing lives its memory is neither given away nor unmapped.
"""

import ctypes
import gc
import os
import threading
import weakref
from typing import Any, Dict, Optional, Type

from ._errors import ExportedError


class _Memory:
    """Mixed into a ctypes array that lies over the memory, and exports it as a buffer."""

    owner: Any = None


_types: Dict[int, Type[Any]] = {}

#: Views are made and revoked under it: one that another thread makes just now is seen, or not
#: made any more.
_lock = threading.RLock()


def _forked() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_forked)


def _over(owner: Any, address: int, size: int) -> Any:
    """An array of bytes over the memory that holds its owner."""
    made = _types.get(size)
    if made is None:
        if len(_types) >= 256:
            _types.clear()
        made = _types[size] = type("Memory", (_Memory, ctypes.c_uint8 * size), {})
    memory = made.from_address(address)
    memory.owner = owner
    return memory


class Views:
    """The views of one piece of memory."""

    __slots__ = ("_view", "_memory")

    def __init__(self) -> None:
        self._view: Optional[memoryview] = None
        self._memory: Any = None  # a weak reference to what views hold

    def lock(self) -> Any:
        """To be held by who looks whether there may be a view, and then makes one or ends all."""
        return _lock

    def fresh(self, owner: Any, address: int, room: int, size: int, readonly: bool) -> memoryview:
        """A new view of the first `size` bytes of `room`."""
        with _lock:
            memory = self._memory() if self._memory else None
            if memory is None:
                memory = _over(owner, address, room)
                self._memory = weakref.ref(memory)
            view = memoryview(memory).cast("B")[:size]
            return view.toreadonly() if readonly else view

    def shown(self, owner: Any, address: int, room: int, size: int, readonly: bool) -> memoryview:
        """The view that can be revoked."""
        with _lock:
            if self._view is not None:
                try:
                    self._view.nbytes
                except ValueError:  # the user released it
                    self._view = None
            if self._view is None:
                self._view = self.fresh(owner, address, room, size, readonly)
            return self._view

    def settle(self) -> None:
        """Before revoke(), without the lock: garbage may hold a view, and collecting it may
        wait for anything."""
        try:
            with _lock:
                self.revoke("")
        except ExportedError:
            gc.collect()

    def revoke(self, what: str) -> None:
        """No view may be in use from here on. A failure changes nothing but that the view
        itself may be released."""
        with _lock:
            view, self._view = self._view, None
            if view is not None:
                try:
                    view.release()
                except BufferError:
                    self._view = view
                    raise ExportedError(f"an array or a view of {what} is in use") from None
                del view
            if self._memory is not None and self._memory() is not None:
                raise ExportedError(f"a slice or an array of {what} is in use")
