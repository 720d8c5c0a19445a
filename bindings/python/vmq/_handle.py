# SPDX-License-Identifier: BSD-2-Clause
"""Handles of the library, whose lives are those of Python objects.

A handle is given to each call of the library as an argument, and ctypes holds its arguments
until the call returns. So who closes it from another thread, or from a signal handler, only
lets go of it: it is closed for real when the last call that is under way is done, and the
last view of its pages is gone.
"""

import ctypes
import os
import threading
import weakref
from typing import Any, Callable, NoReturn, Optional

from ._errors import InvalidError, error

#: How long a call of the library waits in one piece. In between, Python handles signals
#: (KeyboardInterrupt), and a call notices that its Queue was closed.
SLICE_NS = 100_000_000

_alive: "weakref.WeakSet[Handle]" = weakref.WeakSet()
_tree = threading.RLock()


class _Calling(threading.local):
    """Whether this thread is in a callback, under a lock of the library's."""

    depth = 0

    def __call__(self) -> "_Calling":
        return self

    def __enter__(self) -> None:
        self.depth += 1

    def __exit__(self, *exc: object) -> None:
        self.depth -= 1

    def inside(self) -> bool:
        return self.depth > 0


calling = _Calling()


class Handle(ctypes.c_void_p):
    """A pointer to something of the library's, and what makes an end of it."""

    value: Optional[int]

    def __init__(
        self,
        end: Callable[[Any], Any],
        *,
        keep: Any = None,
        parent: Optional["Handle"] = None,
    ) -> None:
        """end() makes an end of it; `keep` must live as long: callbacks, memory. It ends before
        its parent does, whichever the garbage collector comes to first."""
        super().__init__()
        self.end = end
        self.keep = keep
        self.parent = parent
        self.uses = 1  # itself, and its children
        self.done = threading.Event()
        _alive.add(self)
        if parent is not None:
            parent._use(1)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def _use(self, more: int) -> None:
        with _tree:
            self.uses += more
            unused = self.uses == 0
        if unused:
            self._finish()

    def __del__(self) -> None:
        if self.value and calling.inside():
            # Ending it takes the lock that this thread is under.
            threading.Thread(target=self._use, args=(-1,)).start()
        else:
            self._use(-1)

    def _finish(self) -> None:
        pointer, self.value = self.value, None
        if pointer:
            self.end(ctypes.c_void_p(pointer))
        self.done.set()
        if self.parent is not None:
            self.parent._use(-1)


def _forked() -> None:
    """In the child, everything is closed; the library's state is the parent's alone."""
    global _tree
    _tree = threading.RLock()  # another thread may have been under it
    for handle in list(_alive):
        handle.value = None
        handle.done = threading.Event()  # likewise


os.register_at_fork(after_in_child=_forked)


class Unshared:
    """What a copy of would be a second owner, and another process could not use."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"a vmq.{type(self).__name__} cannot be copied or pickled: it belongs to this process"
        )


#: A timeout of this many seconds is for ever: one that still fits into 64 bits of nanoseconds.
_FOREVER = 1e9


def nanoseconds(timeout: Optional[float]) -> int:
    """A timeout of Python (seconds, None for ever) as one of the library's."""
    if timeout is None:
        return -1
    if type(timeout) is not float:
        timeout = _seconds(timeout)
    if not timeout >= 0:
        raise InvalidError(f"a timeout is None, or seconds from 0 on, and not {timeout!r}")
    if timeout >= _FOREVER:
        return -1
    return int(timeout * 1e9) or int(timeout > 0)


def _seconds(timeout: Any) -> float:
    """Any number but True and False, which who means something else by them would wait for."""
    if isinstance(timeout, (bool, str, bytes, bytearray)):
        raise TypeError(f"a timeout is None, or seconds, and not {timeout!r}")
    try:
        return float(timeout)
    except OverflowError:
        return _FOREVER if timeout > 0 else -1.0
    except (TypeError, ValueError):
        raise TypeError(f"a timeout is None, or seconds, and not {timeout!r}") from None


def check(code: int, detail: str = "", peer: Optional[int] = None) -> int:
    """A result of the library that is no error, or the exception for it."""
    if code < 0:
        raise error(code, detail, peer)
    return code
