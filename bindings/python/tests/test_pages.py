# SPDX-License-Identifier: BSD-2-Clause
"""Pages: views without a copy, and what becomes of them. Nothing here may crash."""

import gc
import subprocess
import sys
import textwrap
import threading

import pytest
from conftest import PATIENCE

import vmq
from vmq import _memory


def given(a, b, data=b"page", mode=vmq.Mode.MOVE):
    """A page that b received from a, and what a still holds of it."""
    page = a.alloc("b", len(data))
    page.view[:] = data
    a.send_page(page, b"note", mode=mode)
    message = b.recv(PATIENCE)
    assert message.data == b"note"
    return page, message.page


def test_a_page_is_moved(pair):
    a, b = pair
    sent, page = given(a, b, b"x" * 5000)
    assert not sent and page
    assert len(page) == 5000 and page.mode == vmq.Mode.MOVE and page.peer == a.id
    assert page.view.tobytes() == b"x" * 5000
    assert (page.view.format, page.view.itemsize, page.view.readonly) == ("B", 1, False)
    for use in (lambda: sent.view, sent.free, lambda: len(sent), lambda: a.send_page(sent)):
        with pytest.raises(vmq.StaleError):
            use()
    page.free()
    assert a.stats.page_bytes_sent == 5000


def test_after_free_there_is_an_exception(pair):
    a, b = pair
    _, page = given(a, b)
    view = page.view
    page.free()
    with pytest.raises(ValueError):
        view[0]
    for use in (lambda: page.view, page.free, lambda: memoryview(page)):
        with pytest.raises((vmq.StaleError, TypeError)):
            use()
    assert not page and "not ours" in repr(page)


def test_after_close_there_is_an_exception(pair):
    a, b = pair
    _, page = given(a, b)
    mine = a.alloc("b", 10)
    view = page.view
    a.close()
    b.close()
    with pytest.raises(ValueError):
        view[0]
    for use in (lambda: page.view, page.free, lambda: mine.view, mine.free):
        with pytest.raises(vmq.ClosedError):
            use()


def test_a_move_revokes_views(pair):
    a, _ = pair
    page = a.alloc("b", 100)
    view = page.view
    a.send_page(page)
    with pytest.raises(ValueError):
        view[0] = 1


@pytest.mark.parametrize(
    "derive", [lambda v: v[1:3], lambda v: v.cast("H"), memoryview, lambda v: v.obj]
)
def test_while_a_view_is_exported_the_page_stays(pair, derive):
    a, b = pair
    _, page = given(a, b)
    kept = derive(page.view)
    with pytest.raises(BufferError):
        page.free()
    with pytest.raises(vmq.ExportedError, match="in use"):
        b.send_page(page)
    assert page and bytes(kept)
    del kept
    page.free()


def test_garbage_is_no_hindrance(pair):
    """A slice, and a view itself, that only a cycle still holds."""
    a, b = pair
    for derive in (lambda v: v[1:3], memoryview):
        _, page = given(a, b)
        cycle = [derive(page.view)]
        cycle.append(cycle)
        del cycle
        page.free()
        _, page = given(a, b)
        view = page.view
        cycle = [derive(view)]
        cycle.append(cycle)
        del cycle, view
        b.send_page(page)


def test_a_view_outlives_its_queue(pair):
    """The slice goes on being readable; the endpoint leaves with it."""
    a, b = pair
    _, page = given(a, b, b"0123456789")
    part = page.view[2:5]
    with pytest.warns(ResourceWarning, match="in use"):
        b.close()
    assert bytes(part) == b"234"
    with pytest.raises(vmq.ClosedError):
        page.view
    with pytest.raises(vmq.AgainError):
        a.event(0)
    del part
    assert a.event(PATIENCE).type == vmq.EventType.LEAVE


