# SPDX-License-Identifier: BSD-2-Clause
"""Many messages in one call, and one message in many parts."""

import array
import os
import threading

import pytest
from conftest import PATIENCE

import vmq


def test_batches_of_all_sizes_keep_their_order(fabric):
    sizes = [0, 1, 64, 200, 257, 3000, 64, 70_000, 5] * 40
    sent = [bytes([i & 255]) * size for i, size in enumerate(sizes)]
    got = []
    with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:
        sender = threading.Thread(target=lambda: got.append(a.send_batch("b", iter(sent))))
        sender.start()
        received = []
        while len(received) < len(sent):
            received += b.recv_batch(timeout=PATIENCE)
        sender.join(PATIENCE)
        assert got == [len(sent)]
        assert [m.data for m in received] == sent
        assert {m.peer for m in received} == {a.id}


def test_a_batch_says_how_many_found_room(pair):
    a, b = pair
    placed = a.send_batch("b", [bytes(1000)] * 1000, timeout=0)
    assert 100 < placed < 1000
    with pytest.raises(vmq.TimedOutError):
        a.send_batch("b", [bytes(1000)], timeout=0.15)
    with pytest.raises(vmq.AgainError):
        a.send_batch("b", [bytes(1000)], timeout=0)
    assert a.send_batch("b", []) == 0
    got = 0
    while got < placed:
        got += len(b.recv_batch(7, 0))
    assert got == placed
    with pytest.raises(vmq.AgainError):
        b.recv_batch(timeout=0)
    with pytest.raises(vmq.InvalidError):
        b.recv_batch(0)


def test_bytes_alone(pair):
    a, b = pair
    sent = [b"", b"x" * 16, b"y" * 300, b"z" * 70_000, b"end"]
    a.send_batch("b", sent[:3])
    a.send("b", sent[3])
    pool = 256 * 4096  # all of it
    page = a.alloc("b", pool)
    a.send_page(page, sent[4], mode=vmq.Mode.LEND)
    got = []
    while len(got) < len(sent):
        got += b.recv_data(timeout=PATIENCE)
    assert got == sent
    page.free()
    a.alloc("b", pool, timeout=0).free()  # the receiver has given them back, too
    with pytest.raises(vmq.AgainError):
        b.recv_data(timeout=0)


def test_a_batch_of_wider_items(pair):
    a, b = pair
    words = memoryview(array.array("I", [1, 2, 3]))
    assert a.send_batch("b", [b"x", words, bytearray(b"y")]) == 3
    assert [m.data for m in b.recv_batch(timeout=PATIENCE)] == [b"x", words.tobytes(), b"y"]


def test_a_batch_of_what_is_not_contiguous(pair):
    a, b = pair
    assert a.send_batch("b", [b"x", memoryview(b"0123456789")[::2], b"y"]) == 3
    assert [m.data for m in b.recv_batch(timeout=PATIENCE)] == [b"x", b"02468", b"y"]


# ---- sendv: one message, in parts -------------------------------------------------


PARTS = [
    [],
    [b""],
    [b"header", b"body"],
    [bytearray(b"ab"), memoryview(b"0123")[::2], array.array("H", [1, 2]), b"", memoryview(b"z")],
    [b"x" * 100_000, b"y" * 50_000],
    [b"%d," % i for i in range(1500)],  # more than the library takes
]


@pytest.mark.parametrize("parts", PARTS, ids=len)
def test_parts_arrive_as_one_message(pair, parts):
    a, b = pair
    a.sendv("b", iter(parts), timeout=PATIENCE)
    a.sendv(b.id, [b"next"])
    assert b.recv(PATIENCE).data == b"".join(bytes(part) for part in parts)
    assert b.recv(PATIENCE).data == b"next"


def test_parts_wait_for_room_together(pair):
    a, b = pair
    with pytest.raises(vmq.AgainError):
        while True:
            a.sendv("b", [bytes(2000)] * 2, timeout=0)
    with pytest.raises(vmq.TimedOutError):
        a.sendv("b", [bytes(2000)] * 2, timeout=0.01)
    sender = threading.Thread(target=a.sendv, args=("b", [b"1" * 2000, b"2" * 2000]))
    sender.start()
    got = b""
    while got != b"1" * 2000 + b"2" * 2000:
        got = b.recv(PATIENCE).data
    sender.join(PATIENCE)
    assert not sender.is_alive()


def test_parts_that_are_larger_than_a_lane(fabric):
    parts = [os.urandom(40_000), os.urandom(30_000)]
    with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b", lane_size=4096) as b:
        sender = threading.Thread(target=a.sendv, args=("b", parts))
        sender.start()
        assert b.recv(PATIENCE).data == b"".join(parts)
        sender.join(PATIENCE)


def test_parts_that_are_none(pair):
    a, b = pair
    for bad in (["text"], b"bytes", [17], 5):
        with pytest.raises(TypeError):
            a.sendv("b", bad)
    with pytest.raises(vmq.SizeError):
        a.sendv("b", [bytes(1 << 20), b"x"])
    a.close()
    with pytest.raises(vmq.ClosedError):
        a.sendv(b.id, [b"x"])
