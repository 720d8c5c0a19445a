# SPDX-License-Identifier: BSD-2-Clause
"""Open, send, receive, wait, peers and news."""

import array
import gc
import os
import signal
import threading
import time

import pytest
from conftest import PATIENCE, acquainted, until

import vmq


def test_a_message_arrives(pair):
    a, b = pair
    a.send("b", b"hello")
    message = b.recv(PATIENCE)
    assert message == (b"hello", a.id, None)
    assert (message.data, message.peer, message.page) == message
    b.send(message.peer, b"and back")
    assert a.recv(PATIENCE).data == b"and back"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"bytes",
        bytearray(b"bytearray"),
        memoryview(b"0123456789")[::2],
        memoryview(bytearray(b"0123456789"))[2:5],
        array.array("d", [1.5, 2.5]),
    ],
)
def test_what_is_bytes_like_can_be_sent(pair, data):
    a, b = pair
    a.send("b", data)
    assert b.recv(PATIENCE).data == bytes(data)


def test_what_is_not_bytes_like_is_refused_in_words(pair):
    a, _ = pair
    with pytest.raises(TypeError, match="encode it"):
        a.send("b", "text")
    with pytest.raises(TypeError):
        a.send("b", 17)
    with pytest.raises(TypeError, match="a name or an id"):
        a.send(b"b", b"x")
    with pytest.raises(vmq.InvalidError, match="32 bits"):
        a.send(-1, b"x")


@pytest.mark.parametrize("size", [65535, 65536, 100_000, 262_144, 1_000_000])
def test_large_messages_grow_the_buffer_and_arrive_whole(fabric, size):
    data = os.urandom(size)
    with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:
        sender = threading.Thread(target=lambda: a.send("b", data, timeout=PATIENCE))
        sender.start()
        assert b.recv(PATIENCE).data == data
        sender.join(PATIENCE)


def test_a_large_message_outlasts_a_slow_receiver(fabric):
    """It goes in parts, and is not to begin anew each time that the sender looks for signals."""
    data, got = os.urandom(60_000), []
    with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b", lane_size=4096) as b:
        sender = threading.Thread(target=lambda: a.send("b", data, timeout=PATIENCE))
        sender.start()

        def slowly():
            try:
                got.append(b.recv(0).data)
            except vmq.AgainError:
                time.sleep(0.03)  # for each lane full of it
            return got

        until(slowly, "the message")
        assert got == [data]
        sender.join(PATIENCE)


def test_iteration_goes_on_when_a_peer_leaves_and_ends_with_the_queue(fabric):
    got = []
    with vmq.open(f"{fabric}?name=b") as b:

        def serve():
            for message in b:
                got.append(message.data)

        server = threading.Thread(target=serve)
        server.start()
        for name in "xyz":
            with vmq.open(f"{fabric}?name={name}") as q:
                q.send("b", name.encode())
        until(lambda: len(got) == 3, "messages")
        b.close()
        server.join(PATIENCE)
        assert not server.is_alive()
    assert sorted(got) == [b"x", b"y", b"z"]


def test_a_peer_that_left_is_said_once(pair):
    a, b = pair
    peer = a.id
    a.send("b", b"last words")
    a.close()
    assert b.recv(PATIENCE).data == b"last words"
    with pytest.raises(vmq.GoneError) as caught:
        b.recv(PATIENCE)
    assert caught.value.peer == peer
    with pytest.raises(vmq.AgainError):
        b.recv(0)
    assert b.event(PATIENCE).type == vmq.EventType.LEAVE


def test_timeouts(pair):
    a, _ = pair
    with pytest.raises(vmq.AgainError):
        a.recv(0)
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        a.recv(0.25)
    assert time.monotonic() - start >= 0.25
    with pytest.raises(vmq.TimedOutError, match="nobody"):
        a.send("nobody", b"x", timeout=0.01)
    for bad in (-1, float("nan")):
        with pytest.raises(vmq.InvalidError, match="timeout"):
            a.recv(bad)


