# SPDX-License-Identifier: BSD-2-Clause
"""What callers get wrong: timeouts, buffers, copies. And what is shown of each thing."""

import copy
import decimal
import fractions
import pickle
import time

import pytest
from conftest import PATIENCE, until

import vmq
from vmq._handle import nanoseconds


@pytest.mark.parametrize("bad", [-1, -1e-300, float("nan"), -float("inf"), -(10**400)])
def test_a_timeout_that_is_no_time(pair, bad):
    a, _ = pair
    for call in waits(a, bad):
        with pytest.raises(vmq.InvalidError, match="timeout"):
            call()


@pytest.mark.parametrize("bad", [True, False, "1", b"1", [], 1j, object()])
def test_a_timeout_that_is_no_number(pair, bad):
    """True and False are numbers to Python. Who writes recv(False) means something else."""
    a, _ = pair
    for call in waits(a, bad):
        with pytest.raises(TypeError, match="timeout"):
            call()


def waits(q, timeout):
    return [
        lambda: q.recv(timeout),
        lambda: q.recv_batch(timeout=timeout),
        lambda: q.recv_data(timeout=timeout),
        lambda: q.peek(timeout),
        lambda: q.event(timeout),
        lambda: q.poll(timeout=timeout),
        lambda: q.peer("nobody", timeout),
        lambda: q.send("nobody", b"x", timeout=timeout),
        lambda: q.send_batch("nobody", [b"x"], timeout=timeout),
        lambda: q.sendv("nobody", [b"x"], timeout=timeout),
        lambda: q.broadcast(b"x", timeout=timeout),
        lambda: q.reserve("b", 1, timeout=timeout),
        lambda: q.alloc("b", 1, timeout=timeout),
    ]


@pytest.mark.parametrize(
    "timeout, expected",
    [
        (None, -1),
        (0, 0),
        (0.0, 0),
        (-0.0, 0),
        (1e-12, 1),  # waits, if not for long
        (1, 10**9),
        (0.25, 250_000_000),
        (decimal.Decimal("0.5"), 500_000_000),
        (fractions.Fraction(1, 4), 250_000_000),
        (float("inf"), -1),
        (1e300, -1),
        (10**400, -1),
        (2**63, -1),
    ],
)
def test_a_timeout_in_the_librarys_numbers(timeout, expected):
    assert nanoseconds(timeout) == expected


@pytest.mark.parametrize("timeout", [float("inf"), 1e300, 10**400, 2**63 / 1e9, 9e8])
def test_a_timeout_of_ages_waits(pair, timeout):
    a, b = pair
    a.send("b", b"x", timeout=timeout)
    assert b.recv(timeout).data == b"x"
    a.send_batch("b", [b"y"], timeout=timeout)
    assert b.recv_data(timeout=timeout) == [b"y"]
    assert a.poll(vmq.Poll.OUT, timeout) in (vmq.Poll.OUT, vmq.Poll(0))


def test_the_shortest_timeout_is_one(pair):
    a, _ = pair
    with pytest.raises(vmq.TimedOutError):
        a.recv(1e-12)
    start = time.monotonic()
    with pytest.raises(vmq.TimedOutError):
        a.event(0.12)
    assert time.monotonic() - start >= 0.12


# ---- buffers ------------------------------------------------------------------------


def buffers():
    numpy = pytest.importorskip("numpy")
    words = numpy.arange(24, dtype=numpy.uint16).reshape(4, 6)
    frozen = words.copy()
    frozen.flags.writeable = False
    return {
        "rows": words,
        "columns": numpy.asfortranarray(words),
        "with gaps": words[::2, ::3],
        "backwards": words[::-1],
        "read-only": frozen,
        "a number": numpy.array(7.5),
        "nothing": numpy.zeros((4, 0)),
        "records": numpy.zeros(3, dtype=[("a", "u1"), ("b", "f4")]),
    }


