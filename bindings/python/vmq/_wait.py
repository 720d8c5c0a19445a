# SPDX-License-Identifier: BSD-2-Clause
"""To wait for several endpoints at once."""

from typing import Any, Iterable, List, Optional, Sequence, Tuple, TypeVar, Union

from . import _c
from ._base import waiting
from ._errors import InvalidError
from ._handle import check, nanoseconds
from ._load import lib
from ._news import News
from ._types import Poll

Q = TypeVar("Q", bound=News)


def poll(
    queues: Iterable[Union[Q, Tuple[Q, Poll]]], timeout: Optional[float] = None
) -> List[Tuple[Q, Poll]]:
    """Wait until one of the Queues has one of its events (Poll.IN where none are given).
    Those that have, with what they have; [] when the time is up."""
    wanted = [q if isinstance(q, tuple) else (q, Poll.IN) for q in queues]
    if not wanted:
        raise InvalidError("no Queue to wait for")
    for q, _ in wanted:
        if not isinstance(q, News):
            raise TypeError(f"what is waited for is a Queue, and not {type(q).__name__}")
    ready = [(q, Poll.EVENT) for q, events in wanted if events & Poll.EVENT and q._news]
    fds = (_c.vmq_pollfd * len(wanted))()
    code = waiting(lambda left: _poll_once(fds, wanted, left), 0 if ready else nanoseconds(timeout))
    if code in (_c.VMQ_EAGAIN, _c.VMQ_ETIMEDOUT):
        return ready
    check(code)
    found = {q: Poll(fd.revents) for (q, _), fd in zip(wanted, fds) if fd.revents}
    for q, events in ready:
        found[q] = found.get(q, Poll(0)) | events
    return list(found.items())


def _poll_once(fds: Any, wanted: Sequence[Tuple[News, Poll]], left: int) -> int:
    handles = [q._h for q, _ in wanted]  # they live until this returns
    try:
        for fd, handle, (_, events) in zip(fds, handles, wanted):
            fd.q, fd.events = handle.value if handle else None, int(events)
        return int(lib.vmq_poll(fds, len(wanted), left))
    finally:
        handles.clear()


