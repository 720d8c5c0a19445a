# SPDX-License-Identifier: BSD-2-Clause
"""An exception for each code, and one line of sense in each."""

import pickle
import re

import pytest

import vmq
from vmq import _c
from vmq._errors import error


def codes():
    return {
        value: name
        for name, value in vars(_c).items()
        if re.fullmatch(r"VMQ_E[A-Z]+", name) and isinstance(value, int) and value < 0
    }


def test_each_code_has_a_class_of_its_own():
    assert set(vmq.ERRORS) == set(codes())
    assert len(set(vmq.ERRORS.values())) == len(codes())
    for kind in vmq.ERRORS.values():
        assert getattr(vmq, kind.__name__) is kind and kind.__name__ in vmq.__all__


@pytest.mark.parametrize("code", sorted(codes()))
def test_an_error_says_its_code_name_and_text(code):
    raised = error(code)
    assert type(raised) is vmq.ERRORS[code] and isinstance(raised, vmq.Error)
    assert (raised.code, raised.name) == (code, codes()[code])
    assert str(raised).startswith(codes()[code] + ": ") and "\n" not in str(raised)
    again = pickle.loads(pickle.dumps(error(code, "detail", 7)))
    assert (again.code, again.peer, str(again)) == (code, 7, f"{codes()[code]}: detail (peer 7)")


def test_a_code_of_a_later_version():
    raised = error(-99)
    assert type(raised) is vmq.Error and raised.code == -99 and str(raised)


def test_they_are_what_python_calls_such_errors():
    assert issubclass(vmq.TimedOutError, TimeoutError)
    assert issubclass(vmq.AgainError, BlockingIOError)
    assert issubclass(vmq.GoneError, ConnectionError)
    assert issubclass(vmq.FabricError, ConnectionError)
    assert issubclass(vmq.RefusedError, PermissionError)
    assert issubclass(vmq.ExportedError, BufferError)


@pytest.mark.parametrize(
    "address, kind, says",
    [
        ("", vmq.AddressError, ""),
        ("sim", vmq.AddressError, ""),
        ("none:x?name=a", vmq.UnsupportedError, "none"),
        ("sim:x", vmq.AddressError, "name="),
        ("sim:x?name=a&lane=5000", vmq.InvalidError, "5000"),
        ("sim:x?name=a&color=red", vmq.AddressError, "color"),
        ("sim:unix=/nonexistent/hub?name=a", vmq.FabricError, "/nonexistent/hub"),
        ("sim:x?name=a&topology=/nonexistent.json", vmq.TopologyError, "/nonexistent.json"),
        ("sim:x?name=a\0b", vmq.InvalidError, "NUL"),
    ],
)
def test_a_bad_address_gives_one_line_that_says_what_is_wrong(address, kind, says):
    with pytest.raises(kind) as caught:
        vmq.open(address)
    line = str(caught.value)
    assert says in line and "\n" not in line and len(line) > len(caught.value.name) + 10


@pytest.mark.parametrize(
    "options",
    [
        {"lane_size": -1},
        {"max_msg": 1 << 32},
        {"max_msg": 2 << 30},
        {"pool_pages": -5},
        {"spin_us": 1 << 40},
        {"uuid": b"123"},
        {"name": ""},
        {"name": "*"},
    ],
)
def test_bad_options(options):
    address = "sim:options" if "name" in options else "sim:options?name=a"
    with pytest.raises(vmq.InvalidError):
        vmq.open(address, **options)


def test_a_taken_name(fabric):
    with vmq.open(f"{fabric}?name=a"), pytest.raises(vmq.ExistsError, match="a"):
        vmq.open(f"{fabric}?name=a")
    vmq.open(fabric, name="a", strict=True, spin_us=0).close()
