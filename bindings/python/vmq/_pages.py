# SPDX-License-Identifier: BSD-2-Clause
"""Pages: memory that is shared with a peer or handed over to it, as memoryviews.

A view shows the pages themselves. What makes it safe is who holds whom: a view, and all
that was made of it (slices, numpy arrays), holds the memory's owner, which holds the
endpoint. While such a thing lives its pages are neither given back nor unmapped.
"""

import ctypes
import gc
import weakref
from typing import Any, Dict, Optional, Type

from . import _c
from ._errors import ClosedError, ExportedError, StaleError, error
from ._handle import Handle
from ._load import lib


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


class _Memory:
    """Mixed into a ctypes array that lies over pages, and exports them as a buffer."""

    run: Optional[_Run] = None


_types: Dict[int, Type[Any]] = {}


def _memory(run: _Run) -> Any:
    """An array of bytes over the pages that holds their owner."""
    size = int(run.page.count) * _c.VMQ_PAGE_SIZE
    made = _types.get(size)
    if made is None:
        if len(_types) >= 256:
            _types.clear()
        made = _types[size] = type("Memory", (_Memory, ctypes.c_uint8 * size), {})
    memory = made.from_address(run.page.addr)
    memory.run = run
    return memory


class Page:
    """A run of pages: allocated with Queue.alloc(), or received with a message.

    `view` is its bytes. free() gives the pages up, and so does `with page:` at its end, and
    the garbage collector. Once they are free, moved away, or their Queue is closed, `view`
    raises StaleError or ClosedError; a memoryview that was taken from it before raises
    ValueError. Slices of it and numpy arrays cannot be revoked like that: while there are
    any, free() and a MOVE raise ExportedError.
    """

    __slots__ = ("_run", "_view", "_memory", "_why", "_readonly", "__weakref__")

    def __init__(self, handle: Handle, page: _c.vmq_page) -> None:
        self._run: Optional[_Run] = _Run(handle, page)
        self._view: Optional[memoryview] = None
        self._memory: Any = None  # a weak reference to what views hold
        self._why: Type[Exception] = StaleError
        self._readonly = page.mode == _c.VMQ_PAGE_LEND

    def _live(self) -> _Run:
        run = self._run
        if run is None or run.handle is None:
            raise self._why()
        if run.handle.value is None:
            raise ClosedError()
        return run

    def _fresh(self) -> memoryview:
        run = self._live()
        memory = self._memory() if self._memory else None
        if memory is None:
            memory = _memory(run)
            self._memory = weakref.ref(memory)
        view = memoryview(memory).cast("B")[: run.page.len]
        return view.toreadonly() if self._readonly else view

    @property
    def view(self) -> memoryview:
        """The bytes, without a copy; read-only if the pages are lent by the peer."""
        self._live()
        if self._view is not None:
            try:
                self._view.nbytes
            except ValueError:  # the user released it
                self._view = None
        if self._view is None:
            self._view = self._fresh()
        return self._view

    def __buffer__(self, flags: int) -> memoryview:
        """memoryview(page), np.frombuffer(page): from Python 3.12 on."""
        return self._fresh()

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        """np.asarray(page): an array of bytes over the pages themselves."""
        view = self._fresh()
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

    def _revoke(self) -> None:
        """No view of the pages may be in use from here on. A failure changes nothing but
        that the view itself may be released."""
        view, self._view = self._view, None
        if view is not None:
            try:
                view.release()
            except BufferError:
                self._view = view
                raise ExportedError("an array or a view of the page is in use") from None
            del view
        if self._memory is None or self._memory() is None:
            return
        gc.collect()
        if self._memory() is not None:
            raise ExportedError("a slice or an array of the page is in use")

    def _close(self) -> bool:
        """The Queue is being closed. False: a view goes on holding the endpoint."""
        try:
            self._revoke()
        except ExportedError:
            self._leave(ClosedError)
            return False
        if self._run is not None:
            self._run.forget()
        self._leave(ClosedError)
        return True

    def _leave(self, why: Type[Exception]) -> None:
        self._run = None
        self._why = why

    def _gone(self) -> None:
        """The pages were moved to the peer."""
        if self._run is not None:
            self._run.forget()
        self._leave(StaleError)

    def free(self) -> None:
        """Give the pages up: back to the pool they came from. ExportedError while a slice or
        an array of them is in use, StaleError if they are free or moved already."""
        run = self._live()
        self._revoke()
        self._leave(StaleError)
        code = run.free()
        if code < 0:
            raise error(code)

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *exc: object) -> None:
        if self:
            self.free()

    def __repr__(self) -> str:
        return f"<vmq.Page of {len(self)} bytes>" if self else "<vmq.Page, not ours>"
