# SPDX-License-Identifier: BSD-2-Clause
"""Messages that are built in place. Nothing here may crash, or send what was not meant."""

import gc
import threading

import pytest
from conftest import PATIENCE, until

import vmq


def none_is_there(q):
    with pytest.raises(vmq.AgainError):
        q.recv(0)


def test_what_is_written_in_the_block_is_sent_at_its_end(pair):
    a, b = pair
    with a.reserve("b", 5) as room:
        assert (len(room), len(room.view), room.view.readonly, room.view.format) == (5, 5, False, "B")
        room.view[:] = b"hello"
        none_is_there(b)
    assert b.recv(PATIENCE) == (b"hello", a.id, None)
    with a.reserve(b.id, 0) as room:
        assert len(room.view) == 0
    assert b.recv(PATIENCE).data == b""
    assert a.stats.sent == 2


def test_less_of_it(pair):
    a, b = pair
    with a.reserve("b", 1000, when=vmq.When.NOW) as room:
        room.view[:3] = b"abc"
        for size in (-1, 1001):
            with pytest.raises(vmq.InvalidError):
                room.commit(size)
        room.commit(3)
        assert b.recv(PATIENCE).data == b"abc"
        for late in (room.commit, lambda: room.view):
            with pytest.raises(vmq.InvalidError):
                late()
    none_is_there(b)
    a.send("b", b"next")
    assert b.recv(PATIENCE).data == b"next"


def test_an_exception_sends_nothing(pair):
    a, b = pair
    with pytest.raises(KeyError):
        with a.reserve("b", 5) as room:
            room.view[:] = b"never"
            raise KeyError
    with a.reserve("b", 5) as room:
        room.cancel()
        room.cancel()
    other = threading.Thread(target=a.send, args=("b", b"next"))  # to whom the lane is free
    other.start()
    assert b.recv(PATIENCE).data == b"next"
    other.join(PATIENCE)
    none_is_there(b)


def test_a_view_ends_with_its_block(pair):
    a, b = pair
    with a.reserve("b", 4) as room:
        view = room.view
        view[:] = b"1234"
    with pytest.raises(ValueError):
        view[0] = 1
    for late in (lambda: room.view, room.commit, room.__enter__):
        with pytest.raises(vmq.InvalidError):
            late()
    assert b.recv(PATIENCE).data == b"1234"


def test_a_slice_that_is_left_keeps_the_message_back(pair):
    """Its memory is the lane's: it must not be sent while somebody may write to it."""
    a, b = pair
    with pytest.raises(vmq.ExportedError, match="reservation"):
        with a.reserve("b", 8) as room:
            part = room.view[2:4]
    part[:] = b"ok"
    none_is_there(b)
    with pytest.raises(vmq.BusyError):
        a.send("b", b"x")
    with pytest.raises(vmq.BusyError):
        a.reserve("b", 8).__enter__()
    del part
    a.send("b", b"free")
    assert b.recv(PATIENCE).data == b"free"


def test_the_slice_may_be_dropped_and_the_message_sent(pair):
    a, b = pair
    with a.reserve("b", 2) as room:
        part = room.view[1:]
        with pytest.raises(vmq.ExportedError):
            room.commit()
        del part
        room.view[:] = b"ok"
    assert b.recv(PATIENCE).data == b"ok"


def test_nothing_else_is_sent_there_in_the_block(pair):
    a, b = pair
    page = a.alloc("b", 10)
    with a.reserve("b", 4) as room:
        room.view[:] = b"1234"
        for call in (
            lambda: a.send("b", b"x"),
            lambda: a.send(b.id, b"x"),
            lambda: a.sendv("b", [b"x"]),
            lambda: a.send_batch("b", [b"x"]),
            lambda: a.broadcast(b"x"),
            lambda: a.send_page(page),
            a.reserve("b", 1).__enter__,
            a.reserve("a", 1).__enter__,
        ):
            with pytest.raises(vmq.BusyError):
                call()
        a.send("a", b"to others, as ever")
    assert b.recv(PATIENCE).data == b"1234"
    a.send_page(page, b"page")
    assert b.recv(PATIENCE).data == b"page"


def test_other_threads_wait_for_the_block(pair):
    a, b = pair
    begun = threading.Semaphore(0)

    def send(text):
        begun.release()
        a.send("b", text, timeout=PATIENCE)

    def build(text):
        begun.release()
        with a.reserve("b", len(text), timeout=PATIENCE) as room:
            room.view[:] = text

    others = [threading.Thread(target=f, args=(t,)) for f, t in ((send, b"sent"), (build, b"built"))]
    with a.reserve("b", 5) as room:
        for other in others:
            other.start()
            begun.acquire()
        for late in (a.reserve("b", 1, timeout=0), a.reserve("b", 1, timeout=0.01)):
            caught = []
            thread = threading.Thread(target=enter, args=(late, caught))
            thread.start()
            thread.join(PATIENCE)
            assert [type(e) for e in caught] in ([vmq.AgainError], [vmq.TimedOutError])
        room.view[:] = b"first"
    for other in others:
        other.join(PATIENCE)
    assert b.recv(PATIENCE).data == b"first"
    assert {b.recv(PATIENCE).data for _ in others} == {b"sent", b"built"}


