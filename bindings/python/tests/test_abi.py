# SPDX-License-Identifier: BSD-2-Clause
"""vmq/_c.py beside the C headers: functions and their types, structs with sizes and
offsets, constants. And that this comparison would notice."""

import ctypes
import inspect
import re
import shutil
from typing import Any, Dict, Iterator, List, Optional

import pytest

import cheaders
from vmq import _c, _version

pytestmark = pytest.mark.skipif(
    not shutil.which(cheaders.CC.split()[0]) or not shutil.which("readelf"),
    reason="no C compiler, or no readelf (binutils)",
)

@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> cheaders.Headers:
    return cheaders.Headers(tmp_path_factory.mktemp("headers"))


def code(kind: Any) -> str:
    """ctypes' letter for a simple type: "i" for c_int, "z" for c_char_p ..."""
    return kind._type_ if isinstance(kind, type) and issubclass(kind, ctypes._SimpleCData) else ""


def shown(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))


class Comparison:
    """Collects in `lines` what of a table (vmq._c, or a changed copy) is not as in C."""

    def __init__(self, headers: cheaders.Headers, table: Dict[str, Any]) -> None:
        self.headers, self.table = headers, table
        self.lines: List[str] = []
        self.wanted: List[str] = []  # structs that a function's types lead to
        self.functions()
        self.structs()
        self.constants()

    # ---- types: each answers whether the ctypes type is as the one in C ----

    def fits(self, kind: Any, entry: Optional[cheaders.Entry]) -> bool:
        entry = self.headers.bare(entry)
        if entry is None:
            return kind is None
        if entry.tag == "DW_TAG_base_type":
            return self.fits_base(kind, entry)
        if entry.tag == "DW_TAG_enumeration_type":
            return code(kind) in ("i", "I") and ctypes.sizeof(kind) == entry.number("DW_AT_byte_size")
        if entry.tag == "DW_TAG_pointer_type":
            return self.fits_pointer(kind, entry)
        if entry.tag == "DW_TAG_array_type":
            return self.fits_array(kind, entry)
        if entry.tag == "DW_TAG_structure_type":
            return self.fits_struct(kind, entry)
        return False

    @staticmethod
    def fits_base(kind: Any, entry: cheaders.Entry) -> bool:
        encoding = entry.attributes["DW_AT_encoding"]
        letter = code(kind)
        if not letter or ctypes.sizeof(kind) != entry.number("DW_AT_byte_size"):
            return False
        if "boolean" in encoding:
            return letter == "?"
        if "char" in encoding and entry.name == "char":
            return letter == "c"
        return letter in ("BHILQ" if "unsigned" in encoding else "bhilq")

    def fits_pointer(self, kind: Any, entry: cheaders.Entry) -> bool:
        target = self.headers.type_of(entry)
        constant = target is not None and target.tag == "DW_TAG_const_type"
        target = self.headers.bare(target)
        if target is not None and target.tag == "DW_TAG_subroutine_type":
            return self.fits_function(kind, target)
        if target is None or "DW_AT_declaration" in target.attributes:
            return code(kind) == "P"
        if target.name == "char":
            # ctypes may hand out a string of Python's as c_char_p: not to who writes there.
            return code(kind) == "z" if constant else code(kind) == "P" or self.points(kind, target)
        return self.points(kind, target)

    def points(self, kind: Any, target: cheaders.Entry) -> bool:
        pointer = isinstance(kind, type) and issubclass(kind, ctypes._Pointer)
        return pointer and self.fits(kind._type_, target)

    def fits_array(self, kind: Any, entry: cheaders.Entry) -> bool:
        bounds = cheaders.parts(entry, "DW_TAG_subrange_type")
        count = "DW_AT_count" in bounds[0].attributes  # as clang says it
        length = bounds[0].number("DW_AT_count") if count else bounds[0].number("DW_AT_upper_bound") + 1
        array = isinstance(kind, type) and issubclass(kind, ctypes.Array)
        return array and kind._length_ == length and self.fits(kind._type_, self.headers.type_of(entry))

    def fits_struct(self, kind: Any, entry: cheaders.Entry) -> bool:
        if entry.name not in self.wanted:
            self.wanted.append(entry.name)
        return inspect.isclass(kind) and kind is self.table.get(entry.name)

    def fits_function(self, kind: Any, entry: cheaders.Entry) -> bool:
        function = inspect.isclass(kind) and issubclass(kind, ctypes._CFuncPtr)
        return function and self.fits_all(kind._restype_, kind._argtypes_, entry) == []

    def fits_all(self, restype: Any, argtypes: Any, entry: cheaders.Entry) -> List[str]:
        """What is not as in C of a function's result and arguments."""
        arguments = [self.headers.type_of(p) for p in cheaders.parts(entry, "DW_TAG_formal_parameter")]
        if len(arguments) != len(argtypes):
            return [f"takes {len(argtypes)} arguments, in C {len(arguments)}"]
        wrong = [f"argument {number} is {shown(kind)}, not what it is in C"
                 for number, (kind, argument) in enumerate(zip(argtypes, arguments), 1)
                 if not self.fits(kind, argument)]
        if not self.fits(restype, self.headers.type_of(entry)):
            wrong.append(f"gives {shown(restype)}, not what it gives in C")
        return wrong

    # ---- tables ----

    def names(self, what: str, python: Any, c: Any) -> Iterator[str]:
        """Names that both have; says which are missing in one."""
        self.lines += [f"{name}: no such {what} in the headers" for name in python if name not in c]
        self.lines += [f"{name}: a {what} that vmq/_c.py lacks" for name in c if name not in python]
        return (name for name in python if name in c)

    def functions(self) -> None:
        prototypes = self.table["PROTOTYPES"]
        for name in self.names("function", prototypes, self.headers.functions):
            wrong = self.fits_all(*prototypes[name], self.headers.functions[name])
            self.lines += [f"{name}: {text}" for text in wrong]

    def structs(self) -> None:
        mine = {name: kind for name, kind in self.table.items()
                if inspect.isclass(kind) and issubclass(kind, ctypes.Structure) and kind is not ctypes.Structure}
        for name, kind in mine.items():
            if name in self.headers.structs:
                self.struct(name, kind, self.headers.structs[name])
        # The fields above have led to more.
        list(self.names("struct that functions need", mine, self.wanted))

    def struct(self, name: str, kind: Any, entry: cheaders.Entry) -> None:
        members = {member.name: member for member in cheaders.parts(entry, "DW_TAG_member")}
        fields = {field[0]: field[1] for field in kind._fields_}
        for field in self.names(f"field of {name}", fields, members):
            offset = members[field].number("DW_AT_data_member_location")
            if getattr(kind, field).offset != offset:
                self.lines.append(f"{name}.{field}: at {getattr(kind, field).offset}, in C at {offset}")
            if not self.fits(fields[field], self.headers.type_of(members[field])):
                self.lines.append(f"{name}.{field}: {shown(fields[field])} is not its type in C")
        size = entry.number("DW_AT_byte_size")
        if ctypes.sizeof(kind) != size:
            self.lines.append(f"{name}: {ctypes.sizeof(kind)} bytes, in C {size}")

    def constants(self) -> None:
        mine = {name: value for name, value in self.table.items() if name.startswith("VMQ_")}
        # The wire format's are wanted only where functions take them.
        wanted = {name for name in self.headers.constants
                  if self.headers.homes[name] in (*cheaders.API, "errors.h") or name in mine}
        for name in self.names("constant", mine, wanted):
            if mine[name] != self.headers.constants[name]:
                self.lines.append(f"{name}: {mine[name]}, in C {self.headers.constants[name]}")


