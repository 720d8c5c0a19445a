# SPDX-License-Identifier: BSD-2-Clause
"""Queue: an endpoint, one VM's place on the fabric."""

import ctypes
from typing import Optional

from . import _c
from ._aio import Aio
from ._errors import ClosedError
from ._handle import check
from ._load import lib
from ._types import Cap, Poll, Stats, from_struct
from ._wait import poll


class Queue(Aio):
    """An endpoint. Made by open(), or by Vmm.open(). A context manager.

    Peers are given by name or by id. Timeouts are seconds, None for ever, 0 not at all; a
    call whose time is up raises TimedOutError, or AgainError if it was not to wait. Any
    thread may call anything.
    """

    def __enter__(self) -> "Queue":
        if self.closed:
            raise ClosedError()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        try:
            return f"<vmq.Queue, id {self.id}>"
        except ClosedError:
            return "<vmq.Queue, closed>"

    def poll(self, events: Poll = Poll.IN, timeout: Optional[float] = None) -> Poll:
        """Wait for one of the events. Those that there are; Poll(0) when the time is up."""
        for _, found in poll([(self, events)], timeout):
            return found
        return Poll(0)

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