@pytest.mark.parametrize(
    "name",
    ["rows", "columns", "with gaps", "backwards", "read-only", "a number", "nothing", "records"],
)
def test_arrays_are_sent_as_they_read(pair, name):
    a, b = pair
    array = buffers()[name]
    expected = array.tobytes()
    a.send("b", array)
    a.sendv("b", [array, array])
    a.send_batch("b", [array, b"x"])
    a.broadcast(array)
    page = a.alloc("b", 1)
    a.send_page(page, array)
    got = [b.recv(PATIENCE).data for _ in range(6)]
    assert got == [expected, expected * 2, expected, b"x", expected, expected]


def test_a_buffer_is_let_go_of(pair):
    a, b = pair
    data = bytearray(b"0123")
    for send in (a.send, lambda p, d: a.sendv(p, [d]), lambda p, d: a.send_batch(p, [d])):
        send("b", data)
        data += b"."  # BufferError while something holds it
    assert [b.recv(PATIENCE).data for _ in range(3)] == [b"0123", b"0123.", b"0123.."]


# ---- copies, and what is shown --------------------------------------------------------


def things(pair, tmp_path):
    a, b = pair
    vmm, hub = vmq.Vmm(), vmq.Hub(str(tmp_path / "hub"))
    page = a.alloc("b", 100)
    a.send_page(a.alloc("b", 5))
    return {
        "Queue": a,
        "Page": page,
        "Message": b.recv(PATIENCE),
        "Reservation": a.reserve("b", 5),
        "Vmm": vmm,
        "Vm": vmm.add("guest", window=8 << 20),
        "Hub": hub,
        "Bridge": vmm.bridge(),
    }


def test_nothing_that_owns_something_is_copied(pair, tmp_path):
    for name, thing in things(pair, tmp_path).items():
        called = "Page" if name == "Message" else name
        for make in (pickle.dumps, copy.deepcopy) + ((copy.copy,) if name != "Message" else ()):
            with pytest.raises(TypeError, match=f"a vmq.{called} cannot be copied or pickled"):
                make(thing)


def test_what_is_plain_is_copied(pair):
    a, b = pair
    a.send("b", b"x")
    for plain in (b.recv(PATIENCE), a.stats, a.peer_info("b"), vmq.When.LAZY):
        assert pickle.loads(pickle.dumps(plain)) == copy.deepcopy(plain) == plain


def test_each_thing_says_what_it_is(pair, tmp_path):
    made = things(pair, tmp_path)
    assert repr(made["Queue"]) == f"<vmq.Queue, id {made['Queue'].id}>"
    assert repr(made["Page"]) == "<vmq.Page of 100 bytes>"
    assert repr(made["Vmm"]) == "<vmq.Vmm of 1 VMs>"
    assert repr(made["Vm"]) == "<vmq.Vm 'guest'>"
    assert repr(made["Hub"]) == f"<vmq.Hub at {str(tmp_path / 'hub')!r}>"
    assert repr(made["Bridge"]) == "<vmq.Bridge>"
    for name in ("Vm", "Vmm", "Hub", "Bridge", "Queue"):
        getattr(made[name], "remove" if name == "Vm" else "close")()
        assert "closed" in repr(made[name]) or "removed" in repr(made[name])
        assert made[name].closed
        if name != "Vm":
            with pytest.raises(vmq.ClosedError):
                made[name].__enter__()


def test_a_queue_in_a_queue(pair):
    """The inner block closes it; the outer one has nothing left to do."""
    a, b = pair
    with b:
        with b:
            assert b.id
        assert b.closed
    until(lambda: not a.peers(), "the peer to be gone")


def test_what_is_made_by_hand_is_refused_quietly(recwarn):
    for kind in (vmq.Queue, vmq.Page, vmq.Reservation, vmq.Bridge, vmq.Kvm):
        with pytest.raises(TypeError):
            kind()
    assert vmq.Queue.__new__(vmq.Queue).closed
    assert [str(w.message) for w in recwarn.list] == []


def test_only_queues_are_waited_for(pair):
    with pytest.raises(TypeError, match="int"):
        vmq.poll([17])
    with pytest.raises(TypeError, match="str"):
        vmq.poll([("b", vmq.Poll.IN)])
