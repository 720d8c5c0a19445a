# SPDX-License-Identifier: BSD-2-Clause
"""Who is there, and what is new about them."""

import ctypes
import threading
from typing import Dict, List, Optional

from . import _c
from ._base import Base, Until, waiting
from ._errors import AgainError, ClosedError
from ._handle import Handle, check
from ._load import lib
from ._types import Event, EventType, Peer, PeerInfo


class News(Base):
    """The calls that are about peers."""

    def __init__(self, handle: Handle) -> None:
        super().__init__(handle)
        self._news: List[Event] = []  # that peers() found
        self._there: Dict[int, str] = {}
        self._telling = threading.Lock()  # news changes `_there` in the order it came in

    def event(self, timeout: Optional[float] = None) -> Event:
        """The next piece of news about peers."""
        until = Until(timeout)
        while True:
            try:
                return self._news.pop(0)
            except IndexError:
                pass
            try:
                return self._event()
            except AgainError:
                left = until.left()
                if left == 0:
                    raise
            check(self._await_news(left))

    def _event(self) -> Event:
        """What the library has to tell just now, or AgainError."""
        raw = _c.vmq_event(size=ctypes.sizeof(_c.vmq_event))
        if self.closed:
            raise ClosedError()
        with self._telling:
            check(lib.vmq_event(self._h, ctypes.byref(raw), 0))
            name = raw.name.decode(errors="surrogateescape")
            news = Event(EventType(raw.type), raw.peer, name, raw.reason)
            if news.type == EventType.JOIN:
                self._there[news.peer] = name
            elif news.type == EventType.LEAVE:
                self._there.pop(news.peer, None)
            elif news.type == EventType.DOWN:
                self._there.clear()
        return news

    def _await_news(self, left_ns: int) -> int:
        """Several threads may wait: who comes too late waits on."""

        def look(left: int) -> int:
            handle = self._h  # it lives until this returns
            fd = _c.vmq_pollfd(handle.value if handle else None, _c.VMQ_POLL_EVENT)
            return int(lib.vmq_poll(ctypes.byref(fd), 1, left))

        return waiting(look, left_ns)

    def peers(self) -> Dict[int, str]:
        """Who is there: ids and names. What is news stays to be told by event()."""
        while True:
            try:
                self._news.append(self._event())
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
