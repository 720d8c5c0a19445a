# SPDX-License-Identifier: BSD-2-Clause
"""A Queue in asyncio's loop."""

import asyncio
import gc
import os
import threading

import pytest
from conftest import PATIENCE, until

import vmq


def run(coroutine):
    async def bounded():
        return await asyncio.wait_for(coroutine, PATIENCE)

    return asyncio.run(bounded())


def test_async_for_ends_when_the_queue_is_closed(fabric):
    async def main():
        got = []
        with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:

            async def serve():
                async for message in b:
                    got.append(message.data)
                    await b.asend(message.peer, message.data.upper())

            server = asyncio.ensure_future(serve())
            for i in range(100):
                await a.asend("b", b"m%d" % i)
                assert (await a.arecv()).data == b"M%d" % i
            b.close()
            await server
        return got

    assert run(main()) == [b"m%d" % i for i in range(100)]


def test_the_loop_sleeps_until_the_doorbell_rings(fabric):
    """Between messages the loop neither spins nor lags."""

    async def main():
        with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:
            await asyncio.gather(a.apeer("b"), b.apeer("a"))
            turns = 0
            loop = asyncio.get_running_loop()
            select = loop._selector.select

            def counted(timeout=None):
                nonlocal turns
                turns += 1
                return select(timeout)

            loop._selector.select = counted
            waiter = asyncio.ensure_future(b.arecv())
            await asyncio.sleep(0.5)
            quiet = turns
            threading.Thread(target=a.send, args=("b", b"wake up")).start()
            assert (await waiter).data == b"wake up"
            return quiet

    assert run(main()) < 1000  # the timer for lazy messages rings each 10 ms


def test_room_that_comes_back_ends_a_wait(fabric):
    """The sender waits for room while nobody takes what it has received itself."""

    async def main():
        with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:
            await asyncio.gather(a.apeer("b"), b.apeer("a"))
            b.send("a", b"unread")
            count = 0
            with pytest.raises(vmq.AgainError):
                while True:
                    a.send("b", bytes(10_000), timeout=0)
                    count += 1
            sender = asyncio.ensure_future(a.asend("b", bytes(10_000) + b"last"))
            await asyncio.sleep(0.05)
            assert not sender.done()
            for _ in range(count):
                await b.arecv()
            await sender
            assert (await b.arecv()).data.endswith(b"last")
            assert a.recv(0).data == b"unread"

    run(main())


def test_streams_both_ways_at_once(fabric):
    count = 3000

    async def talk(q, peer):
        async def send():
            for i in range(count):
                await q.asend(peer, b"%d" % i + bytes(500))

        async def receive():
            for i in range(count):
                assert (await q.arecv()).data == b"%d" % i + bytes(500)

        await asyncio.gather(send(), receive())

    async def main():
        with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:
            await asyncio.gather(talk(a, "b"), talk(b, "a"))

    run(main())


def test_many_tasks_wait_for_one_queue(fabric):
    async def main():
        with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:
            tasks = [asyncio.ensure_future(b.arecv()) for _ in range(5)]
            for i in range(5):
                await a.asend("b", b"%d" % i)
            return {(await task).data for task in tasks}

    assert run(main()) == {b"%d" % i for i in range(5)}


def test_a_wait_that_is_cancelled_loses_nothing(fabric):
    async def main():
        with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:
            await asyncio.gather(a.apeer("b"), b.apeer("a"))
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(b.arecv(), 0.02)
            a.send("b", b"kept")
            assert (await b.arecv()).data == b"kept"

    run(main())


def test_news_and_pages(fabric):
    async def main():
        with vmq.open(f"{fabric}?name=a") as a:
            with vmq.open(f"{fabric}?name=b") as b:
                await asyncio.gather(a.apeer("b"), b.apeer("a"))
                joined = await a.aevent()
                assert (joined.type, joined.name) == (vmq.EventType.JOIN, "b")
                page = a.alloc("b", 3)
                page.view[:] = b"abc"
                await a.asend_page(page, b"x")
                assert bytes((await b.arecv()).page.view) == b"abc"
            assert (await a.aevent()).type == vmq.EventType.LEAVE
            with pytest.raises(vmq.GoneError):
                await a.asend("b", b"x")

    run(main())


def test_a_close_from_another_thread_ends_the_wait(fabric):
    async def main():
        q = vmq.open(f"{fabric}?name=a")
        waiter = asyncio.ensure_future(q.arecv())
        await asyncio.sleep(0.01)
        threading.Thread(target=q.close).start()
        with pytest.raises(vmq.ClosedError):
            await waiter

    run(main())


