# SPDX-License-Identifier: BSD-2-Clause
"""Queues for KVM's guests: a VMM in Python, and a guest of five instructions."""

import ctypes
import fcntl
import mmap
import os
import struct

import pytest
from conftest import PATIENCE

import vmq

KVM_CREATE_VM = 0xAE01
KVM_GET_VCPU_MMAP_SIZE = 0xAE04
KVM_CREATE_VCPU = 0xAE41
KVM_SET_TSS_ADDR = 0xAE47
KVM_SET_USER_MEMORY_REGION = 0x4020AE46
KVM_CREATE_IRQCHIP = 0xAE60
KVM_RUN = 0xAE80
EXIT_IO, EXIT_SHUTDOWN = 2, 8

PORT, OTHER_PORT = 0x510, 0x80
RESET = 0xFFFFF000  # the page of the first instruction


def ability():
    """Why there can be no such VM here, or an empty string."""
    if os.uname().machine != "x86_64":
        return "the guest is x86's"
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"/dev/kvm cannot be opened: {error.strerror}"
    return ""


pytestmark = pytest.mark.skipif(bool(ability()), reason=ability())


class Machine:
    """A VM with one vCPU that runs `code` after its reset, in real mode."""

    def __init__(self, code):
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
        self.vm = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
        fcntl.ioctl(self.vm, KVM_SET_TSS_ADDR, 0x10000000)
        fcntl.ioctl(self.vm, KVM_CREATE_IRQCHIP, 0)
        self.memory = mmap.mmap(-1, 4096)
        self.memory[0xFF0 : 0xFF0 + len(code)] = code
        at = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        fcntl.ioctl(self.vm, KVM_SET_USER_MEMORY_REGION, struct.pack("IIQQQ", 0, 0, RESET, 4096, at))
        self.vcpu = fcntl.ioctl(self.vm, KVM_CREATE_VCPU, 0)
        self.run = mmap.mmap(self.vcpu, fcntl.ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0))
        os.close(kvm)

    def enter(self):
        """Run the guest until it leaves; why."""
        fcntl.ioctl(self.vcpu, KVM_RUN, 0)
        return struct.unpack_from("I", self.run, 8)[0]

    def close(self):
        self.run.close()
        os.close(self.vcpu)
        os.close(self.vm)


def out(port, value):
    """mov dx, port; mov eax, value; out dx, eax"""
    return b"\xba" + struct.pack("<H", port) + b"\x66\xb8" + struct.pack("<I", value) + b"\x66\xef"


@pytest.fixture
def machine():
    made = Machine(out(PORT, 0)[:-2] + b"\x66\xef\xeb\xfc")  # ... and again, for ever
    yield made
    made.close()


def given(vmm, machine, **changes):
    options = dict(
        memory_slot=1, window=0xC0000000, window_size=8 << 20, doorbell=PORT, gsi=5, vector=0x40,
        route=True,
    )
    options.update(changes)
    try:
        return vmm.add_kvm("guest", machine.vm, **options)
    except vmq.UnsupportedError as error:
        pytest.skip(f"no queues for KVM here: {error}")


def test_a_guest_rings_and_is_seen(machine):
    with vmq.Vmm() as vmm, vmm.open("host") as host:
        kvm = given(vmm, machine, exits=True)
        assert kvm.id and kvm.id != host.id and repr(kvm) == "<vmq.Kvm 'guest'>"
        assert kvm.lookup("host") and not kvm.lookup("nobody")
        for count in range(1, 4):
            assert machine.enter() == EXIT_IO
            assert kvm.exit(machine.run) is True
            told = kvm.kvm_stats
            assert (told.returns, told.doorbells, told.commands) == (count, count, 0)
        assert kvm.stats.peers == 1 and kvm.stats.exits_immediate == 3
        kvm.remove()
        kvm.remove()
        for use in (lambda: kvm.exit(machine.run), lambda: kvm.id, lambda: kvm.stats, kvm.halt,
                    lambda: kvm.kvm_stats, lambda: kvm.watch(1), lambda: kvm.lookup("host")):
            with pytest.raises(vmq.ClosedError):
                use()
        assert "removed" in repr(kvm)
        given(vmm, machine).remove()  # slot, doorbells and route were given back


def test_doorbells_stay_in_the_kernel(machine):
    """Without `exits` the same guest never leaves: it is entered with a signal waiting."""
    with vmq.Vmm() as vmm, vmm.open("host"):
        kvm = given(vmm, machine)
        machine.run[1] = 1  # immediate_exit
        with pytest.raises(InterruptedError):
            fcntl.ioctl(machine.vcpu, KVM_RUN, 0)
        assert kvm.exit(machine.run) in (True, False)
        assert kvm.kvm_stats.doorbells == 0
        kvm.remove()


def test_an_exit_that_is_the_vmms(machine):
    with vmq.Vmm() as vmm:
        kvm = given(vmm, machine, exits=True, doorbell=PORT + 8)
        assert machine.enter() == EXIT_IO
        assert kvm.exit(machine.run) is False
        assert kvm.stats.exits_natural[vmq.Exit.IO] == 1


def test_a_guest_that_shut_down_is_halted(machine):
    with vmq.Vmm() as vmm, vmm.open("host") as host:
        kvm = given(vmm, machine)
        host.peers()
        struct.pack_into("I", machine.run, 8, EXIT_SHUTDOWN)
        assert kvm.exit(machine.run) is False
        assert kvm.stats.peers == 0
        kvm.halt()
        with pytest.raises(vmq.ExistsError, match="'guest'"):
            vmm.add("guest", window=8 << 20)
        vmm.close()
        assert kvm.closed


def test_its_fault_is_told_and_may_raise(machine):
    """A write to where the window is read-only: the kernel leaves it to the VMM."""
    faults = []
    with vmq.Vmm() as vmm:
        kvm = given(vmm, machine, fault=lambda at, size: faults.append((at, size)))
        struct.pack_into("I", machine.run, 8, 6)  # KVM_EXIT_MMIO
        struct.pack_into("=Q8sIB", machine.run, 32, 0xC0000000, b"", 4, 1)
        assert kvm.exit(machine.run) is True
        assert faults == [(0xC0000000, 4)] and kvm.kvm_stats.faults == 1


def test_bad_arguments(machine):
    with vmq.Vmm() as vmm:
        kvm = given(vmm, machine)
        for run in (b"x" * 8192, bytearray(100), memoryview(bytearray(16))):
            with pytest.raises(vmq.InvalidError, match="mapping"):
                kvm.exit(run)
        with pytest.raises(TypeError):
            kvm.exit(None)
        kvm.remove()
        for change in ({"memory_slot": -1}, {"window": 1 << 64}, {"vector": 31}, {"window": 5},
                       {"gsi": 1 << 32}, {"uuid": b"1"}, {"bus": 3}, {"pool_pages": -1}):
            with pytest.raises(vmq.InvalidError):
                given(vmm, machine, **change)
        with pytest.raises(vmq.SystemCallError):
            given(vmm, machine, window=RESET, window_size=4096 * 700)
        with pytest.raises(vmq.InvalidError):
            vmm.add_kvm("guest", 0, memory_slot=1, window=0xC0000000, window_size=8 << 20,
                        doorbell=PORT, gsi=5, vector=0x40)
    with pytest.raises(vmq.ClosedError):
        given(vmm, machine)
    assert PATIENCE
