# SPDX-License-Identifier: BSD-2-Clause
"""VMMs that are joined by bridges."""

import contextlib
import gc
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from conftest import PATIENCE, acquainted, until

import vmq


@contextlib.contextmanager
def served(vmm, path=None, **options):
    """A bridge that a thread serves, and which is retried at once."""
    with vmm.bridge(path, retry=0.001, **options) as bridge:
        bridge.start()
        yield bridge


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "bridge")


@pytest.fixture
def vmms():
    """Two VMMs with ids that don't meet."""
    with vmq.Vmm() as one, vmq.Vmm(first_id=100) as two:
        yield one, two


def test_vms_of_two_vmms_talk(vmms, path):
    one, two = vmms
    with served(one, path), served(two) as dials:
        dials.connect(path)
        with one.open("a") as a, two.open("b") as b:
            acquainted(a, b)
            a.send("b", b"over the bridge")
            assert b.recv(PATIENCE).data == b"over the bridge"
            b.send(a.id, b"and back")
            assert a.recv(PATIENCE).data == b"and back"
            assert b.id >= 100


def test_who_dials_first_waits(vmms, path):
    one, two = vmms
    with served(two) as dials, two.open("b") as b:
        dials.connect(path)
        with served(one, path), one.open("a") as a:
            acquainted(a, b)
        left = b.event(PATIENCE)
        assert (left.type, left.name) == (vmq.EventType.LEAVE, "a")


def test_an_event_loop_serves_both(vmms, path):
    one, two = vmms
    with one.bridge(path) as listens, two.bridge(retry=0.001) as dials:
        dials.connect(path)
        with one.open("a") as a, two.open("b") as b:

            def met():
                for bridge in select.select([listens, dials], [], [], 0.01)[0]:
                    assert bridge.run(0) is False
                return all([a.peers(), b.peers()])

            until(met, "each other")
        assert listens.fileno() == listens.fd >= 0


def test_a_bare_vm_with_doorbells_has_far_peers(vmms, path):
    one, two = vmms
    bells = [os.eventfd(0) if hasattr(os, "eventfd") else None]
    if bells == [None]:
        pytest.skip("Python has no os.eventfd()")
    try:
        with served(one, path), served(two) as dials, two.open("far") as far:
            vm = one.add("bare", window=8 << 20, doorbell=(bells[0], bells[0]))
            mute = one.add("mute", window=8 << 20)
            dials.connect(path)
            until(lambda: any(c.peer_name == "far" for c in vm.channels), "the far peer")
            (channel,) = [c for c in vm.channels if c.peer_name == "far"]
            assert channel.peer == far.id
            assert "far" not in [c.peer_name for c in mute.channels]
            mute.doorbell(vm.id)  # there is no kick(): the eventfd is written
            assert os.eventfd_read(bells[0]) >= 1
            vm.remove()
    finally:
        os.close(bells[0])


def test_what_happens_is_told_and_may_be_asked_about(vmms, path):
    one, two = vmms
    lines = []

    def log(line):
        lines.append((line, one.closed, listens.closed or listens.fd))

    with one.bridge(path, log=log) as listens, served(two) as dials:
        dials.connect(path)
        listens.start()
        until(lambda: lines, "a line")
    assert "\n" not in lines[0][0]


def test_one_bridge_at_a_time(vmms, path):
    one, two = vmms
    with one.bridge(path) as bridge:
        with pytest.raises(vmq.BusyError):
            one.bridge()
        with pytest.raises(vmq.ExistsError, match="bridge"):
            two.bridge(path)
        assert path in repr(bridge)
    assert "closed" in repr(bridge) and not os.path.exists(path)
    for use in (bridge.run, bridge.start, bridge.__enter__, bridge.fileno, lambda: bridge.connect("x")):
        with pytest.raises(vmq.ClosedError):
            use()
    bridge.close()
    bridge.stop()
    one.bridge().close()


def test_bad_arguments(vmms):
    one, _ = vmms
    for retry in (0, -1, float("nan")):
        with pytest.raises(vmq.InvalidError):
            one.bridge(retry=retry)
    with pytest.raises(vmq.InvalidError, match="socket's path"):
        one.bridge("x" * 200)
    with one.bridge() as bridge:
        with pytest.raises(vmq.InvalidError, match="xxx"):
            bridge.connect("x" * 200)
        assert bridge.run(0) is False
        assert bridge.run(0.01) is False
    with pytest.raises(vmq.SystemCallError):
        one.bridge("/nonexistent/bridge")


def test_run_is_for_one_thread_and_can_be_stopped(vmms):
    one, _ = vmms
    with one.bridge() as bridge:
        thread = bridge.start()
        with pytest.raises(vmq.BusyError, match="bridge"):
            until(lambda: bridge.run(0))
        bridge.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        thread = bridge.start()
        bridge.close()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.mark.parametrize("how", ["close", "forget"])
def test_the_end_in_any_order(path, how):
    vmm, other = vmq.Vmm(), vmq.Vmm(first_id=100)
    bridge, dials = vmm.bridge(path), other.bridge(retry=0.001)
    dials.connect(path)
    threads = [bridge.start(), dials.start()]
    a, b = vmm.open("a"), other.open("b")
    acquainted(a, b)
    if how == "close":
        for thing in (vmm, other, a, b, dials, bridge):
            thing.close()
    else:
        bridge.stop()
        dials.stop()
        for thread in threads:
            thread.join(PATIENCE)
        bridge.cycle = [vmm, other, a, b, dials, bridge]
        del vmm, other, a, b, dials, bridge, thread
        gc.collect()
    for thread in threads:
        thread.join(PATIENCE)
    assert not os.path.exists(path)


def test_a_bridge_holds_its_vmm(path):
    vmm = vmq.Vmm()
    bridge, codes = vmm.bridge(path), []
    end = vmm._h.end
    vmm._h.end = lambda pointer: codes.append(end(pointer))
    del vmm
    gc.collect()
    assert codes == [] and bridge.run(0) is False
    bridge.close()
    assert codes == [0]


def test_an_interrupt_ends_its_run(vmms):
    one, _ = vmms
    with one.bridge() as bridge:
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            bridge.run()
        timer.join()


def test_sockets_are_removed_at_the_end_of_the_program(tmp_path):
    program = """
        import os, sys, vmq
        os.chdir(sys.argv[1])
        hub, vmm = vmq.Hub("hub"), vmq.Vmm()
        hub.start()
        bridge = vmm.bridge("bridge")
        bridge.start()
        print(sorted(os.listdir(".")))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"['bridge', 'hub']\n", b"")
    assert os.listdir(str(tmp_path)) == []
