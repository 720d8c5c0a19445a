# SPDX-License-Identifier: BSD-2-Clause
"""Queue: an endpoint, one VM's place on the fabric."""

import ctypes
from itertools import repeat
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, TypeVar

from . import _c
from ._aio import Aio
from ._base import Until, raw_address, waiting
from ._batch import CHUNK, Inbox, Outbox, Slot
from ._errors import (
    AgainError,
    ClosedError,
    GoneError,
    InvalidError,
    PoisonedError,
    RefusedError,
    error,
)
from ._handle import SLICE_NS, Handle, check, nanoseconds
from ._load import lib
from ._pages import Page
from ._types import (
    Buffer,
    Cap,
    Event,
    EventType,
    Message,
    Mode,
    Peer,
    PeerInfo,
    Poll,
    Stats,
    When,
    from_struct,
)
from ._wait import poll

_FIRST = 1 << 16  #: bytes of a receive buffer, at first
_KEEP = 1 << 22  #: one that is larger is not kept
_NEWS = (_c.VMQ_EGONE, _c.VMQ_EACCES, _c.VMQ_EPEER)
_new: Any = tuple.__new__
_T = TypeVar("_T")


class Queue(Aio):
    """An endpoint. Made by open(), or by Vmm.open(). A context manager.

    Peers are given by name or by id. Timeouts are seconds, None for ever, 0 not at all; a
    call whose time is up raises TimedOutError, or AgainError if it was not to wait. Any
    thread may call anything.
    """

    def __init__(self, handle: Handle) -> None:
        super().__init__(handle)
        self._slots: List[Slot] = []
        self._outboxes: List[Outbox] = []
        self._inboxes: List[Inbox] = []
        self._there: Dict[int, str] = {}

    def __enter__(self) -> "Queue":
        if self.closed:
            raise ClosedError()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<vmq.Queue, closed>" if self.closed else f"<vmq.Queue, id {self.id}>"

    # ---- send ---------------------------------------------------------------

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
        todo = messages if isinstance(messages, (list, tuple)) else list(messages)
        until = Until(timeout)
        done = 0
        outbox = self._outboxes.pop() if self._outboxes else Outbox()
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
        at, size = raw_address(data)
        if timeout == 0:
            return check(lib.vmq_broadcast(self._h, at, size, when, 0))
        until, got, code = Until(timeout), 0, 0
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

    # ---- receive ------------------------------------------------------------

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
        """A copy of the next message, which stays in the queue, and its pages with it."""
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
        run = page._live()
        at, length = raw_address(data)
        if size is not None and not 0 < size <= len(page):
            raise InvalidError(f"{size} bytes of a page of {len(page)}")
        if mode == Mode.MOVE:
            page._revoke()
        sent = _c.vmq_page.from_buffer_copy(run.page)
        sent.len = size or sent.len
        code = waiting(
            lambda left: lib.vmq_page_send(
                self._h, ctypes.byref(sent), mode, at, length, when, left
            ),
            nanoseconds(timeout),
        )
        check(code, peer=int(run.page.peer))
        if mode == Mode.MOVE:
            page._gone()
        else:
            run.page.gen = sent.gen

    # ---- peers, news, waiting -----------------------------------------------

    def event(self, timeout: Optional[float] = None) -> Event:
        """The next piece of news about peers."""
        return self._news.pop(0) if self._news else self._event(nanoseconds(timeout))

    def _event(self, timeout_ns: int) -> Event:
        raw = _c.vmq_event(size=ctypes.sizeof(_c.vmq_event))
        check(waiting(lambda left: lib.vmq_event(self._h, ctypes.byref(raw), left), timeout_ns))
        name = raw.name.decode(errors="surrogateescape")
        news = Event(EventType(raw.type), raw.peer, name, raw.reason)
        if news.type == EventType.JOIN:
            self._there[news.peer] = name
        elif news.type == EventType.LEAVE:
            self._there.pop(news.peer, None)
        elif news.type == EventType.DOWN:
            self._there.clear()
        return news

    def peers(self) -> Dict[int, str]:
        """Who is there: ids and names. What is news stays to be told by event()."""
        while True:
            try:
                self._news.append(self._event(0))
            except AgainError:
                return dict(self._there)

    def peer_info(self, peer: Peer) -> PeerInfo:
        """What is known of a peer."""
        number = self._peer(peer, 0)
        info = _c.vmq_peer_info(size=ctypes.sizeof(_c.vmq_peer_info))
        check(lib.vmq_peer_info(self._h, number, ctypes.byref(info)), peer=number)
        return PeerInfo(
            id=info.id,
            name=info.name.decode(errors="surrogateescape"),
            uuid=bytes(info.uuid),
            epoch=info.epoch,
            max_msg=info.max_msg,
            state=info.state,
            poison=info.poison,
            origin=info.origin,
        )

    def poll(self, events: Poll = Poll.IN, timeout: Optional[float] = None) -> Poll:
        """Wait for one of the events. Those that there are; Poll(0) when the time is up."""
        for _, found in poll([(self, events)], timeout):
            return found
        return Poll(0)

    # ---- what it does, what it did ------------------------------------------

    @property
    def caps(self) -> Cap:
        """What the transport can do."""
        if self.closed:
            raise ClosedError()
        return Cap(lib.vmq_caps(self._h))

    @property
    def stats(self) -> Stats:
        """The counters, as of now."""
        raw = _c.vmq_stats(size=ctypes.sizeof(_c.vmq_stats))
        check(lib.vmq_stats(self._h, ctypes.byref(raw)))
        return from_struct(Stats, raw)