def enter(reservation, caught):
    try:
        with reservation:
            pass
    except vmq.Error as error:
        caught.append(error)


def test_many_threads_build_at_once(pair):
    a, b = pair
    count, each = 4, 100

    def build(k):
        for i in range(each):
            text = b"%d %d" % (k, i)
            with a.reserve("b", 16, timeout=PATIENCE) as room:
                room.view[: len(text)] = text
                room.commit(len(text))

    builders = [threading.Thread(target=build, args=(k,)) for k in range(count)]
    for builder in builders:
        builder.start()
    got = [b.recv(PATIENCE).data for _ in range(count * each)]
    for builder in builders:
        builder.join(PATIENCE)
    assert sorted(got) == sorted(b"%d %d" % (k, i) for k in range(count) for i in range(each))


def test_another_thread_can_neither_commit_nor_cancel(pair):
    a, b = pair
    caught = []

    def commit():
        for end in (room.commit, room.cancel):
            try:
                end()
            except vmq.Error as error:
                caught.append(error)

    with a.reserve("b", 1) as room:
        room.view[0] = 65
        other = threading.Thread(target=commit)
        other.start()
        other.join(PATIENCE)
    assert [type(e) for e in caught] == [vmq.BusyError, vmq.BusyError]
    assert b.recv(PATIENCE).data == b"A"


def test_no_room(pair):
    a, b = pair
    with pytest.raises(vmq.AgainError):
        while True:
            with a.reserve("b", 4000, timeout=0):
                pass
    with pytest.raises(vmq.TimedOutError):
        a.reserve("b", 4000, timeout=0.01).__enter__()
    with pytest.raises(vmq.TimedOutError, match="nobody"):
        a.reserve("nobody", 1, timeout=0.01).__enter__()
    b.recv_batch(timeout=PATIENCE)
    with a.reserve("b", 4000, timeout=PATIENCE):
        pass


def test_what_cannot_be_built_in_place(pair):
    a, b = pair
    with pytest.raises(vmq.SizeError, match="quarter"):
        a.reserve("b", 200_000).__enter__()
    with pytest.raises(vmq.InvalidError):
        a.reserve("b", -1)
    with pytest.raises(TypeError):
        a.reserve("b", "5")
    with pytest.raises(vmq.InvalidError):
        a.reserve("b", 5, timeout=-1)
    a.send("b", b"as ever")
    assert b.recv(PATIENCE).data == b"as ever"


def test_close_in_the_block(pair):
    a, b = pair
    with pytest.raises(vmq.ClosedError):
        with a.reserve("b", 4) as room:
            view = room.view
            a.close()
            with pytest.raises(ValueError):
                view[0] = 1
            with pytest.raises(vmq.ClosedError):
                room.view
    assert b.event(PATIENCE).type == vmq.EventType.LEAVE
    none_is_there_but_the_end(b)


def none_is_there_but_the_end(q):
    with pytest.raises(vmq.GoneError):
        q.recv(PATIENCE)
    none_is_there(q)


def test_a_slice_outlives_its_queue(pair):
    a, b = pair
    with pytest.raises(vmq.ClosedError):
        with a.reserve("b", 4) as room:
            part = room.view[1:]
            with pytest.warns(ResourceWarning, match="in use"):
                a.close()
    b.close()
    part[:] = b"xyz"
    assert bytes(part) == b"xyz"


def test_the_peer_goes_in_the_block(pair):
    a, b = pair
    with pytest.raises(vmq.GoneError):
        with a.reserve("b", 4) as room:
            b.close()
            room.view[:] = b"1234"
            until(lambda: not a.peers(), "the peer to be gone")
            room.view[:] = b"5678"
    with pytest.raises(vmq.GoneError):
        a.send("b", b"x")


def test_a_reservation_that_is_forgotten(pair):
    """Entered by hand, and never left."""
    a, b = pair
    room = a.reserve("b", 4)
    room.__enter__().view[:] = b"1234"
    del room
    gc.collect()
    a.send("b", b"next")
    assert b.recv(PATIENCE).data == b"next"


def test_numpy_builds_in_place(pair):
    numpy = pytest.importorskip("numpy")
    a, b = pair
    with a.reserve("b", 80) as room:
        array = numpy.frombuffer(room.view, dtype=numpy.float64)
        array[:] = range(10)
        del array
    assert numpy.frombuffer(b.recv(PATIENCE).data).tolist() == list(range(10))