def test_views_outlive_everything(fabric):
    def make():
        a, b = vmq.open(f"{fabric}?name=a"), vmq.open(f"{fabric}?name=b")
        for q in (a, b) * 200:
            q.peers()
        page = a.alloc("b", 8)
        page.view[:] = b"abcdefgh"
        return page.view[4:]

    part = make()
    gc.collect()
    assert bytes(part) == b"efgh"
    part.release()
    vmq.open(f"{fabric}?name=a").close()


def test_lent_pages_are_read_only(pair):
    a, b = pair
    sent, page = given(a, b, b"lent", vmq.Mode.LEND)
    assert page.view.readonly and page.mode == vmq.Mode.LEND
    with pytest.raises(TypeError):
        page.view[0] = 1
    sent.view[0:1] = b"L"
    assert bytes(page.view) == b"Lent"
    page.free()
    sent.free()


def test_shared_pages_are_written_by_both(pair):
    a, b = pair
    sent, page = given(a, b, b"....", vmq.Mode.SHARE)
    sent.view[0:1], page.view[1:2] = b"a", b"b"
    assert bytes(sent.view) == bytes(page.view) == b"ab.."
    page.free()
    sent.free()


def test_pages_come_back(fabric):
    """Freed, left with a with-statement, or just forgotten."""
    with vmq.open(f"{fabric}?name=a", pool_pages=4) as a, vmq.open(
        f"{fabric}?name=b", pool_pages=4
    ) as b:
        for _ in range(400):
            a.peers(), b.peers()
        for how in (lambda p: p.free(), lambda p: p.__enter__().__exit__(), lambda p: None) * 3:
            pages = [a.alloc("b", 4096, timeout=0) for _ in range(4)]
            with pytest.raises(vmq.NoMemoryError):
                a.alloc("b", 1, timeout=0)
            for page in pages:
                how(page)
            del page, pages
        with pytest.raises(vmq.SizeError):
            a.alloc("b", 5 * 4096)
        with pytest.raises(vmq.TimedOutError):
            held = a.alloc("b", 4 * 4096)
            a.alloc("b", 1, timeout=0.15)
        held.free()


def test_forgotten_messages_return_their_pages(fabric):
    with vmq.open(f"{fabric}?name=a", pool_pages=2) as a, vmq.open(
        f"{fabric}?name=b", pool_pages=2
    ) as b:
        for _ in range(400):
            a.peers(), b.peers()
        for _ in range(10):
            page = a.alloc("b", 4096, timeout=PATIENCE)
            a.send_page(page)
            assert len(b.recv(PATIENCE).page) == 4096


def test_a_batch_with_pages(pair):
    a, b = pair
    a.send("b", b"plain")
    page = a.alloc("b", 3)
    page.view[:] = b"abc"
    a.send_page(page, b"with")
    got = []
    while len(got) < 2:
        got += b.recv_batch(timeout=PATIENCE)
    assert [m.data for m in got] == [b"plain", b"with"]
    assert got[0].page is None and bytes(got[1].page.view) == b"abc"


def test_bad_arguments(pair):
    a, _ = pair
    page = a.alloc("b", 10)
    for size in (0, -1, 11):
        with pytest.raises(vmq.InvalidError):
            a.send_page(page, size=size)
    for size in (0, -5):
        with pytest.raises(vmq.InvalidError):
            a.alloc("b", size)
    assert len(page) == 10
    a.send_page(page, size=4)


def test_no_pool(fabric):
    with vmq.open(f"{fabric}?name=a", pool_pages=0) as a, vmq.open(
        f"{fabric}?name=b", pool_pages=0
    ) as b:
        for _ in range(400):
            a.peers(), b.peers()
        with pytest.raises(vmq.UnsupportedError):
            a.alloc("b", 1)


