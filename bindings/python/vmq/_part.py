# SPDX-License-Identifier: BSD-2-Clause
"""What the VMM side's objects have in common: an end, callbacks, and serving in a loop."""

import atexit
import ctypes
import threading
import weakref
from typing import Any, Callable, Optional, Tuple, TypeVar

from . import _c
from ._base import waiting
from ._errors import BusyError, ClosedError, Error
from ._handle import Handle, Unshared, calling, check, nanoseconds

Log = Callable[[str], Any]


def _raise(exc: BaseException) -> None:
    raise exc


#: ctypes tells sys.unraisablehook what a callback raises. This one is never given away.
_report = ctypes.CFUNCTYPE(None, ctypes.py_object)(_raise)


class _Interrupted(threading.local):
    """The KeyboardInterrupt that ended a callback of this thread. Who serves passes it on."""

    by: Optional[BaseException] = None


_interrupted = _Interrupted()


def told(call: Callable[..., Any], args: Tuple[Any, ...]) -> int:
    """A callback of the library's. An exception ends here: it is reported, and becomes a code."""
    try:
        return _c.VMQ_EACCES if call(*args) is False else 0
    except BaseException as exc:
        if isinstance(exc, KeyboardInterrupt):
            _interrupted.by = exc
        _report(exc)
        return exc.code if isinstance(exc, Error) else _c.VMQ_ESYS


def guarded(call: Callable[..., Any], args: Tuple[Any, ...]) -> int:
    """The same for one that runs under a lock of the library's."""
    with calling():
        return told(call, args)


def ignore(code: int) -> None:
    """A callback without a result."""


def nothing(*args: Any) -> None:
    """The callback of who wants none."""


def log_callback(log: Optional[Log]) -> Any:
    """What the library tells lines to. It may ask the library back."""
    call = log or nothing
    return _c.LOG(lambda ctx, text: ignore(told(call, (text.decode(errors="replace"),))))


class Part(Unshared):
    """Something with a handle that can be closed."""

    _h: Optional[Handle] = None

    @property
    def closed(self) -> bool:
        """Whether it was closed, here or by a fork."""
        return self._h is None or self._h.value is None

    def _use(self) -> Handle:
        if calling.inside():
            raise BusyError("a callback cannot call back into the VMM")
        if self._h is None or self._h.value is None:
            raise ClosedError()
        return self._h


_S = TypeVar("_S", bound="Server")
_servers: "weakref.WeakSet[Server]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """A server that is left open would leave its socket behind."""
    for server in list(_servers):
        server.close()


class Server(Part):
    """Something that has to be served, by one thread at a time. A context manager."""

    _run: Callable[[Any, int], int]  #: the library's functions
    _stop: Callable[[Any], None]
    _what = "server"

    def __init__(self, handle: Handle) -> None:
        self._running = threading.Lock()
        self._by = 0  # the thread that serves
        self._h = handle
        _servers.add(self)

    def __enter__(self: _S) -> _S:
        if self.closed:
            raise ClosedError()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def run(self, timeout: Optional[float] = None) -> bool:
        """Serve. True: it was stopped or closed; False: the time is up."""
        timeout_ns = nanoseconds(timeout)
        self._use()
        if not self._running.acquire(blocking=False):
            raise BusyError(f"another thread serves this {self._what}")
        try:
            self._by, _interrupted.by = threading.get_ident(), None
            code = waiting(self._serve, timeout_ns)
        finally:
            self._by = 0
            self._running.release()
        if code == _c.VMQ_EBADF:
            return True
        return code not in (_c.VMQ_ETIMEDOUT, _c.VMQ_EAGAIN) and check(code) == 0

    def _serve(self, left: int) -> int:
        code = type(self)._run(self._h, left)
        exc, _interrupted.by = _interrupted.by, None
        if exc is not None:
            raise exc
        return code

    def start(self) -> threading.Thread:
        """Serve in a thread of its own, until stop() or close()."""
        self._use()
        thread = threading.Thread(target=self._start, name=f"vmq-{self._what}", daemon=True)
        thread.start()
        return thread

    def _start(self) -> None:
        try:
            self.run()
        except ClosedError:  # before it had begun
            pass

    def stop(self) -> None:
        """Make run() return. From any thread, and from a signal handler."""
        type(self)._stop(self._h)

    def close(self) -> None:
        """End it, and remove its socket. run() returns in whichever thread it is. Closing twice
        does no harm."""
        handle, self._h = self._h, None
        if handle is None:
            return
        type(self)._stop(handle)
        forked, done = handle.value is None, handle.done
        del handle
        if not (forked or calling.inside() or self._by == threading.get_ident()):
            done.wait(5)  # for run(), which is not further up here
