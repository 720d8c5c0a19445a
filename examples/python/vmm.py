# SPDX-License-Identifier: BSD-2-Clause
"""vmm.py - a VMM over the simulation: its VMs are processes, and it counts their exits."""

import multiprocessing
import os
import tempfile

import vmq


def guest(path: str, name: str, peer: str) -> None:
    with vmq.open(f"sim:unix={path}?name={name}") as q:
        q.send(peer, f"greetings from {name}".encode(), when=vmq.When.LAZY)
        print(q.recv(timeout=10).data.decode() + "\n", end="", flush=True)


if __name__ == "__main__":
    path = os.path.join(tempfile.mkdtemp(), "hub")
    with vmq.Hub(path) as hub:
        vms = [multiprocessing.Process(target=guest, args=(path, *p)) for p in ("ab", "ba")]
        for vm in vms:
            vm.start()
        while any(vm.is_alive() for vm in vms):
            hub.run(0.1)  # serves, and drains what was sent lazily at each timer exit
        for name in hub.vms():
            print(name, hub.stats(name).exits_natural[vmq.Exit.TIMER], "timer exits")
    os.rmdir(os.path.dirname(path))