def compare(headers: cheaders.Headers, **changes: Any) -> List[str]:
    return Comparison(headers, {**vars(_c), **changes}).lines


def test_the_headers_were_understood(headers: cheaders.Headers) -> None:
    assert len(headers.functions) == len(re.findall(r"(?m)^VMQ_API ", "\n".join(
        (cheaders.INCLUDE / "vmq" / name).read_text() for name in cheaders.API)))
    assert headers.constants["VMQ_ESYS"] == -21
    assert headers.constants["VMQ_NO_PAGES"] == 2**32 - 1


def test_python_is_as_the_headers(headers: cheaders.Headers) -> None:
    lines = compare(headers)
    assert not lines, "\n" + "\n".join(lines)


def test_version_is_that_of_the_headers(headers: cheaders.Headers) -> None:
    numbers = [str(headers.constants[f"VMQ_VERSION_{part}"]) for part in ("MAJOR", "MINOR", "PATCH")]
    assert _version.__version__ == ".".join(numbers)


# ---- would it notice? -------------------------------------------------------------


def prototypes(name: str, restype: Any, *argtypes: Any) -> Dict[str, Any]:
    return {"PROTOTYPES": {**_c.PROTOTYPES, name: (restype, list(argtypes))}}


def struct(name: str, change: Any) -> Dict[str, Any]:
    """The tables with a struct whose fields were changed, and functions that take it."""
    old = getattr(_c, name)
    new = type(name, (ctypes.Structure,), {"_fields_": change(list(old._fields_))})

    def swap(kind: Any) -> Any:
        return ctypes.POINTER(new) if kind is ctypes.POINTER(old) else kind

    table = {f: (r, [swap(a) for a in args]) for f, (r, args) in _c.PROTOTYPES.items()}
    return {name: new, "PROTOTYPES": table}