def test_one_queue_in_one_loop_after_another_leaks_nothing(fabric):
    with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:

        async def main():
            await asyncio.gather(a.apeer("b"), b.apeer("a"))
            await a.asend("b", b"x")
            assert (await b.arecv()).data == b"x"

        run(main())
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            run(main())
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_queue_that_is_collected_leaves_the_loop(fabric):
    async def main():
        q = vmq.open(f"{fabric}?name=a")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(q.arecv(), 0.01)
        del q
        gc.collect()
        vmq.open(f"{fabric}?name=a").close()

    before = len(os.listdir("/proc/self/fd"))
    run(main())
    gc.collect()
    until(lambda: len(os.listdir("/proc/self/fd")) <= before, "descriptors to be closed")


def test_select_takes_a_queue(pair):
    import select

    a, b = pair
    assert b.fileno() == b.fd
    with pytest.raises(vmq.AgainError):
        while True:
            b.recv(0)
    a.send("b", b"x")
    assert select.select([b], [], [], PATIENCE)[0] == [b]
    assert b.recv(0).data == b"x"


def test_a_stream_leaves_the_loop_to_others(fabric):
    """A receiver that always finds a message, and a sender that always finds room."""

    async def main():
        with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:
            await asyncio.gather(a.apeer("b"), b.apeer("a"))
            turns = []

            async def other():
                while True:
                    turns.append(len(turns))
                    await asyncio.sleep(0)

            busy = asyncio.ensure_future(other())
            for i in range(1000):
                await a.asend("b", b"%d" % i)
            sent = len(turns)
            for i in range(1000):
                assert (await b.arecv()).data == b"%d" % i
            busy.cancel()
            return sent, len(turns) - sent

    sent, received = run(main())
    assert sent >= 10 and received >= 10


def test_a_stream_can_be_cancelled_and_loses_nothing(fabric):
    async def main():
        with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:
            await asyncio.gather(a.apeer("b"), b.apeer("a"))
            assert a.send_batch("b", [b"%d" % i for i in range(1000)]) == 1000
            got = []

            async def receive():
                async for message in b:
                    got.append(message.data)

            receiver = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            receiver.cancel()
            with pytest.raises(asyncio.CancelledError):
                await receiver
            assert len(got) < 1000
            while len(got) < 1000:
                got.append((await b.arecv()).data)
            return got

    assert run(main()) == [b"%d" % i for i in range(1000)]


def test_cancelled_waiters_among_others_lose_nothing(fabric):
    """Waits are begun and cancelled while messages come in; each arrives once."""
    count = 300

    async def main():
        with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:
            await asyncio.gather(a.apeer("b"), b.apeer("a"))
            got = []

            async def receive():
                while True:
                    got.append((await b.arecv()).data)

            steady = asyncio.ensure_future(receive())
            for i in range(count):
                fickle = asyncio.ensure_future(receive())
                await asyncio.sleep(0)
                await a.asend("b", b"%d" % i)
                if i % 2:
                    await asyncio.sleep(0)
                fickle.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await fickle
            while len(got) < count:
                await asyncio.sleep(0.001)
            steady.cancel()
            return got

    assert sorted(run(main())) == sorted(b"%d" % i for i in range(count))


@pytest.mark.parametrize("inside", [True, False])
def test_a_child_leaves_its_parents_loop_alone(fabric, inside):
    """What a forked child closes is not taken out of the loop that the parent runs."""

    def forks(q):
        child = os.fork()
        if child == 0:
            before = len(os.listdir("/proc/self/fd"))
            q.close()
            os._exit(len(os.listdir("/proc/self/fd")) - before + 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    async def begin(a, b):
        await asyncio.gather(a.apeer("b"), b.apeer("a"))
        waiter = asyncio.ensure_future(b.arecv())
        await asyncio.sleep(0.01)
        if inside:
            forks(b)
        return waiter

    loop = asyncio.new_event_loop()
    try:
        with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:
            waiter = loop.run_until_complete(begin(a, b))
            if not inside:
                forks(b)
            a.send("b", b"as before")
            message = loop.run_until_complete(asyncio.wait_for(waiter, PATIENCE))
            assert message.data == b"as before"
    finally:
        loop.close()


def test_a_loop_that_was_closed_is_no_hindrance(fabric):
    with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:
        loop = asyncio.new_event_loop()
        waiter = loop.create_task(b.arecv())
        loop.run_until_complete(asyncio.sleep(0))
        waiter.cancel()
        loop.run_until_complete(asyncio.gather(waiter, return_exceptions=True))
        loop.close()

        async def main():
            await asyncio.gather(a.apeer("b"), b.apeer("a"))
            await a.asend("b", b"x")
            assert (await b.arecv()).data == b"x"

        run(main())
