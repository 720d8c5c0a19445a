# SPDX-License-Identifier: BSD-2-Clause
"""The VMM side, and the hub."""

import contextlib
import gc
import os
import signal
import sys
import threading
import time

import pytest
from conftest import PATIENCE, acquainted, until

import vmq


@contextlib.contextmanager
def unraisables():
    """What goes to sys.unraisablehook."""
    seen, before = [], sys.unraisablehook
    sys.unraisablehook = lambda told: seen.append(told.exc_value)
    try:
        yield seen
    finally:
        sys.unraisablehook = before


def test_vms_that_are_threads():
    with vmq.Vmm() as vmm, vmm.open("a") as a, vmm.open("b") as b:
        acquainted(a, b)
        a.send("b", b"over the VMM")
        assert b.recv(PATIENCE).data == b"over the VMM"
        assert a.id != b.id


def test_who_may_talk_to_whom():
    with vmq.Vmm(closed=True, first_id=7) as vmm, vmm.open("a") as a, vmm.open("b") as b:
        assert a.id == 7
        with pytest.raises(vmq.RefusedError):
            a.peer("b", 1)
        vmm.allow("a", "b")
        acquainted(a, b)
        vmm.refuse("a", "b")
        with pytest.raises((vmq.RefusedError, vmq.GoneError)):
            a.recv(PATIENCE)
        assert a.event(PATIENCE).type == vmq.EventType.LEAVE
        with pytest.raises(vmq.RefusedError):
            a.peer("b", 1)


class Other:
    """A second bare VM, to ring the first."""

    def __init__(self, vmm):
        self.vm = vmm.add("other", window=8 << 20)
        self.close = self.vm.remove


def test_a_bare_vm_sees_its_channel_and_its_doorbell():
    kicks, news = [], []
    with vmq.Vmm() as vmm:
        vm = vmm.add(
            "guest",
            window=8 << 20,
            kick=kicks.append,
            attach=lambda channel: news.append(("attach", channel.peer_name)),
            leave=lambda channel, reason: news.append(("leave", channel.peer_name, reason)),
        )
        with vmm.open("host") as host:
            (channel,) = vm.channels
            assert (channel.peer, channel.id, channel.offset) == (host.id, vm.id, 0)
            assert vm.window[:8] == b"\x89VMQ\r\n\x1a\n"
            assert channel.region_size == os.fstat(channel.fd).st_size
            assert vm.lookup("host") and not vm.lookup("nobody")
            vm.doorbell(host.id)
            vm.exit(vmq.Exit.IO)
            vm.bypass(channel)
            assert vm.pages(channel) == 0
            stats = vm.stats
            assert (stats.exits_immediate, stats.exits_natural[vmq.Exit.IO]) == (1, 1)
            assert stats.peers == 1
        with contextlib.closing(Other(vmm)) as other:
            kicks.clear()
            other.vm.doorbell(vm.id)
            assert kicks == [vmq.Kick.DATA]
            other.vm.bypass(other.vm.channels[0], vmq.Kick.SPACE)
            assert kicks == [vmq.Kick.DATA, vmq.Kick.SPACE]
        assert news[:2] == [("attach", "host"), ("leave", "host", vmq.GoneError.code)]
        for left in vm.channels:
            vm.detach(left)
        assert vm.channels == [] and vm.window[:8] == bytes(8)
        for again in (lambda: vm.detach(channel), lambda: vm.pages(channel)):
            with pytest.raises(vmq.InvalidError):
                again()
        vm.remove()
        vm.remove()
        with pytest.raises(vmq.ClosedError):
            vm.exit()
    with pytest.raises(vmq.ClosedError):
        vmm.add("late")


def test_channels_end_with_their_vm():
    with vmq.Vmm() as vmm:
        vm, other = vmm.add("vm", window=8 << 20), vmm.add("other", window=8 << 20)
        (channel,) = vm.channels
        vm.halt()
        assert vm.channels == []
        with pytest.raises(vmq.InvalidError):
            vm.detach(channel)
        other.remove()
        with pytest.raises(vmq.ExistsError, match="'vm'"):
            vmm.add("vm", window=8 << 20)


def test_a_vm_that_does_not_answer_is_halted():
    with vmq.Vmm() as vmm:
        vm, _ = vmm.add("vm", window=8 << 20), vmm.add("other", window=8 << 20)

        def dead():
            try:
                vm.watch(0.01)
            except vmq.GoneError:
                return True

        until(dead, "the watch")
        assert vm.channels == []


@pytest.mark.parametrize("raises", [ValueError("mine"), KeyboardInterrupt(), vmq.BusyError("x")])
def test_a_callback_that_raises(raises):
    """It is told of; the library gets a code, and goes on."""

    def refuse(*args):
        raise raises

    code = raises.code if isinstance(raises, vmq.Error) else vmq.SystemCallError.code
    with vmq.Vmm() as vmm, unraisables() as seen:
        vm = vmm.add("vm", window=8 << 20, kick=refuse, leave=refuse)
        other = vmm.add("other", window=8 << 20)
        other.doorbell(vm.id)
        other.remove()
        assert len(seen) >= 2 and all(told is raises for told in seen)  # of kick and leave
        seen.clear()
        with pytest.raises(vmq.ERRORS[code]):
            vmm.add("third", window=8 << 20, attach=refuse)
        assert raises in seen
        for channel in vm.channels:
            vm.detach(channel)
        with vmm.open("a") as a, vmm.open("b") as b:
            until(lambda: all(["b" in a.peers().values(), "a" in b.peers().values()]))
            a.send("b", b"still works")
            assert b.recv(PATIENCE).data == b"still works"


