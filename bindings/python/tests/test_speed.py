# SPDX-License-Identifier: BSD-2-Clause
"""A million small messages from one process to another, and multiprocessing.Pipe beside them.

That all of them arrive, in order, is what is tested. The must is 5 times the pipe's speed, as
bench/python measures it on a quiet machine; this runs beside builds and other tests, so it
prints what it found, and fails only below FLOOR.
"""

import statistics
from typing import Iterator

import pytest

from benchmark import bench

FLOOR = 2
ROUNDS = 3
MILLION = 1000000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with bench.hub() as at:
        yield at


def test_a_million_small_messages(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    ratios = []
    for n in (MILLION, MILLION // 5, MILLION // 5):
        pipe = bench.race(bench.PIPE, address, n, 16) / n
        batch = bench.race(bench.BATCH, address, n, 16) / n
        ratios.append(pipe / batch)
    with capsys.disabled():
        each = ", ".join(f"{ratio:.1f}" for ratio in ratios)
        print(f"\nbatches are {statistics.median(ratios):.1f} times as fast as multiprocessing.Pipe "
              f"({each}; the first: a million messages)\n{bench.machine()}")
    assert statistics.median(ratios) > FLOOR


@pytest.mark.parametrize("size", [0, 1, 100, 3000, 70000])
def test_other_sizes_arrive_too(address: str, size: int) -> None:
    bench.race(bench.BATCH, address, 3000 if size < 70000 else 300, size)


def test_one_by_one(address: str) -> None:
    bench.race(bench.SINGLE, address, 20000, 16)


def test_a_message_lost_or_out_of_order_would_be_noticed() -> None:
    messages = bench.small_messages(1000, 16)
    sent = bench.digest(messages)
    assert bench.digest(messages[:-1]) != sent
    assert bench.digest(messages[1:2] + messages[0:1] + messages[2:]) != sent
    assert bench.digest(messages[:-1] + messages[:1]) != sent
