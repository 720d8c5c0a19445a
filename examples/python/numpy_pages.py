# SPDX-License-Identifier: BSD-2-Clause
"""numpy_pages.py - an array of 64 MiB goes from one VM to another; nobody copies it."""

import threading

import numpy

import vmq

SIZE = 64 << 20
POOL = SIZE // 4096


def consumer() -> None:
    with vmq.open("sim:numpy?name=consumer", pool_pages=POOL) as q:
        message = q.recv()
        assert message.page is not None
        array = numpy.frombuffer(message.page.view, dtype=numpy.float64)
        print(f"{message.data.decode()}: {array.nbytes >> 20} MiB, sum {array.sum():.0f}")
        del array  # while it looks at the pages they cannot be given back
        message.page.free()


other = threading.Thread(target=consumer)
other.start()
with vmq.open("sim:numpy?name=producer", pool_pages=POOL) as q:
    page = q.alloc("consumer", SIZE)
    array = numpy.frombuffer(page.view, dtype=numpy.float64)
    array[:] = 0.5
    del array
    q.send_page(page, b"half of everything")
    other.join()
    print(f"{q.stats.page_bytes_sent >> 20} MiB moved, {q.stats.sent_bytes} bytes copied")