def test_attach_may_refuse():
    with vmq.Vmm() as vmm:
        vmm.add("first", window=8 << 20)
        with pytest.raises(vmq.RefusedError):
            vmm.add("second", window=8 << 20, attach=lambda channel: False)


def test_a_callback_that_calls_back_gets_an_exception():
    with vmq.Vmm() as vmm, unraisables() as seen:
        vm = vmm.add("vm", window=8 << 20, kick=lambda what: vmm.allow("x", "y"))
        other = vmm.add("other", window=8 << 20, leave=lambda channel, why: other.exit())
        other.doorbell(vm.id)
        vm.remove()
        assert [type(e) for e in seen] == [vmq.BusyError, vmq.BusyError]


def test_a_queue_that_ends_inside_of_a_callback():
    """The lock that closing takes is the one that callbacks run under."""
    with vmq.Vmm() as vmm:
        queues = [vmm.open("q")]

        def drop(channel):
            if channel.peer_name == "other":
                queues.clear()
                gc.collect()

        vm = vmm.add("vm", window=8 << 20, attach=drop)
        vmm.add("other", window=8 << 20)
        assert not queues
        until(lambda: "q" not in [c.peer_name for c in vm.channels] or vm.stats.peers == 1)


def test_the_end_in_any_order():
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)):
        vmm = vmq.Vmm()
        things = [vmm, vmm.add("vm", window=8 << 20), vmm.open("host")]
        things[1].cycle = things
        ends = [vmm.close, things[1].remove, things[2].close]
        for i in order:
            ends[i]()
    for _ in range(5):
        vmm = vmq.Vmm()
        things = [vmm, vmm.add("vm", window=8 << 20), vmm.add("wm", window=8 << 20), vmm.open("h")]
        things[1].cycle = things
        del vmm, things
        gc.collect()


def test_bad_arguments():
    with vmq.Vmm() as vmm:
        with pytest.raises(vmq.InvalidError):
            vmm.add("a/b", window=8 << 20)
        with pytest.raises(vmq.InvalidError, match="UUID"):
            vmm.add("a", window=8 << 20, uuid=b"short")
        with pytest.raises(vmq.InvalidError, match="NUL"):
            vmm.open("a\0b")
        vmm.add("a", window=8 << 20)
        with pytest.raises(vmq.SizeError, match="'b'"):
            vmm.add("b", window=8192)
    with pytest.raises(vmq.InvalidError):
        vmq.Vmm(first_id=1 << 30)


def test_a_hub_counts_and_kills(hub):
    child = os.fork()
    if child == 0:
        try:
            vmq.open(f"sim:unix={hub.path}?name=victim").recv(PATIENCE)
        finally:
            os._exit(0)
    with vmq.open(f"sim:unix={hub.path}?name=a") as a:
        a.peer("victim", PATIENCE)
        assert hub.vms() == {"a": True, "victim": True}
        until(lambda: sum(hub.stats("victim").exits_natural), "a tick")
        hub.kill("victim")
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        until(lambda: hub.vms()["victim"] is False, "the VM to be gone")
        stats = hub.stats("victim")
        assert len(stats.exits_natural) == 4 and stats.exits_natural[vmq.Exit.TIMER] > 0
        for missing in (lambda: hub.stats("nobody"), lambda: hub.kill("nobody")):
            with pytest.raises(vmq.NotFoundError, match="nobody"):
                missing()


def test_a_hub_says_what_happens(tmp_path):
    lines = []

    def log(line):
        lines.append(line)
        raise RuntimeError(line)

    path = str(tmp_path / "hub")
    with unraisables() as seen, vmq.Hub(path, log=log) as hub:
        thread = hub.start()
        with pytest.raises(vmq.BusyError):
            until(lambda: hub.run(0))
        with pytest.raises(vmq.ExistsError):
            vmq.Hub(path)
        with vmq.open(f"sim:unix={path}?name=talker"):
            until(lambda: any("talker" in line for line in lines), "a line")
        hub.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        assert hub.run(0) in (True, False) and hub.run(0.01) is False
    assert not os.path.exists(path)
    assert [str(e) for e in seen] == lines


def test_the_fabric_goes_with_its_hub(tmp_path):
    path = str(tmp_path / "hub")
    hub = vmq.Hub(path)
    thread = hub.start()
    with vmq.open(f"sim:unix={path}?name=a") as a:
        hub.close()
        thread.join(PATIENCE)
        assert not thread.is_alive() and hub.closed
        with pytest.raises(vmq.FabricError):
            a.recv(PATIENCE)
    with pytest.raises(vmq.ClosedError):
        hub.vms()
    with pytest.raises(vmq.FabricError, match="hub"):
        vmq.open(f"sim:unix={path}?name=a")


def test_an_interrupt_ends_a_hubs_run(tmp_path):
    with vmq.Hub(str(tmp_path / "hub")) as hub:
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            hub.run()
        assert time.monotonic() - start < PATIENCE
        timer.join()


def test_a_callback_cannot_close_what_it_runs_under():
    with vmq.Vmm() as vmm, unraisables() as seen:
        bridge = vmm.bridge()
        calls = [vmm.close, bridge.close]
        vm = vmm.add("vm", window=8 << 20, kick=lambda what: calls.pop(0)())
        other = vmm.add("other", window=8 << 20)
        other.doorbell(vm.id)
        assert [type(e) for e in seen] == [vmq.BusyError]
        assert not vmm.closed and not bridge.closed
        other.doorbell(vm.id)
        assert bridge.closed  # soon
        until(lambda: bridge_ended(vmm), "the bridge to end")
        vm.remove()


def bridge_ended(vmm):
    try:
        vmm.bridge().close()
        return True
    except vmq.BusyError:
        return False