def test_a_full_lane(pair):
    a, b = pair
    sent = 0
    with pytest.raises(vmq.AgainError):
        while True:
            a.send("b", bytes(4000), timeout=0)
            sent += 1
    with pytest.raises(vmq.TimedOutError):
        a.send("b", bytes(4000), timeout=0.15)
    with pytest.raises(vmq.SizeError):
        a.send("b", bytes(2 << 20))
    assert a.poll(vmq.Poll.OUT, 0) == vmq.Poll(0)
    assert len(b.recv_batch(1000, 0)) > 0
    while True:
        try:
            b.recv(0)
        except vmq.AgainError:
            break
    assert a.poll(vmq.Poll.OUT, PATIENCE) == vmq.Poll.OUT
    assert sent >= 32


def test_who_is_there(fabric):
    with vmq.open(f"{fabric}?name=a") as a:
        assert a.peers() == {}
        with vmq.open(f"{fabric}?name=b", max_msg=5000, uuid=bytes(range(16))) as b:
            until(lambda: all([b.peers(), a.peers()]), "each other")
            assert a.peers() == {b.id: "b"}
            assert a.poll(vmq.Poll.EVENT, 0) == vmq.Poll.EVENT
            joined = a.event(0)
            assert (joined.type, joined.peer, joined.name) == (vmq.EventType.JOIN, b.id, "b")
            info = a.peer_info("b")
            assert (info.id, info.name, info.max_msg, info.state) == (b.id, "b", 5000, 0)
            assert info.uuid == bytes(range(16))
            assert a.peer("b", 0) == b.id
        left = a.event(PATIENCE)
        assert (left.type, left.reason, left.text) == (vmq.EventType.LEAVE, vmq.GoneError.code, "")
        assert a.peers() == {}
    with pytest.raises(vmq.ClosedError):
        a.peer_info(1)


def test_broadcast_reaches_all(fabric):
    with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b, vmq.open(
        f"{fabric}?name=c"
    ) as c:
        acquainted(a, b, c)
        assert a.broadcast(b"now") == 2
        assert a.broadcast(b"in time", timeout=1) == 2
        for q in (b, c):
            assert [q.recv(PATIENCE).data for _ in range(2)] == [b"now", b"in time"]


def test_poll_of_many(pair):
    a, b = pair
    assert vmq.poll([a, b], 0) == []
    a.send("b", b"x")
    assert vmq.poll([a, (b, vmq.Poll.IN | vmq.Poll.EVENT)], PATIENCE) == [(b, vmq.Poll.IN)]
    with pytest.raises(vmq.InvalidError):
        vmq.poll([])
    b.close()
    assert vmq.poll([b], 0) == [(b, vmq.Poll.ERR)]


def test_stats_caps_and_exits(pair):
    a, b = pair
    before = a.stats
    a.send("b", b"123", when=vmq.When.LAZY)
    assert a.flush() >= 0
    a.relax()
    a.send("b", b"4567", when=vmq.When.NOW)
    after = a.stats
    assert (after.sent - before.sent, after.sent_bytes - before.sent_bytes) == (2, 7)
    assert after.exits_immediate == before.exits_immediate + 1
    assert after.peers == 1
    assert vmq.Cap.PAGES in a.caps
    with pytest.raises(AttributeError):
        after.sent = 0


def test_peek_takes_nothing(pair):
    a, b = pair
    a.send("b", b"still there")
    for _ in range(2):
        assert b.peek(PATIENCE).data == b"still there"
    assert b.recv(0).data == b"still there"
    with pytest.raises(vmq.AgainError):
        b.peek(0)


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


def test_other_threads_run_meanwhile(pair):
    """A blocking call does not hold the interpreter's lock."""
    a, b = pair
    got = []
    waiter = threading.Thread(target=lambda: got.append(b.recv(PATIENCE)))
    waiter.start()
    for _ in range(1000):  # would take PATIENCE, were the lock held
        pass
    assert waiter.is_alive()
    a.send("b", b"done")
    waiter.join(PATIENCE)
    assert got[0].data == b"done"


