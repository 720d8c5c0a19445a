# SPDX-License-Identifier: BSD-2-Clause
"""Open, send, receive, wait, peers and news."""

import array
import os
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