def test_numpy_without_a_copy(pair):
    numpy = pytest.importorskip("numpy")
    a, b = pair
    page = a.alloc("b", 80)
    mine = numpy.frombuffer(page.view, dtype=numpy.float64)
    mine[:] = range(10)
    with pytest.raises(vmq.ExportedError):
        a.send_page(page)
    del mine
    a.send_page(page)
    page = b.recv(PATIENCE).page
    theirs = numpy.frombuffer(page.view, dtype=numpy.float64)
    assert theirs.tolist() == list(range(10)) and not theirs.flags.owndata
    also = numpy.asarray(page).view(numpy.float64)
    assert numpy.shares_memory(also, theirs)
    with pytest.warns(ResourceWarning):
        b.close()
    assert theirs.sum() == also.sum() == 45
    if sys.version_info >= (3, 12):
        other = a.alloc("b", 8)
        assert numpy.frombuffer(other, numpy.uint8).size == 8


def test_threads_that_look_while_another_frees(pair, restless):
    """Whoever gets a view gets one of pages that are ours; else an exception."""
    a, b = pair
    stop, wrong = threading.Event(), []
    current = [a.alloc("b", 4096)]

    def look():
        while not stop.is_set():
            try:
                part = current[0].view[1:3]
                page = current[0]
                if bytes(part) and not page:
                    wrong.append(page)  # freed, and its view goes on
                part.release()
            except (vmq.StaleError, ValueError):
                pass

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    freed = 0
    while freed < 300:
        try:
            current[0].free() if freed % 2 else a.send_page(current[0])
        except vmq.ExportedError:
            continue
        freed += 1
        b.recv(PATIENCE).page.free() if freed % 2 else None
        current[0] = a.alloc("b", 4096, timeout=PATIENCE)
    stop.set()
    for looker in lookers:
        looker.join(PATIENCE)
    assert not wrong


def test_a_view_that_is_being_made_while_another_frees(pair, monkeypatch):
    """It is revoked, or not made any more."""
    a, _ = pair
    page = a.alloc("b", 10)
    making, go, views = threading.Event(), threading.Event(), []
    before = _memory._over

    def slowly(*args):
        making.set()
        go.wait(PATIENCE)
        return before(*args)

    monkeypatch.setattr(_memory, "_over", slowly)
    maker = threading.Thread(target=lambda: views.append(page.view))
    maker.start()
    assert making.wait(PATIENCE)
    freer = threading.Thread(target=page.free)
    freer.start()
    freer.join(0.2)  # it would be done by now, if it did not wait for the view
    go.set()
    maker.join(PATIENCE)
    freer.join(PATIENCE)
    assert not page
    with pytest.raises(ValueError):
        views[0][0]


def test_a_move_that_fails_leaves_the_page(pair):
    a, b = pair
    with pytest.raises(vmq.AgainError):
        while True:
            a.send("b", bytes(4000), timeout=0)
    page = a.alloc("b", 10)
    page.view[:] = b"0123456789"
    for timeout in (0, 0.01):
        with pytest.raises((vmq.AgainError, vmq.TimedOutError)):
            a.send_page(page, bytes(5000), timeout=timeout)
        assert page and bytes(page.view) == b"0123456789"
    with pytest.raises(vmq.InvalidError):
        a.send_page(page, when=99)
    with pytest.raises(TypeError):
        a.send_page(page, "text")
    assert bytes(page.view) == b"0123456789"
    page.free()


def test_nothing_crashes_at_the_end():
    """Queues, pages and views that are alive when the interpreter ends."""
    program = """
        import threading, vmq
        a, b = vmq.open("sim:x?name=a"), vmq.open("sim:x?name=b")
        for _ in range(400):
            a.peers(), b.peers()
        page = a.alloc("b", 10)
        view, part = page.view, page.view[1:]
        vmm = vmq.Vmm()
        vm = vmm.add("v", window=16 << 20)
        host = vmm.open("host")
        room = a.reserve("b", 10).__enter__()
        part2 = room.view[1:]
        class Cycle: pass
        c = Cycle(); c.me, c.things = c, [a, page, vmm, room]
        def wait():
            try:
                host.recv()
            except vmq.Error:
                pass
        for _ in range(3):
            threading.Thread(target=wait, daemon=True).start()
        print("ok")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"ok\n", b"")
