# SPDX-License-Identifier: BSD-2-Clause
"""An exception class for each error code of the library."""

import ctypes
import os
from typing import Dict, Optional, Type

from . import _c
from ._load import lib


class Error(Exception):
    """What the library refused. `code` is the number of the C API, `name` its name there.

    Raised as it is only for a code that this package does not know.
    """

    code = 0

    def __init__(
        self, detail: str = "", *, code: Optional[int] = None, peer: Optional[int] = None
    ) -> None:
        super().__init__(detail)
        if code is not None:
            self.code = code
        self.detail = detail
        self.peer = peer  #: id of the peer that it is about, if it is about one

    @property
    def name(self) -> str:
        """The code's name, such as "VMQ_EGONE"."""
        return str(lib.vmq_errname(self.code).decode())

    @property
    def text(self) -> str:
        """What the code means, in English."""
        return str(lib.vmq_strerror(self.code).decode())

    def __str__(self) -> str:
        line = f"{self.name}: {self.detail or self.text}"
        return line if self.peer is None else f"{line} (peer {self.peer})"


class InvalidError(Error, ValueError):
    """VMQ_EINVAL: an argument that makes no sense."""

    code = _c.VMQ_EINVAL


class ClosedError(Error, ValueError):
    """VMQ_EBADF: the Queue (or Vmm, Vm, Hub) is closed."""

    code = _c.VMQ_EBADF


class AgainError(Error, BlockingIOError):
    """VMQ_EAGAIN: nothing there, or no room, and the call was not to wait."""

    code = _c.VMQ_EAGAIN


class TimedOutError(Error, TimeoutError):
    """VMQ_ETIMEDOUT: the time was up."""

    code = _c.VMQ_ETIMEDOUT


class SizeError(Error, ValueError):
    """VMQ_EMSGSIZE: a message that the peer does not take, or that the buffer does not hold."""

    code = _c.VMQ_EMSGSIZE


class NotFoundError(Error, LookupError):
    """VMQ_ENOENT: no such peer or name."""

    code = _c.VMQ_ENOENT


class GoneError(Error, ConnectionResetError):
    """VMQ_EGONE: the peer is gone."""

    code = _c.VMQ_EGONE


class PoisonedError(Error, ConnectionAbortedError):
    """VMQ_EPEER: the peer broke the protocol. `Queue.peer_info()` says how."""

    code = _c.VMQ_EPEER


class RefusedError(Error, PermissionError):
    """VMQ_EACCES: the topology does not allow this, or it is another user's."""

    code = _c.VMQ_EACCES


class ExistsError(Error, FileExistsError):
    """VMQ_EEXIST: the name is taken."""

    code = _c.VMQ_EEXIST


class NoMemoryError(Error, MemoryError):
    """VMQ_ENOMEM: out of memory, or no page is free."""

    code = _c.VMQ_ENOMEM


class NoDescriptorsError(Error, OSError):
    """VMQ_EMFILE: out of file descriptors."""

    code = _c.VMQ_EMFILE


class FabricError(Error, ConnectionError):
    """VMQ_ECONN: the fabric cannot be reached, or is gone."""

    code = _c.VMQ_ECONN


class VersionError(Error):
    """VMQ_EVERSION: versions or required features do not agree."""

    code = _c.VMQ_EVERSION


class ProtocolError(Error):
    """VMQ_EPROTO: not a libvmq region, hub or server, or a damaged one."""

    code = _c.VMQ_EPROTO


class UnsupportedError(Error, NotImplementedError):
    """VMQ_ENOTSUP: this transport cannot do that, or is not built in."""

    code = _c.VMQ_ENOTSUP


class StaleError(Error, ValueError):
    """VMQ_ESTALE: the page is not yours (freed, moved away, or of a closed Queue)."""

    code = _c.VMQ_ESTALE


class BusyError(Error):
    """VMQ_EBUSY: in use."""

    code = _c.VMQ_EBUSY


class AddressError(Error, ValueError):
    """VMQ_EURI: malformed address."""

    code = _c.VMQ_EURI


class TopologyError(Error, ValueError):
    """VMQ_ETOPOLOGY: malformed topology."""

    code = _c.VMQ_ETOPOLOGY


class SystemCallError(Error, OSError):
    """VMQ_ESYS: the operating system refused."""

    code = _c.VMQ_ESYS


class ExportedError(BusyError, BufferError):
    """A page cannot be given away while a view of it is in use: a slice or a numpy array.

    Nothing of the library refused: it is this package that guards the memory.
    """


def _classes() -> Dict[int, Type[Error]]:
    return {c.code: c for c in Error.__subclasses__()}


#: The exception class of each code.
ERRORS = _classes()


def error(code: int, detail: str = "", peer: Optional[int] = None) -> Error:
    """The exception for a code that the library gave just now."""
    if code == _c.VMQ_ESYS and not detail:
        detail = os.strerror(ctypes.get_errno())
    return ERRORS.get(code, Error)(detail, code=code, peer=peer)


class Line:
    """Room for the line in which the library says what was wrong."""

    SIZE = 512

    def __init__(self) -> None:
        self._room = ctypes.create_string_buffer(self.SIZE)

    @property
    def address(self) -> int:
        return ctypes.addressof(self._room)

    def error(self, code: int) -> Error:
        return error(code, self._room.value.decode(errors="replace"))


def text_of_poison(reason: int) -> str:
    """Why a channel was poisoned, in English."""
    return str(lib.vmq_poison_text(reason).decode())


def encoded(name: str) -> bytes:
    """A name or a path for the library, which ends strings with a NUL."""
    if "\0" in name:
        raise InvalidError(f"a name has a NUL in it: {name!r}")
    return os.fsencode(name)
