# SPDX-License-Identifier: BSD-2-Clause
"""Where messages are received, and tables for the batch calls.

Those do next to nothing in Python for each message. The tables are arrays of machine words that
ctypes shows to the library as structs: words are read and written by the stride, and the
messages of a batch lie in one piece of memory.
"""

import ctypes
from array import array
from itertools import accumulate
from struct import Struct
from typing import Any, Dict, List, Sequence, Tuple

from . import _c
from ._types import Buffer

CHUNK = 1024  #: messages in one call of the library
ROOM = 1 << 20  #: bytes of a receiving table
PITCH_MIN = 128
PITCH_MAX = 1 << 16
PATIENCE = 16  #: batches of small messages until the pitch shrinks

_WORD = ctypes.sizeof(ctypes.c_size_t)
_CODE = {8: "Q", 4: "I"}[_WORD]
_MSG = ctypes.sizeof(_c.vmq_msg)
_STEP = _MSG // _WORD
_STEP4 = _MSG // 4
_DATA = _c.vmq_msg.data.offset // _WORD
_CAP = _c.vmq_msg.cap.offset // _WORD
_LEN = _c.vmq_msg.len.offset // _WORD
_PEER4 = _c.vmq_msg.peer.offset // 4
_FLAGS4 = _c.vmq_msg.flags.offset // 4


def address_of(data: bytes) -> int:
    """Where bytes lie. They stay there as long as they live."""
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


def contiguous(messages: Sequence[Buffer]) -> List[bytes]:
    """What bytes.join() and len() do not take: views with gaps, arrays that are a number. What
    is no buffer at all stays refused."""
    return [memoryview(message).tobytes() for message in messages]


class Slot:
    """Where one message is received."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.room = bytearray(size)
        self.first = ctypes.c_char.from_buffer(self.room)
        self.at = ctypes.addressof(self.first)
        self.msg = _c.vmq_msg()
        self.ref = ctypes.byref(self.msg)


class Outbox:
    """A table of struct vmq_iovec."""

    def __init__(self) -> None:
        self._words = array(_CODE, bytes(2 * _WORD * CHUNK))
        self.table = (_c.vmq_iovec * CHUNK).from_buffer(self._words)
        self._joined = b""  # what the table points into

    def fill(self, messages: Sequence[Buffer]) -> int:
        """Point to at most CHUNK messages. Returns how many they are."""
        try:
            joined = self._joined = b"".join(messages)
            lengths = list(map(len, messages))
        except (TypeError, BufferError):
            messages = contiguous(messages)
            joined = self._joined = b"".join(messages)
            lengths = list(map(len, messages))
        if sum(lengths) != len(joined):  # items of more than a byte
            lengths = [memoryview(m).nbytes for m in messages]
        at = list(accumulate(lengths, initial=address_of(joined)))
        at.pop()
        words, end = self._words, 2 * len(lengths)
        words[0:end:2] = array(_CODE, at)
        words[1:end:2] = array(_CODE, lengths)
        return len(lengths)

    def clear(self) -> None:
        self._joined = b""


class Inbox:
    """A table of struct vmq_msg, each with a buffer of `pitch` bytes."""

    def __init__(self) -> None:
        self._words = array(_CODE, bytes(_MSG * CHUNK))
        self.table = (_c.vmq_msg * CHUNK).from_buffer(self._words)
        self._halves = memoryview(self._words).cast("B").cast("I")
        self._room = ctypes.create_string_buffer(ROOM)
        self._bytes = memoryview(self._room).cast("B")
        self._small = 0
        self._layouts: Dict[Tuple[int, int, int], Struct] = {}
        self.set_pitch(2 * PITCH_MIN)

    def set_pitch(self, pitch: int) -> None:
        self.pitch = pitch
        self.count = min(CHUNK, ROOM // pitch)
        start, end = ctypes.addressof(self._room), self.count * _STEP
        self._words[_DATA:end:_STEP] = array(
            _CODE, range(start, start + self.count * pitch, pitch)
        )
        self._words[_CAP:end:_STEP] = array(_CODE, [pitch]) * self.count
        self._small = 0

    def grow(self, length: int) -> bool:
        """Make room for messages of that length; False: it is for one by one."""
        if length > PITCH_MAX:
            return False
        self.set_pitch(1 << max(length - 1, PITCH_MIN - 1).bit_length())
        return True

    def _shrink(self, longest: int) -> None:
        """Back to many small buffers after a while without large messages."""
        if self.pitch <= 2 * PITCH_MIN or longest * 8 > self.pitch:
            self._small = 0
            return
        self._small += 1
        if self._small >= PATIENCE:
            self.grow(longest * 2)

    def peers(self, n: int) -> List[int]:
        """Who sent the n messages that were received."""
        return self._halves[_PEER4 : n * _STEP4 : _STEP4].tolist()

    def flags(self, n: int) -> List[int]:
        return self._halves[_FLAGS4 : n * _STEP4 : _STEP4].tolist()

    def data(self, n: int) -> List[bytes]:
        """Their bytes. Once for each batch: it sees to the size of the buffers."""
        raw, pitch = self._bytes[: n * self.pitch].tobytes(), self.pitch
        lengths = self._words[_LEN : n * _STEP : _STEP].tolist()
        first = lengths[0]
        if lengths.count(first) == n:  # as most batches are: cut up by one call
            data = list(self._layout(first, n).unpack(raw))
            self._shrink(first)
            return data
        data = [raw[at : at + size] for at, size in zip(range(0, n * pitch, pitch), lengths)]
        self._shrink(max(lengths))
        return data

    def _layout(self, size: int, n: int) -> Struct:
        """How n messages of one size lie in the room."""
        key = (self.pitch, size, n)
        made = self._layouts.get(key)
        if made is None:
            if len(self._layouts) >= 128:
                self._layouts.clear()
            made = self._layouts[key] = Struct(f"{size}s{self.pitch - size}x" * n)
        return made

    def page(self, index: int) -> Any:
        """A copy of a message's struct vmq_page."""
        return _c.vmq_page.from_buffer_copy(self.table[index].page)
