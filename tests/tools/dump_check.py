# SPDX-License-Identifier: BSD-2-Clause
"""dump_check.py - what `vmq dump --json` says of a region.

vectors VECTORS REGION:  make a region of the golden vectors
golden FILE:             FILE is what was said of that, as tests/vectors/README.md has it
slots VECTORS REGION:    make an ivshmem region of them
directory FILE:          FILE is what was said of that
poison REGION NAME:      spoil the record that NAME's peer reads next, in a live region"""
import json
import mmap
import os
import struct
import sys

PAGE = 4096


def piece(folder, name):
    with open(os.path.join(folder, name), encoding="ascii") as file:
        for line in file:
            if line.startswith("size "):
                data = bytearray(int(line.split()[1]))
            elif not line.startswith("#"):
                at, numbers = line.split(":")
                some = bytes.fromhex(numbers)
                data[int(at, 16):int(at, 16) + len(some)] = some
    return data


def region(size, path, **pieces):
    data = bytearray(size)
    for at, one in pieces.items():
        at = int(at[1:], 16)
        data[at:at + len(one)] = one
    with open(path, "wb") as file:
        file.write(data)


def vectors(folder, path):
    region(0x9000, path, x0=piece(folder, "header.hex"), x1000=piece(folder, "control.hex"),
           x3000=piece(folder, "lane.hex"))


def slots(folder, path):
    region(256 << 10, path, x0=piece(folder, "directory.hex"), x1000=piece(folder, "slots.hex"))


def has(got, **wanted):
    for key, value in wanted.items():
        assert got[key] == value, f"{key} is {got[key]!r} and not {value!r}, in {got}"


def golden(path):
    with open(path, encoding="utf-8") as file:
        d = json.load(file)
    has(d, kind="channel", wrong=[], offset=0)
    has(d["header"], major=1, minor=0, region_size=0x9000, features_offered=1, features_required=0)
    has(d["header"]["parts"]["lane1"], offset=0x4000, size=4096)
    has(d["header"]["parts"]["pool1"], offset=0x7000, size=8192)
    uuid = ["10111213-1415-1617-1819-1a1b1c1d1e1f", "90919293-9495-9697-9899-9a9b9c9d9e9f"]
    has(d["ends"][0], name="alpha", id=0x11223344, uuid=uuid[0], state="established", epoch=0x01020304,
        peer_epoch=0x0a0b0c0d, start=0xfffffd00, prod=0x200, cons=0xfffffd80, max_msg=0x100000, sent=7,
        sent_bytes=586, received=0, kicks=7, heartbeat=1, page_seq=1, poison=None, gone=False)
    has(d["ends"][0]["arm"], state="armed", index=0xfffffd80)
    has(d["ends"][0]["space_arm"], state="armed", index=0xfffffa00)
    has(d["ends"][1], name="b\u00eata", id=0x55667788, uuid=uuid[1], state="none", epoch=0)
    lane = d["lanes"][0]
    has(lane, size=4096, depth=0x500, in_flight=9, old=0,
        kinds={"pad": 1, "hello": 1, "message": 6, "page": 1})
    table = [(0xd00, 0xfffffd00, "hello", 128), (0xd80, 0xfffffd80, "message", 64),
             (0xdc0, 0xfffffdc0, "message", 64), (0xe00, 0xfffffe00, "message", 16),
             (0xe10, 0xfffffe10, "message", 24), (0xe28, 0xfffffe28, "message", 88),
             (0xe80, 0xfffffe80, "page", 64), (0xec0, 0xfffffec0, "pad", 320), (0, 0, "message", 512)]
    for record, (offset, index, kind, span) in zip(lane["records"], table):
        has(record, offset=offset, index=index, kind=kind, span=span, flags=0, old=False)
    assert [r["len"] for r in lane["records"]] == [112, 0, 11, 5, 16, 24, 30, 0, 500]
    # Byte i of message n is (n * 16 + i) % 256.
    for n, at in (2, 2), (3, 3), (4, 4), (5, 5), (6, 8):
        shown = bytes.fromhex(lane["records"][at]["bytes"])
        assert shown == bytes((n * 16 + i) % 256 for i in range(min(16, lane["records"][at]["len"])))
    has(d["lanes"][1], depth=0, in_flight=0, records=[])
    has(d["pools"][0], pages=2, said={"lend": 2})
    has(d["pools"][1], pages=2, said={})
    generation = 0x0f110002  # as the descriptor in the lane has it
    assert d["page_words"] == [{"page": n, "sides": [{"op": "lend", "generation": generation},
                                                    {"op": "none", "generation": 0}]} for n in (0, 1)]


def directory(path):
    with open(path, encoding="utf-8") as file:
        d = json.load(file)
    has(d, kind="ivshmem", region_size=256 << 10, beat_ms=100, dead_ms=2000, wrong=[], offers=[])
    assert len(d["slots"]) == 4
    has(d["slots"][0], place=1, name="alpha", state="live", doorbell=5, vectors=3, lane_size=4096, pool_pages=2,
        rung=[False, False, True], uuid="10111213-1415-1617-1819-1a1b1c1d1e1f")
    has(d["slots"][1], place=2, name="b\u00eata", state="live", doorbell=0xffffffff, lane_size=8192, pool_pages=0)
    assert d["slots"][1]["claim"] == 0x9e3779b1 * 2 % 2**32 and d["slots"][1]["gone"] == 0x9e3779b1
    has(d["slots"][2], state="free", claim=0)


def poison(path, name):
    with mmap.mmap(os.open(path, os.O_RDWR), 0) as m:
        names = [m[0xc0 + 64 * s + 20:][:44].split(b"\0")[0].decode() for s in (0, 1)]
        side = names.index(name)
        ctl, size = struct.unpack_from("<QQ", m, 48 + 16 * (1 - side))
        lane, size = struct.unpack_from("<QQ", m, 48 + 16 * (2 + side))
        cons, = struct.unpack_from("<I", m, ctl + 0x100)
        struct.pack_into("<I", m, lane + cons % size, 0xffffffff)


if __name__ == "__main__":
    {f.__name__: f for f in (vectors, golden, slots, directory, poison)}[sys.argv[1]](*sys.argv[2:])
