# SPDX-License-Identifier: BSD-2-Clause
"""The sending half of a Queue."""

import ctypes
import threading
import weakref
from typing import Any, Iterable, List, Optional, Sequence, Tuple

from . import _c
from ._base import Until, raw_address, waiting
from ._batch import CHUNK, Outbox, contiguous
from ._errors import AgainError, BusyError, InvalidError, TimedOutError, error
from ._handle import SLICE_NS, Handle, check, nanoseconds
from ._load import lib
from ._news import News
from ._pages import Page
from ._reserve import Lease, Reservation
from ._types import Buffer, Mode, Peer, When

_PIECES = 1024  #: that vmq_sendv() takes


class Sender(News):
    """The calls that send."""

    def __init__(self, handle: Handle) -> None:
        super().__init__(handle)
        self._outboxes: List[Outbox] = []
        self._reserving = threading.Lock()  # an endpoint has one reservation at a time
        self._reserved: Any = None  # a weak reference to its Lease
        self._reservations: "weakref.WeakSet[Reservation]" = weakref.WeakSet()

    def send(
        self,
        peer: Peer,
        data: Buffer,
        *,
        when: When = When.AUTO,
        timeout: Optional[float] = None,
    ) -> None:
        """Place a copy of data in the peer's queue; waits for the peer, and for room."""
        if type(peer) is not int or peer >> 32:
            peer = self._peer(peer, timeout)
        if self._reserved is not None:
            self._unhindered(peer)
        at, size = (data, len(data)) if type(data) is bytes else raw_address(data)
        code = lib.vmq_send(self._h, peer, at, size, when, 0)
        if code:
            code = self._send_slowly(code, peer, (at, size), when, nanoseconds(timeout))
            check(code, peer=peer)

    def _send_slowly(
        self, code: int, peer: int, data: Tuple[Any, int], when: int, timeout_ns: int
    ) -> int:
        """There was no room. A message that is placed as a whole is waited for in slices; one
        that goes in fragments would begin anew in each, so they grow."""
        if timeout_ns == 0 or code not in (_c.VMQ_EAGAIN, _c.VMQ_EMSGSIZE):
            return code
        one = _c.vmq_iovec(ctypes.cast(data[0], ctypes.c_void_p), data[1])
        code = waiting(
            lambda left: lib.vmq_send_batch(self._h, peer, ctypes.byref(one), 1, when, left),
            timeout_ns,
        )
        if code != _c.VMQ_EMSGSIZE:
            return min(code, 0)
        return waiting(
            lambda left: lib.vmq_send(self._h, peer, *data, when, left), timeout_ns, growing=True
        )

    def sendv(
        self,
        peer: Peer,
        parts: Iterable[Buffer],
        *,
        when: When = When.AUTO,
        timeout: Optional[float] = None,
    ) -> None:
        """send() for one message in several parts, such as a header and a body: nobody joins
        them before they are in the queue."""
        held = list(parts)
        if len(held) > _PIECES:
            held = [b"".join(contiguous(held))]
        number, timeout_ns = self._peer(peer, timeout), nanoseconds(timeout)
        if self._reserved is not None:
            self._unhindered(number)
        memory = [raw_address(part) for part in held]
        table = (_c.vmq_iovec * len(memory))()
        for entry, (at, size) in zip(table, memory):
            entry.base, entry.len = ctypes.cast(at, ctypes.c_void_p), size
        code = lib.vmq_sendv(self._h, number, table, len(memory), when, 0)
        if code:
            joined = b"".join(contiguous(held))
            code = self._send_slowly(code, number, (joined, len(joined)), when, timeout_ns)
            check(code, peer=number)

    def send_batch(
        self,
        peer: Peer,
        messages: Iterable[Buffer],
        *,
        when: When = When.AUTO,
        timeout: Optional[float] = None,
    ) -> int:
        """Send many messages, published and rung for together. Returns how many were placed:
        all of them, or as many as there was room for in time; none is an exception."""
        number = self._peer(peer, timeout)
        if self._reserved is not None:
            self._unhindered(number)
        todo = messages if isinstance(messages, (list, tuple)) else list(messages)
        until = Until(timeout)
        done = 0
        try:
            outbox = self._outboxes.pop()
        except IndexError:
            outbox = Outbox()
        try:
            while done < len(todo):
                part = todo[done : done + CHUNK]
                placed = self._send_chunk(outbox, number, part, when, until)
                done += max(placed, 0)
                if placed < len(part):
                    if done == 0:
                        raise error(placed, peer=number)
                    break
        finally:
            outbox.clear()
            self._outboxes.append(outbox)
        return done

    def _send_chunk(
        self, outbox: Outbox, peer: int, part: Sequence[Buffer], when: int, until: "Until"
    ) -> int:
        """Place messages of a table. Returns how many, or an error if none was."""
        n, done = outbox.fill(part), 0
        while done < n:
            code = waiting(
                lambda left: lib.vmq_send_batch(
                    self._h, peer, outbox.table[done], n - done, when, left
                ),
                until.left(),
            )
            if code == _c.VMQ_EMSGSIZE:  # the next one goes in fragments, or not at all
                at = raw_address(part[done])
                code = self._send_slowly(code, peer, at, when, until.left())
                code = code or 1
            if code < 0:
                return done or code
            done += code
        return done

    def broadcast(
        self, data: Buffer, *, when: When = When.AUTO, timeout: Optional[float] = 0
    ) -> int:
        """Send to each peer that is there. Returns how many got it. Who has no room in time is
        left out; if that is everybody, AgainError or TimedOutError."""
        until = Until(timeout)
        if self._reserved is not None:
            self._unhindered(None)
        at, size = raw_address(data)
        if timeout == 0:
            return check(lib.vmq_broadcast(self._h, at, size, when, 0))
        got, code = 0, 0
        for peer in self.peers():
            said = lib.vmq_send(self._h, peer, at, size, when, 0)
            said = said and self._send_slowly(said, peer, (at, size), when, until.left())
            got += said == 0
            code = said if said in (_c.VMQ_EBADF, _c.VMQ_EAGAIN, _c.VMQ_ETIMEDOUT) else code
        return got if got else check(code)

    def flush(self) -> int:
        """Ring for what was sent lazily and not seen. Returns how many doorbells were rung."""
        return check(lib.vmq_flush(self._h))

    def relax(self) -> None:
        """A natural exit of this VM (vmq_yield): the VMM drains what was sent lazily."""
        check(lib.vmq_yield(self._h))

    # ---- in place -----------------------------------------------------------

    def reserve(
        self,
        peer: Peer,
        size: int,
        *,
        when: When = When.AUTO,
        timeout: Optional[float] = None,
    ) -> Reservation:
        """Room for a message in the peer's queue itself, to build it there:

            with q.reserve("b", 4096) as room:
                n = file.readinto(room.view)
                room.commit(n)

        Without commit() all of it is sent at the end of the block, and after an exception
        nothing. At most a quarter of the peer's lane (SizeError). In the block, this thread
        sends nothing else to that peer (BusyError) and awaits nothing; others wait.
        """
        if size < 0:
            raise InvalidError(f"room for {size} bytes")
        nanoseconds(timeout)  # says at once what is wrong with it

        def lend() -> Tuple[Lease, int]:
            until = Until(timeout)
            return self._lend(self._peer(peer, timeout), size, until)

        made = Reservation(lend, size, when)
        self._reservations.add(made)
        return made

    def _lend(self, peer: int, size: int, until: Until) -> Tuple[Lease, int]:
        self._unhindered(None)
        self._take_turn(until)
        handle, out, kept = self._h, ctypes.c_void_p(), False
        try:
            code = waiting(
                lambda left: lib.vmq_reserve(handle, peer, size, ctypes.byref(out), left),
                until.left(),
            )
            more = f"{size} bytes are over what can be built in place: a quarter of the peer's lane"
            check(code, more if code == _c.VMQ_EMSGSIZE else "", peer=peer)
            if handle is None or not out.value:
                raise error(_c.VMQ_EBADF)
            lease = Lease(handle, peer, self._lent_no_more)
            self._reserved = weakref.ref(lease)
            kept = True
            return lease, out.value
        finally:
            if not kept:
                if handle is not None and out.value:
                    lib.vmq_cancel(handle)
                self._reserving.release()

    def _take_turn(self, until: Until) -> None:
        """Other threads' reservations come first."""
        while not self._reserving.acquire(blocking=False):
            left = until.left()
            if left == 0:
                raise AgainError("another thread has a reservation")
            if self.closed:
                raise error(_c.VMQ_EBADF)
            piece = SLICE_NS if left < 0 else min(left, SLICE_NS)
            if self._reserving.acquire(timeout=piece / 1e9):
                break
            if 0 < left <= piece:
                raise TimedOutError("another thread has a reservation")

    def _lent_no_more(self) -> None:
        self._reserved = None
        self._reserving.release()

    def _unhindered(self, peer: Optional[int]) -> None:
        """In the middle of a message in place, this thread cannot send to its peer (to any)."""
        lease = self._reserved() if self._reserved is not None else None
        if lease is not None and lease.mine() and peer in (None, lease.peer):
            raise BusyError("this thread has a reservation there", peer=lease.peer)

    def _closing(self) -> int:
        held = super()._closing()
        for reservation in list(self._reservations):
            held += not reservation._close()
        return held

    # ---- pages --------------------------------------------------------------

    def alloc(self, peer: Peer, size: int, timeout: Optional[float] = None) -> Page:
        """Take pages for `size` bytes out of the pool shared with the peer; waits for pages to
        return. Their bytes are not cleared."""
        number = self._peer(peer, timeout)
        if size < 1:
            raise InvalidError(f"pages for {size} bytes")
        page = _c.vmq_page()
        code = waiting(
            lambda left: lib.vmq_page_alloc(self._h, number, size, ctypes.byref(page), left),
            nanoseconds(timeout),
        )
        check(code, peer=number)
        return self._page(page)

    def send_page(
        self,
        page: Page,
        data: Buffer = b"",
        *,
        mode: Mode = Mode.MOVE,
        size: Optional[int] = None,
        when: When = When.AUTO,
        timeout: Optional[float] = None,
    ) -> None:
        """Send pages with a message, to the peer whose pool they are of. `size`: how many bytes
        of them are in use, from the start; all. After a MOVE the page is not ours any more, and
        before it no slice or array of it may be in use (ExportedError)."""
        timeout_ns = nanoseconds(timeout)
        run = page._live()
        if self._reserved is not None:
            self._unhindered(run.page.peer)
        at, length = raw_address(data)
        if size is not None and not 0 < size <= run.page.len:
            raise InvalidError(f"{size} bytes of a page of {run.page.len}")
        sent = _c.vmq_page.from_buffer_copy(run.page)
        sent.len = size or sent.len
        if mode == Mode.MOVE:
            page._take()
        code = _c.VMQ_ESYS
        try:
            code = waiting(
                lambda left: lib.vmq_page_send(
                    self._h, ctypes.byref(sent), mode, at, length, when, left
                ),
                timeout_ns,
            )
        finally:
            if mode == Mode.MOVE:
                run.forget() if code == 0 else page._restore(run)
        check(code, peer=int(run.page.peer))
        if mode != Mode.MOVE:
            run.page.gen = sent.gen
