# SPDX-License-Identifier: BSD-2-Clause
"""Threads, signals, processes, and the end of a Queue in any of them."""

import gc
import os
import signal
import sys
import threading
import time

import pytest
from conftest import PATIENCE, acquainted, until

import vmq


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


@pytest.mark.parametrize(
    "wait", ["recv", "event", "peer", "send", "sendv", "reserve", "poll", "recv_batch"]
)
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
        "sendv": lambda: a.sendv("b", [bytes(4000)]),
        "reserve": lambda: a.reserve("b", 4000).__enter__(),
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


def test_news_is_told_in_order_to_many_threads(fabric, monkeypatch):
    """A thread that is slow to note that a peer came does not do so after another has noted
    that it left."""
    slow, go = threading.Event(), threading.Event()

    def noted(number):
        if number == vmq.EventType.JOIN:
            slow.set()
            go.wait(PATIENCE)
        return vmq.EventType(number)

    with vmq.open(f"{fabric}?name=watcher") as q:
        b = vmq.open(f"{fabric}?name=b")
        until(lambda: [q.poll(vmq.Poll.EVENT, 0), b.peers()][0], "the peer")
        noted.JOIN, noted.LEAVE = vmq.EventType.JOIN, vmq.EventType.LEAVE
        monkeypatch.setattr("vmq._news.EventType", noted)
        first = threading.Thread(target=q.peers)
        first.start()
        assert slow.wait(PATIENCE)
        b.close()
        second = threading.Thread(target=q.peers)
        second.start()
        second.join(0.2)  # it would be done by now, if it did not wait for the first
        go.set()
        first.join(PATIENCE)
        second.join(PATIENCE)
        assert q.peers() == {}


def test_threads_that_wait_for_news(pair):
    """One piece of news ends one wait; the others wait on."""
    a, b = pair
    got = []

    def wait():
        try:
            got.append(b.event())
        except vmq.ClosedError:
            got.append(None)

    waiters = [threading.Thread(target=wait) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    a.close()
    until(lambda: got, "the news")
    assert got[0].type == vmq.EventType.LEAVE
    b.close()
    for waiter in waiters:
        waiter.join(PATIENCE)
    assert sorted(map(str, got[1:])) == ["None", "None"]


def test_many_threads_send_batches(fabric, restless):
    count, each = 4, 50
    with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:
        acquainted(a, b)

        def send(k):
            for i in range(each):
                assert a.send_batch("b", [b"%d %d %d" % (k, i, j) for j in range(10)]) == 10

        senders = [threading.Thread(target=send, args=(k,)) for k in range(count)]
        for sender in senders:
            sender.start()
        got = []
        while len(got) < count * each * 10:
            got += b.recv_data(timeout=PATIENCE)
        for sender in senders:
            sender.join(PATIENCE)
    assert len(set(got)) == count * each * 10


def test_close_while_many_threads_do_all_sorts(fabric, restless):
    """ClosedError is all that they see, or what a peer that is gone gives."""
    for _ in range(5):
        a, b = vmq.open(f"{fabric}?name=a"), vmq.open(f"{fabric}?name=b")
        acquainted(a, b)
        wrong, begun = [], threading.Semaphore(0)

        def work(call, begun=begun, wrong=wrong):
            first = True
            while True:
                try:
                    call()
                except vmq.ClosedError:
                    return
                except (vmq.AgainError, vmq.TimedOutError, vmq.NoMemoryError):
                    pass
                except BaseException as error:
                    wrong.append(error)
                    return
                if first:
                    first = begun.release()

        def build(a=a):
            with a.reserve("b", 10, timeout=0) as room:
                room.view[:] = bytes(10)

        def page(a=a):
            with a.alloc("b", 10, timeout=0) as held:
                held.view[:] = bytes(10)

        calls = [
            lambda: a.send("b", b"x", timeout=0.01),
            lambda: a.send_batch("b", [b"x"] * 10, timeout=0.01),
            lambda: a.sendv("b", [b"x", b"y"], timeout=0.01),
            build,
            page,
            lambda: a.recv(0.01),
            lambda: a.recv_batch(timeout=0.01),
            lambda: a.event(0.01),
            a.peers,
            lambda: a.stats,
            lambda: repr(a),
        ]
        threads = [threading.Thread(target=work, args=(call,)) for call in calls[:-1]]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert begun.acquire(timeout=PATIENCE)
        a.close()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        b.close()
        assert wrong == []


def test_an_interrupt_in_a_hubs_callback_ends_its_run(tmp_path):
    """It cannot pass through the library. The callback's end is told, and so is run()'s caller."""
    seen, before = [], sys.unraisablehook
    sys.unraisablehook = lambda told: seen.append(told.exc_type)

    def log(line):
        raise KeyboardInterrupt

    def come():
        vmq.open(f"sim:unix={tmp_path}/hub?name=a").close()

    try:
        with vmq.Hub(str(tmp_path / "hub"), log=log) as hub:
            guest = threading.Thread(target=come)
            guest.start()
            with pytest.raises(KeyboardInterrupt):
                hub.run(PATIENCE)
            hub.start()
            guest.join(PATIENCE)
    finally:
        sys.unraisablehook = before
    assert KeyboardInterrupt in seen


def test_a_hub_may_be_asked_and_closed_by_who_it_tells(tmp_path):
    asked = []

    def log(line):
        if not hub.closed:
            asked.append(hub.vms())
            hub.close()

    hub = vmq.Hub(str(tmp_path / "hub"), log=log)
    thread = hub.start()
    with pytest.raises(vmq.FabricError):
        with vmq.open(f"sim:unix={tmp_path}/hub?name=a") as q:
            q.recv(PATIENCE)
    thread.join(PATIENCE)
    assert asked and not thread.is_alive() and not os.path.exists(str(tmp_path / "hub"))


def test_a_forked_child_finds_hubs_and_vmms_closed(tmp_path):
    with vmq.Hub(str(tmp_path / "hub")) as hub, vmq.Vmm() as vmm, vmm.bridge() as bridge:
        vm = vmm.add("vm", window=8 << 20)
        hub.start()
        bridge.start()
        child = os.fork()
        if child == 0:
            code = 0
            for use in (hub.run, hub.vms, bridge.run, vm.exit, lambda: vmm.open("x")):
                try:
                    use()
                    code = 1
                except vmq.ClosedError:
                    pass
                except BaseException:
                    code = 2
            for thing in (vmm, bridge, hub):
                thing.close()
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert vm.channels == [] and hub.vms() == {}
        assert os.path.exists(str(tmp_path / "hub"))
