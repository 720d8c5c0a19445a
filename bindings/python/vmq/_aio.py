# SPDX-License-Identifier: BSD-2-Clause
"""A Queue in an event loop of asyncio.

The loop watches the endpoint's descriptor. It is readable from the moment when a receive
found nothing until the next one; so each wait here follows an attempt.
"""

import asyncio
import os
from typing import AsyncIterator, Callable, Dict, Optional, Set, TypeVar

from ._errors import AgainError, ClosedError, GoneError, PoisonedError, RefusedError
from ._handle import Handle, check
from ._load import lib
from ._pages import Page
from ._recv import Receiver
from ._send import Sender
from ._types import Buffer, Event, Message, Mode, Peer, When

T = TypeVar("T")

#: Messages that nobody takes keep the descriptor readable. Who waits for something else
#: looks again after these times.
_PAUSES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02)
_LIMIT = 0.1

#: After so many messages without a wait, other tasks get their turn.
_STREAK = 64


class _Watch:
    """The endpoint's descriptor in one event loop, and who waits for it there."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        self.loop = loop
        self.waiters: Set["asyncio.Future[None]"] = set()
        self.others: Set["asyncio.Future[None]"] = set()  #: that do not wait for a message
        self.received = 0
        self.fd = os.dup(fd)  # it stays valid until the loop has let go of it
        self.pid = os.getpid()
        self.reading = False
        self.streak = 0

    def wake(self) -> None:
        """The doorbell rang: all look. With nobody to look, it would go on ringing."""
        if not self.waiters and not self.others and self.reading:
            self.loop.remove_reader(self.fd)
            self.reading = False
        for waiter in (*self.waiters, *self.others):
            _end_wait(waiter)

    def nudge(self) -> None:
        """A receive silences the doorbell for all: who waits for something else, looks."""
        self.received += 1
        for waiter in self.others:
            _end_wait(waiter)

    async def wait(self, among: Set["asyncio.Future[None]"], timeout: Optional[float]) -> None:
        """Until the doorbell rings, or the time is up."""
        self.streak = 0
        if self.fd < 0:
            return
        if not self.reading:
            self.loop.add_reader(self.fd, self.wake)
            self.reading = True
        waiter = self.loop.create_future()
        among.add(waiter)
        timer = None if timeout is None else self.loop.call_later(timeout, _end_wait, waiter)
        try:
            await waiter
        finally:
            among.discard(waiter)
            if timer:
                timer.cancel()

    async def turn(self) -> None:
        """Before an attempt: who always finds something does not keep the loop to itself, and
        can be cancelled."""
        self.streak += 1
        if self.streak > _STREAK:
            self.streak = 0
            await asyncio.sleep(0)

    def end(self) -> None:
        """Its Queue is closed, or its loop."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        if self.pid == os.getpid() and not self.loop.is_closed():  # a child's epoll is its parent's
            if self.reading:
                self.loop.remove_reader(fd)
                self.reading = False
            self.wake()
        os.close(fd)

    def end_soon(self) -> None:
        """The same, from any thread."""
        forked = self.pid != os.getpid()
        if forked or not self.loop.is_running() or self.loop is asyncio._get_running_loop():
            self.end()
            return
        try:
            self.loop.call_soon_threadsafe(self.end)
        except RuntimeError:  # it was closed meanwhile
            self.end()


def _end_wait(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


class Aio(Sender, Receiver):
    """The calls of a Queue that are awaited."""

    #: Also of one whose making failed, and which is collected.
    _watches: Dict[asyncio.AbstractEventLoop, _Watch] = {}

    def __init__(self, handle: Handle) -> None:
        super().__init__(handle)
        self._watches = {}

    @property
    def fd(self) -> int:
        """A descriptor for select, epoll or an event loop: readable when there is something
        to do. Do not read or close it. Receive without waiting until AgainError, then (if
        events matter) the same with event(); from then on the next thing makes it readable."""
        return check(lib.vmq_fd(self._h))

    def fileno(self) -> int:
        """As fd, for the select and selectors modules."""
        return self.fd

    def _watch(self) -> _Watch:
        loop = asyncio.get_running_loop()
        watch = self._watches.get(loop)
        if watch is None:
            for old in [w for w in self._watches.values() if w.loop.is_closed()]:
                del self._watches[old.loop]
                old.end()
            watch = self._watches[loop] = _Watch(loop, self.fd)
        return watch

    def _closing(self) -> int:
        self._let_go()
        return super()._closing()

    def _let_go(self) -> None:
        watches, self._watches = self._watches, {}
        for watch in watches.values():
            watch.end_soon()

    def __del__(self) -> None:
        self._let_go()

    async def _retry(self, attempt: Callable[[], T]) -> T:
        """Attempt until there is something, or room."""
        watch, tries, received = self._watch(), 0, 0
        await watch.turn()
        while True:
            try:
                return attempt()
            except AgainError:
                pass
            await watch.wait(watch.others, _LIMIT)
            tries = tries + 1 if received == watch.received else 0
            received = watch.received
            pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
            if pause:
                await asyncio.sleep(pause)

    async def arecv(self) -> Message:
        """As recv(). A wait that is cancelled loses no message."""
        watch = self._watch()
        await watch.turn()
        while True:
            try:
                return self.recv(0)
            except AgainError:
                pass
            finally:
                watch.nudge()
            await watch.wait(watch.waiters, None)

    async def apeer(self, name: str) -> int:
        """As peer()."""
        return await self._retry(lambda: self.peer(name, 0))

    async def asend(self, peer: Peer, data: Buffer, *, when: When = When.AUTO) -> None:
        """As send(). A message has to fit into the peer's lane as a whole; one that is larger
        than the lane is for send(), in a thread."""
        number = self._ids.get(peer) if isinstance(peer, str) else peer
        if number is None:
            number = await self.apeer(str(peer))
        known = number
        await self._retry(lambda: self.send(known, data, when=when, timeout=0))

    async def asend_page(
        self, page: Page, data: Buffer = b"", *, mode: Mode = Mode.MOVE, when: When = When.AUTO
    ) -> None:
        """As send_page()."""
        await self._retry(lambda: self.send_page(page, data, mode=mode, when=when, timeout=0))

    async def aevent(self) -> Event:
        """As event()."""
        return await self._retry(lambda: self.event(0))

    def __aiter__(self) -> AsyncIterator[Message]:
        """As iteration: `async for msg in q`."""
        return self

    async def __anext__(self) -> Message:
        while True:
            try:
                return await self.arecv()
            except (GoneError, RefusedError, PoisonedError):
                continue
            except ClosedError:
                raise StopAsyncIteration from None
