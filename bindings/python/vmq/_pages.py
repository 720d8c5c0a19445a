# SPDX-License-Identifier: BSD-2-Clause
"""Pages: memory that is shared with a peer or handed over to it."""

import ctypes
from typing import Any, Dict, Optional, Type

from . import _c
from ._errors import ClosedError, ExportedError, StaleError, error
from ._handle import Handle, Unshared
from ._load import lib
from ._memory import Views


class _Run:
    """A run of pages that is this end's to free. Frees itself."""

    def __init__(self, handle: Handle, page: _c.vmq_page) -> None:
        self.handle: Optional[Handle] = handle
        self.page = page

    def forget(self) -> None:
        self.handle = None

    def free(self) -> int:
        handle, self.handle = self.handle, None
        return int(lib.vmq_page_free(handle, ctypes.byref(self.page))) if handle else 0

    def __del__(self) -> None:
        self.free()


class Page(Unshared):
    """A run of pages: allocated with Queue.alloc(), or received with a message.

    `view` is its bytes. free() gives the pages up, and so does `with page:` at its end, and
    the garbage collector. Once they are free, moved away, or their Queue is closed, `view`
    raises StaleError or ClosedError; a memoryview that was taken from it before raises
    ValueError. Slices of it and numpy arrays cannot be revoked like that: while there are
    any, free() and a MOVE raise ExportedError.
    """

    __slots__ = ("_run", "_views", "_why", "_readonly", "__weakref__")

    def __init__(self, handle: Handle, page: _c.vmq_page) -> None:
        self._run: Optional[_Run] = _Run(handle, page)
        self._views = Views()
        self._why: Type[Exception] = StaleError
        self._readonly = page.mode == _c.VMQ_PAGE_LEND

    def _live(self) -> _Run:
        run = self._run
        if run is None or run.handle is None:
            raise self._why()
        if run.handle.value is None:
            raise ClosedError()
        return run

    def _show(self, how: Any) -> memoryview:
        with self._views.lock():
            run = self._live()
            room = int(run.page.count) * _c.VMQ_PAGE_SIZE
            view: memoryview = how(run, run.page.addr, room, int(run.page.len), self._readonly)
            return view

    @property
    def view(self) -> memoryview:
        """The bytes, without a copy; read-only if the pages are lent by the peer."""
        return self._show(self._views.shown)

    def __buffer__(self, flags: int) -> memoryview:
        """memoryview(page), np.frombuffer(page): from Python 3.12 on."""
        return self._show(self._views.fresh)

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        """np.asarray(page): an array of bytes over the pages themselves."""
        view = self._show(self._views.fresh)
        return {"data": view, "shape": (len(view),), "typestr": "|u1", "version": 3}

    def __len__(self) -> int:
        """Bytes in use when received, bytes asked for when allocated."""
        return int(self._live().page.len)

    def __bool__(self) -> bool:
        """Whether the pages are still this end's."""
        run = self._run
        return run is not None and run.handle is not None and run.handle.value is not None

    @property
    def peer(self) -> int:
        """Id of the other end."""
        return int(self._live().page.peer)

    @property
    def mode(self) -> int:
        """How they were received: MOVE, LEND or SHARE; 0 if allocated here."""
        return int(self._live().page.mode)

    def _take(self) -> _Run:
        """The pages, for who gives them away: from here on they are stale. On a failure
        (ExportedError) they are not."""
        self._live()
        self._views.settle()
        with self._views.lock():
            run = self._live()
            self._views.revoke("the page")
            self._leave(StaleError)
            return run

    def _restore(self, run: _Run) -> None:
        """They were not given away after all, unless the Queue was closed meanwhile."""
        with self._views.lock():
            if self._why is StaleError:
                self._run = run
            else:
                run.forget()

    def _close(self) -> bool:
        """The Queue is being closed. False: a view goes on holding the endpoint."""
        self._views.settle()
        with self._views.lock():
            run = self._run
            self._leave(ClosedError)
            try:
                self._views.revoke("the page")
            except ExportedError:
                return False
            if run is not None:
                run.forget()
            return True

    def _leave(self, why: Type[Exception]) -> None:
        self._run = None
        self._why = why

    def free(self) -> None:
        """Give the pages up: back to the pool they came from. ExportedError while a slice or
        an array of them is in use, StaleError if they are free or moved already."""
        code = self._take().free()
        if code < 0:
            raise error(code)

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *exc: object) -> None:
        if self:
            self.free()

    def __repr__(self) -> str:
        try:
            return f"<vmq.Page of {len(self)} bytes>"
        except (StaleError, ClosedError):
            return "<vmq.Page, not ours>"
