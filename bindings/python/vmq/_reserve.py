# SPDX-License-Identifier: BSD-2-Clause
"""A message that is built in place, in the peer's queue."""

import threading
from typing import Any, Callable, Optional, Tuple

from . import _c
from ._errors import BusyError, ClosedError, ExportedError, InvalidError
from ._handle import Handle, Unshared, check
from ._load import lib
from ._memory import Views


class Lease:
    """Room in a peer's lane that one thread holds. It is given up with the last view of it."""

    def __init__(self, handle: Handle, peer: int, ended: Callable[[], Any]) -> None:
        self._handle: Optional[Handle] = handle
        self._ended = ended
        self._thread = threading.get_ident()
        self.peer = peer

    def mine(self) -> bool:
        """Is it this thread's?"""
        return self._handle is not None and self._thread == threading.get_ident()

    def closed(self) -> bool:
        return self._handle is None or self._handle.value is None

    def commit(self, size: int, when: int) -> int:
        handle, self._handle = self._handle, None
        if handle is None:
            return _c.VMQ_EBADF
        try:
            return int(lib.vmq_commit(handle, size, when))
        finally:
            self._ended()

    def drop(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            lib.vmq_cancel(handle)
            self._ended()

    def __del__(self) -> None:
        self.drop()


class Reservation(Unshared):
    """A message that is built in place: Queue.reserve() makes it, `with` gives it its room.

    `view` is that room, to be written; it is not cleared. At the end of the block the message
    is sent; after an exception it is not. commit() and cancel() do so before.
    """

    def __init__(self, lend: Callable[[], Tuple[Lease, int]], size: int, when: int) -> None:
        self._lend = lend
        self._size = size
        self._when = when
        self._views = Views()
        self._lease: Optional[Lease] = None
        self._at = 0
        self._entered = False
        self._closed = False

    def __enter__(self) -> "Reservation":
        if self._entered:
            raise InvalidError("a reservation is for one message")
        self._lease, self._at = self._lend()
        self._entered = True
        return self

    def __exit__(self, kind: Any, exc: Any, trace: Any) -> None:
        try:
            if kind is None and (self._lease is not None or self._closed):
                self.commit()
        finally:
            self.cancel()

    def _live(self) -> Lease:
        lease = self._lease
        if self._closed or lease is not None and lease.closed():
            raise ClosedError()
        if lease is None:
            raise InvalidError("the message is sent or cancelled, or not begun")
        return lease

    def __len__(self) -> int:
        """Bytes of the room."""
        return self._size

    @property
    def view(self) -> memoryview:
        """The room in the peer's queue. It ends with the block: then the view raises ValueError.
        While there is a slice or a numpy array of it, the message cannot be sent."""
        with self._views.lock():
            return self._views.shown(self._live(), self._at, max(self._size, 1), self._size, False)

    def commit(self, size: Optional[int] = None) -> None:
        """Send the message now, cut to `size` bytes. ExportedError while a slice or an array of
        the view is in use."""
        size = self._size if size is None else size
        if not 0 <= size <= self._size:
            raise InvalidError(f"{size} bytes of a reservation of {self._size}")
        self._live()
        self._views.settle()
        with self._views.lock():
            lease = self._live()
            if not lease.mine():
                raise BusyError("the thread that reserved sends", peer=lease.peer)
            self._views.revoke("the reservation")
            self._lease = None
        check(lease.commit(size, self._when), peer=lease.peer)

    def cancel(self) -> None:
        """Nothing is sent. If a slice or an array of the view is in use, its room is held until
        that is gone. Cancelling twice, or after a commit(), does no harm."""
        lease = self._lease
        if lease is None:
            return
        if not (lease.mine() or lease.closed()):
            raise BusyError("the thread that reserved cancels", peer=lease.peer)
        self._give_up(lease)

    def _give_up(self, lease: Lease) -> bool:
        """False: a slice or an array holds the room."""
        self._views.settle()
        with self._views.lock():
            self._lease = None
            try:
                self._views.revoke("the reservation")
            except ExportedError:
                return False
        lease.drop()
        return True

    def _close(self) -> bool:
        """The Queue is being closed. False: a view, or another thread, holds the endpoint."""
        with self._views.lock():
            lease = self._lease
            if lease is None:
                return True
            self._closed = True
            if not lease.mine():
                return False
        return self._give_up(lease)
