# SPDX-License-Identifier: BSD-2-Clause
"""64 MiB handed from one process to another as pages, without a copy.

The proof: the receiver's memory is made of the very page frames that the sender had filled.
The kernel shows frames to root only; others see that both map the same bytes of one file.
"""

import contextlib
import os
import re
import struct
from typing import Any, Iterator, List, Tuple

import pytest

from benchmark import bench
import vmq

SIZE = 64 << 20
PAGE = os.sysconf("SC_PAGESIZE")
COUNT = SIZE // PAGE
PAGES = f"?pages={SIZE // 4096}"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with bench.hub() as at:
        yield at


def frames(start: int, count: int) -> List[int]:
    """Numbers of the page frames behind addresses; 0 where the kernel does not tell."""
    with open("/proc/self/pagemap", "rb") as pagemap:
        pagemap.seek(start // PAGE * 8)
        entries = struct.unpack(f"<{count}Q", pagemap.read(count * 8))
    return [entry & (1 << 55) - 1 for entry in entries if entry >> 63]


def places(start: int, count: int) -> List[Tuple[str, int]]:
    """File and offset of each page behind addresses."""
    found = {}
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = re.match(r"(\w+)-(\w+) \S+ (\w+) (\S+ \d+)", line)
            assert fields
            first, last, offset = (int(fields[i], 16) for i in (1, 2, 3))
            for at in range(max(first, start), min(last, start + count * PAGE), PAGE):
                found[at] = (fields[4], offset + at - first)
    return [found[start + i * PAGE] for i in range(count)]


def whereabouts(array: Any) -> Any:
    """What tells that an array elsewhere is in the same memory."""
    start = array.__array_interface__["data"][0]
    assert start % PAGE == 0
    known = frames(start, COUNT)
    assert len(known) == COUNT, "not all pages are there"
    return known if all(known) else places(start, COUNT)


def numbers(page: vmq.Page) -> Any:
    numpy = pytest.importorskip("numpy")
    array = numpy.frombuffer(page.view, dtype=numpy.uint64)
    assert array.nbytes == SIZE
    return array


def fill(array: Any) -> None:
    import numpy

    array[:] = numpy.arange(len(array), dtype=numpy.uint64)
    array *= numpy.uint64(2654435761)


def right(array: Any) -> bool:
    import numpy

    wanted = numpy.empty(len(array), dtype=numpy.uint64)
    fill(wanted)
    return bool((array == wanted).all())


@contextlib.contextmanager
def mover(mode: vmq.Mode, address: str) -> Iterator[Any]:
    with bench.endpoint(address + PAGES, "a", "b") as (q, peer):
        page = q.alloc(peer, SIZE, bench.PATIENCE)
        array = numbers(page)
        fill(array)
        where = whereabouts(array)
        del array
        before = q.stats

        def result(_: Any) -> Any:
            after = q.stats
            revoked = False
            try:
                page.view
            except vmq.StaleError:
                revoked = True
            page_bytes = after.page_bytes_sent - before.page_bytes_sent
            return where, page_bytes, after.sent_bytes - before.sent_bytes, revoked

        yield lambda: q.send_page(page, b"numbers", mode=mode, timeout=bench.PATIENCE), result


@contextlib.contextmanager
def keeper(mode: vmq.Mode, address: str) -> Iterator[Any]:
    with bench.endpoint(address, "b", "a") as (q, _):

        def result(msg: vmq.Message) -> Any:
            assert msg.data == b"numbers" and msg.page is not None
            array = numbers(msg.page)
            assert right(array)
            return whereabouts(array), array.flags.writeable

        yield lambda: q.recv(bench.PATIENCE), result


@pytest.mark.parametrize("mode", list(vmq.Mode), ids=lambda mode: mode.name)
def test_a_numpy_array_of_64_mib_is_not_copied(
    address: str, mode: vmq.Mode, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("numpy")
    seconds, sent, received = bench.turn(mover, keeper, mode, address)
    where, page_bytes, bytes_sent, revoked = sent
    assert received[0] == where
    assert len(set(map(str, where))) == COUNT
    assert received[1] == (mode != vmq.Mode.LEND)
    assert revoked == (mode == vmq.Mode.MOVE)
    assert page_bytes == SIZE
    assert bytes_sent < 4096
    with capsys.disabled():
        kind = "frames" if isinstance(where[0], int) else "places of one file"
        print(f"\n{mode.name}: the same {COUNT} {kind}, {seconds * 1e3:.2f} ms")


@contextlib.contextmanager
def writer(address: str) -> Iterator[Any]:
    """Changes the array after it was sent."""
    with bench.endpoint(address + PAGES, "a", "b") as (q, peer):
        page = q.alloc(peer, SIZE, bench.PATIENCE)
        array = numbers(page)
        fill(array)

        def work() -> int:
            q.send_page(page, b"numbers", mode=vmq.Mode.SHARE, timeout=bench.PATIENCE)
            assert q.recv(bench.PATIENCE).data == b"seen"
            array[-1] = 4711
            q.send(peer, b"changed", timeout=bench.PATIENCE)
            assert q.recv(bench.PATIENCE).data == b"answered"
            return int(array[0])

        yield work, lambda answer: answer
        del array


@contextlib.contextmanager
def reader(address: str) -> Iterator[Any]:
    with bench.endpoint(address, "b", "a") as (q, peer):

        def work() -> int:
            page = q.recv(bench.PATIENCE).page
            array = numbers(page)
            assert right(array)
            q.send(peer, b"seen", timeout=bench.PATIENCE)
            assert q.recv(bench.PATIENCE).data == b"changed"
            found = int(array[-1])
            array[0] = 815
            q.send(peer, b"answered", timeout=bench.PATIENCE)
            return found

        yield work, lambda found: found


def test_both_write_into_a_shared_array(address: str) -> None:
    pytest.importorskip("numpy")
    _, answer, found = bench.turn(writer, reader, address)
    assert (found, answer) == (4711, 815)