def test_many_threads_on_one_queue(fabric):
    count, each = 4, 500
    got = []
    with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:

        def send(k):
            for i in range(each):
                a.send("b", b"%d %d" % (k, i))

        def receive():
            for message in b:
                got.append(message.data)

        senders = [threading.Thread(target=send, args=(k,)) for k in range(count)]
        receivers = [threading.Thread(target=receive) for _ in range(count)]
        for t in senders + receivers:
            t.start()
        for t in senders:
            t.join(PATIENCE)
        until(lambda: len(got) == count * each, "all messages")
        b.close()
        for t in receivers:
            t.join(PATIENCE)
    assert len(set(got)) == count * each


@pytest.mark.parametrize("wait", ["recv", "event", "peer", "send", "poll", "recv_batch"])
def test_an_interrupt_ends_a_wait(pair, wait):
    a, b = pair
    with pytest.raises(vmq.AgainError):
        while True:
            a.send("b", bytes(4000), timeout=0)
    calls = {
        "recv": a.recv,
        "event": a.event,
        "peer": lambda: a.peer("nobody"),
        "send": lambda: a.send("b", bytes(4000)),
        "poll": a.poll,
        "recv_batch": a.recv_batch,
    }
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        calls[wait]()
    assert time.monotonic() - start < PATIENCE
    timer.join()


def test_a_closed_queue_refuses_everything(pair):
    a, b = pair
    a.close()
    a.close()
    assert a.closed and "closed" in repr(a)
    for call in (
        lambda: a.send("b", b"x"),
        lambda: a.send(b.id, b"x"),
        lambda: a.send_batch(b.id, [b"x"]),
        lambda: a.broadcast(b"x"),
        lambda: a.recv(0),
        lambda: a.recv_batch(timeout=0),
        lambda: a.peek(0),
        lambda: a.event(0),
        a.peers,
        lambda: a.alloc(b.id, 1),
        lambda: a.id,
        lambda: a.fd,
        lambda: a.caps,
        lambda: a.stats,
        a.flush,
        a.relax,
        a.__enter__,
    ):
        with pytest.raises(vmq.ClosedError):
            call()


def test_close_ends_a_wait_of_another_thread(pair):
    a, b = pair
    caught = []

    def wait():
        try:
            b.recv()
        except vmq.ClosedError as error:
            caught.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    until(lambda: b.stats.exits_natural, "the wait")
    b.close()
    waiter.join(PATIENCE)
    assert caught
    assert a.event(PATIENCE).type == vmq.EventType.LEAVE


def test_an_exception_that_is_kept_keeps_nothing_open(pair):
    a, b = pair
    with pytest.raises(vmq.AgainError) as kept:
        b.recv(0)
    b.close()
    assert a.event(PATIENCE).type == vmq.EventType.LEAVE
    assert kept.value.code == -3


def test_a_queue_that_is_collected_closes_itself(fabric):
    a = vmq.open(f"{fabric}?name=a")
    b = vmq.open(f"{fabric}?name=b")
    acquainted(a, b)
    a.me = a  # a cycle
    del a
    gc.collect()
    assert b.event(PATIENCE).type == vmq.EventType.LEAVE
    vmq.open(f"{fabric}?name=a").close()
    b.close()


def test_a_fork_closes_the_childs_and_not_the_parents(pair):
    a, b = pair
    child = os.fork()
    if child == 0:
        code = 1
        try:
            b.recv(0)
        except vmq.ClosedError:
            code = 0
        except BaseException:
            code = 2
        a.close()
        del a, b, pair
        gc.collect()
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    a.send("b", b"as before")
    assert b.recv(PATIENCE).data == b"as before"


def test_processes_talk_through_a_hub(hub):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with vmq.open(f"sim:unix={hub.path}?name=child") as q:
                message = q.recv(PATIENCE)
                q.send(message.peer, message.data[::-1], timeout=PATIENCE)
                code = 0
        finally:
            os._exit(code)
    with vmq.open(f"sim:unix={hub.path}?name=parent") as q:
        q.send("child", b"abc", timeout=PATIENCE)
        assert q.recv(PATIENCE).data == b"cba"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
