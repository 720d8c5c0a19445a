# SPDX-License-Identifier: BSD-2-Clause
"""The receiving half of a Queue."""

import ctypes
from itertools import repeat
from typing import Any, Callable, Iterable, Iterator, List, Optional, Tuple, TypeVar

from . import _c
from ._base import Base, Until, waiting
from ._batch import CHUNK, Inbox, Slot
from ._errors import ClosedError, GoneError, InvalidError, PoisonedError, RefusedError, error
from ._handle import SLICE_NS, Handle, check, nanoseconds
from ._load import lib
from ._pages import Page
from ._types import Message

_FIRST = 1 << 16  #: bytes of a receive buffer, at first
_KEEP = 1 << 22  #: one that is larger is not kept
_NEWS = (_c.VMQ_EGONE, _c.VMQ_EACCES, _c.VMQ_EPEER)
_new: Any = tuple.__new__
_T = TypeVar("_T")


class Receiver(Base):
    """The calls that receive."""

    def __init__(self, handle: Handle) -> None:
        super().__init__(handle)
        self._slots: List[Slot] = []
        self._inboxes: List[Inbox] = []

    def recv(self, timeout: Optional[float] = None) -> Message:
        """Take the next message, from whichever peer.

        GoneError, RefusedError or PoisonedError: said once of a peer (`error.peer`), after its
        last message. Go on calling.
        """
        timeout_ns = nanoseconds(timeout)
        try:
            slot = self._slots.pop()
        except IndexError:
            slot = Slot(_FIRST)
        try:
            first = timeout_ns if 0 <= timeout_ns < SLICE_NS else SLICE_NS
            n = lib.vmq_recv(self._h, slot.at, slot.size, slot.ref, first)
            if n < 0:
                slot, n = self._recv_slowly(slot, n, first, timeout_ns)
            data = ctypes.string_at(slot.at, n)
            page = self._page_of(slot.msg) if slot.msg.flags & _c.VMQ_MSG_PAGE else None
            return Message(data, slot.msg.peer, page)
        finally:
            if slot.size <= _KEEP:
                self._slots.append(slot)

    def _recv_slowly(
        self, slot: Slot, code: int, waited_ns: int, timeout_ns: int
    ) -> Tuple[Slot, int]:
        """The first attempt gave nothing. Wait on, and make room for what is larger."""
        until = Until.of_ns(timeout_ns - waited_ns if timeout_ns > 0 else timeout_ns)
        while code < 0:
            if code == _c.VMQ_EMSGSIZE:
                slot = Slot(1 << int(slot.msg.len).bit_length())
            elif code != _c.VMQ_ETIMEDOUT or waited_ns == timeout_ns:
                raise error(code, peer=slot.msg.peer if code in _NEWS else None)
            waited_ns = timeout_ns
            code = waiting(
                lambda left: lib.vmq_recv(self._h, slot.at, slot.size, slot.ref, left), until.left()
            )
        return slot, code

    def _page_of(self, msg: Any) -> Page:
        return self._page(_c.vmq_page.from_buffer_copy(msg.page))

    def recv_batch(self, n: int = CHUNK, timeout: Optional[float] = None) -> List[Message]:
        """Take up to n messages that are there; waits for the first. Errors as recv()."""
        return self._receive(n, timeout, self._unpack) or [self.recv(0)]

    def recv_data(self, n: int = CHUNK, timeout: Optional[float] = None) -> List[bytes]:
        """recv_batch() for who wants to know nothing but the bytes: three times as fast. Pages
        that come along are given back."""
        return self._receive(n, timeout, self._unpack_data) or [self._alone(self.recv(0))]

    def _receive(
        self, n: int, timeout: Optional[float], unpack: Callable[[Inbox, int], List[_T]]
    ) -> List[_T]:
        """A batch, unpacked; an empty list if the next message is too large for a table."""
        if n < 1:
            raise InvalidError(f"a batch is of at least one message, and not of {n}")
        timeout_ns = nanoseconds(timeout)
        try:
            inbox = self._inboxes.pop()
        except IndexError:
            inbox = Inbox()
        try:
            while True:
                count = min(n, inbox.count)
                code = lib.vmq_recv_batch(self._h, inbox.table, count, 0)
                if code == _c.VMQ_EAGAIN and timeout_ns:
                    code = waiting(
                        lambda left: lib.vmq_recv_batch(self._h, inbox.table, count, left),
                        timeout_ns,
                    )
                if code > 0:
                    return unpack(inbox, code)
                first = inbox.table[0]
                if code != _c.VMQ_EMSGSIZE:
                    raise error(code, peer=first.peer if code in _NEWS else None)
                if not inbox.grow(first.len):
                    return []
        finally:
            self._inboxes.append(inbox)

    def _unpack(self, inbox: Inbox, n: int) -> List[Message]:
        data, peers, flags = inbox.data(n), inbox.peers(n), inbox.flags(n)
        pages: Iterable[Optional[Page]] = repeat(None)
        if any(flags):
            pages = [
                self._page(inbox.page(i)) if flags[i] & _c.VMQ_MSG_PAGE else None for i in range(n)
            ]
        return list(map(_new, repeat(Message), zip(data, peers, pages)))

    def _unpack_data(self, inbox: Inbox, n: int) -> List[bytes]:
        if any(inbox.flags(n)):
            return [self._alone(message) for message in self._unpack(inbox, n)]
        return inbox.data(n)

    @staticmethod
    def _alone(message: Message) -> bytes:
        """A message's bytes, without its pages."""
        if message.page is not None:
            message.page.free()
        return message.data

    def peek(self, timeout: Optional[float] = None) -> Message:
        """A copy of the next message, which stays in the queue, and its pages with it. For one
        receiver: not while another thread receives from this Queue, which would take it."""
        msg = _c.vmq_msg()
        code = waiting(
            lambda left: lib.vmq_peek(self._h, ctypes.byref(msg), left), nanoseconds(timeout)
        )
        check(code, peer=msg.peer if code in _NEWS else None)
        return Message(ctypes.string_at(msg.data, msg.len), msg.peer)

    def __iter__(self) -> Iterator[Message]:
        """All messages, for ever. A peer that leaves is no end: event() tells of it. Ends when
        the Queue is closed; FabricError when the fabric is gone and all is received."""
        return self

    def __next__(self) -> Message:
        while True:
            try:
                return self.recv()
            except (GoneError, RefusedError, PoisonedError):
                continue
            except ClosedError:
                raise StopIteration from None