def without(name: str) -> Any:
    return lambda fields: [field for field in fields if field[0] != name]


def retyped(name: str, kind: Any) -> Any:
    return lambda fields: [(name, kind) if field[0] == name else field for field in fields]


def more(name: str, kind: Any) -> Any:
    return lambda fields: fields + [(name, kind)]


P, INT, I64, U32, SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_uint32, ctypes.c_size_t
MSG = ctypes.POINTER(_c.vmq_msg)

# What is changed, and how the line about it begins.
NOTICED = [
    (prototypes("vmq_send", INT, P, U32, P, SIZE, U32, INT), "vmq_send: argument 6 is c_int,"),
    (prototypes("vmq_send", INT, P, ctypes.c_int32, P, SIZE, U32, I64), "vmq_send: argument 2 is"),
    (prototypes("vmq_send", INT, P, U32, P, U32, U32, I64), "vmq_send: argument 4 is"),
    (prototypes("vmq_send", INT, P, U32, ctypes.c_char_p, SIZE, U32, I64), "vmq_send: argument 3 is"),
    (prototypes("vmq_send", INT, P, U32, P, SIZE, U32), "vmq_send: takes 5 arguments, in C 6"),
    (prototypes("vmq_send_batch", INT, P, U32, P, U32, U32, I64), "vmq_send_batch: argument 3 is"),
    (prototypes("vmq_sendv", INT, P, U32, MSG, U32, U32, I64), "vmq_sendv: argument 3 is LP_vmq_msg"),
    (prototypes("vmq_recv", INT, P, P, SIZE, MSG, I64), "vmq_recv: gives c_int"),
    (prototypes("vmq_errname", P, INT), "vmq_errname: gives c_void_p"),
    (prototypes("vmq_kvm_vm", INT, P), "vmq_kvm_vm: gives c_int"),
    (prototypes("vmq_nothing", INT), "vmq_nothing: no such function"),
    ({"PROTOTYPES": {}}, "vmq_yield: a function that vmq/_c.py lacks"),
    (struct("vmq_stats", without("poisons")), "poisons: a field of vmq_stats that vmq/_c.py lacks"),
    (struct("vmq_stats", without("poisons")), "vmq_stats.peers: at 144, in C at 152"),
    (struct("vmq_event", more("more", ctypes.c_uint64)), "vmq_event: 72 bytes, in C 64"),
    (struct("vmq_event", more("more", U32)), "more: no such field of vmq_event"),
    (struct("vmq_event", retyped("reason", U32)), "vmq_event.reason: c_uint"),
    (struct("vmq_event", retyped("name", ctypes.c_char * 43)), "vmq_event.name: c_char_Array_43"),
    (struct("vmq_hub_options", retyped("log", ctypes.CFUNCTYPE(None, P, P))),
     "vmq_hub_options.log: CFunctionType"),
    (struct("vmq_options", retyped("spin_us", ctypes.c_uint64)), "vmq_options.uuid: at 48, in C at 40"),
    ({"vmq_stats": None}, "vmq_stats: a struct that functions need"),
    ({"vmq_extra": type("vmq_extra", (ctypes.Structure,), {})}, "vmq_extra: no such struct"),
    ({"VMQ_POLL_OUT": 4}, "VMQ_POLL_OUT: 4, in C 2"),
    ({"VMQ_PAGE_SIZE": 65536}, "VMQ_PAGE_SIZE: 65536, in C 4096"),
    ({"VMQ_ESYS": -22}, "VMQ_ESYS: -22, in C -21"),
    ({"VMQ_EOTHER": -99}, "VMQ_EOTHER: no such constant"),
]


@pytest.mark.parametrize("changes, line", NOTICED, ids=[line for _, line in NOTICED])
def test_a_mistake_is_noticed(headers: cheaders.Headers, changes: Dict[str, Any], line: str) -> None:
    lines = compare(headers, **changes)
    assert any(told.startswith(line) for told in lines), lines


def test_a_constant_that_is_missing_is_noticed(headers: cheaders.Headers) -> None:
    table = {name: value for name, value in vars(_c).items() if name != "VMQ_SEND_LAZY"}
    assert Comparison(headers, table).lines == ["VMQ_SEND_LAZY: a constant that vmq/_c.py lacks"]
