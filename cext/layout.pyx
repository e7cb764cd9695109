"""What the C compiler says about layout.h, for Python: numpy dtypes, constants, and the hash that both sides of a mapping
compare.

Built from the table in layout_table.h (offsetof, sizeof, _Generic). Importing fails when the listed fields do not cover a struct
to its last byte, which is how a field added in C and forgotten in the views is found. Nothing here runs while trading."""
import hashlib

import numpy as np

from libc.stdint cimport uint64_t

cdef extern from "layout_table.h":
    ctypedef struct layout_field_t:
        const char *struct_name
        const char *field_name
        const char *type
        uint64_t offset
        uint64_t bytes
    ctypedef struct layout_struct_t:
        const char *name
        uint64_t bytes
    ctypedef struct layout_constant_t:
        const char *name
        uint64_t value
    const layout_field_t *LAYOUT_FIELDS
    const layout_struct_t *LAYOUT_STRUCTS
    const layout_constant_t *LAYOUT_CONSTANTS
    int LAYOUT_FIELD_COUNT
    int LAYOUT_STRUCT_COUNT
    int LAYOUT_CONSTANT_COUNT


def _structs():
    """struct -> bytes, in the header's order."""
    return {LAYOUT_STRUCTS[i].name.decode(): LAYOUT_STRUCTS[i].bytes for i in range(LAYOUT_STRUCT_COUNT)}


def _fields():
    """struct -> [(field, offset, bytes, type)]."""
    table = {}
    for i in range(LAYOUT_FIELD_COUNT):
        field = LAYOUT_FIELDS[i]
        table.setdefault(field.struct_name.decode(),
                         []).append((field.field_name.decode(), field.offset, field.bytes, field.type.decode()))
    return table


def _constants():
    return {LAYOUT_CONSTANTS[i].name.decode(): LAYOUT_CONSTANTS[i].value for i in range(LAYOUT_CONSTANT_COUNT)}


def check_coverage(name, fields, bytes_total):
    """Raise ImportError unless `fields` cover the struct without hole, overlap or rest."""
    end = 0
    for field, offset, size, _ in fields:
        if offset != end:
            raise ImportError(f"cext.layout: {name}: bytes {end}..{offset} before {field} belong to no listed field; "
                              "run python -m tools.make_layout_views and build again")
        end = offset + size
    if end != bytes_total:
        raise ImportError(f"cext.layout: {name}: fields end at {end}, the struct at {bytes_total}; "
                          "run python -m tools.make_layout_views and build again")


def _dtypes(structs, table):
    """numpy dtypes by struct name; a nested struct comes before its user in the header."""
    made = {}
    for name, fields in table.items():
        formats = []
        for field, _, size, kind in fields:
            element = made[kind] if kind in made else np.dtype("<" + kind)
            if size == element.itemsize:
                formats.append(element)
            elif kind == "u1":
                formats.append(np.dtype((np.uint8, size)))
            else:
                formats.append(np.dtype((element, size // element.itemsize)))
        made[name] = np.dtype({"names": [f[0] for f in fields], "formats": formats, "offsets": [f[1] for f in fields],
                               "itemsize": structs[name]})
    return made


def _hash(structs, fields, constants):
    """First 8 bytes of BLAKE2b over everything above: any moved field or changed code makes two builds strangers."""
    return int.from_bytes(hashlib.blake2b(repr((structs, fields, constants)).encode(), digest_size=8).digest(), "little")


STRUCT_BYTES = _structs()
FIELDS = _fields()
CONSTANTS = _constants()
for _name, _bytes in STRUCT_BYTES.items():
    check_coverage(_name, FIELDS[_name], _bytes)
DTYPES = _dtypes(STRUCT_BYTES, FIELDS)
LAYOUT_HASH = _hash(STRUCT_BYTES, FIELDS, CONSTANTS)
globals().update(CONSTANTS)


def names_of(prefix):
    """value -> name without the prefix, for one family of constants: names_of("STATUS_")[2] == "LIVE"."""
    return {value: name[len(prefix):] for name, value in CONSTANTS.items() if name.startswith(prefix)}


def struct_dict(record):
    """One numpy record as plain Python: nested structs as dicts, byte arrays as text up to the first NUL, pads left out."""
    out = {}
    for name in record.dtype.names:
        if name.startswith("pad"):
            continue
        value = record[name]
        if value.dtype.names and value.shape:
            out[name] = [struct_dict(item) for item in value]
        elif value.dtype.names:
            out[name] = struct_dict(value)
        elif value.shape and value.dtype == np.uint8:
            out[name] = value.tobytes().split(b"\0", 1)[0].decode("utf-8", "replace")
        else:
            out[name] = value.tolist()
    return out
