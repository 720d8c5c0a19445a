# SPDX-License-Identifier: BSD-2-Clause
"""What the tests share: a fabric of their own, endpoints that know each other, patience."""

import faulthandler
import itertools
import os
import sys
import time

import pytest

import vmq

PATIENCE = float(os.environ.get("VMQ_TEST_PATIENCE", "30"))
faulthandler.enable()
_numbers = itertools.count()


def until(condition, what="a condition"):
    """Wait until it holds; the result."""
    end = time.monotonic() + PATIENCE
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.001)


def acquainted(*queues):
    """Let endpoints of one thread meet: each has to look for the others' greetings."""

    def all_there():
        return all([len(q.peers()) >= len(queues) - 1 for q in queues])

    until(all_there, "peers")
    for q in queues:
        while True:
            try:
                q.event(0)
            except vmq.AgainError:
                break


@pytest.fixture
def fabric():
    """The name of an in-process fabric that nobody else uses."""
    return f"sim:t{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def pair(fabric):
    """Two endpoints, a and b."""
    with vmq.open(f"{fabric}?name=a") as a, vmq.open(f"{fabric}?name=b") as b:
        acquainted(a, b)
        yield a, b


@pytest.fixture
def restless():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def hub(tmp_path):
    """A hub that serves, and its socket's path."""
    with vmq.Hub(str(tmp_path / "hub")) as served:
        served.path = str(tmp_path / "hub")
        served.start()
        yield served
