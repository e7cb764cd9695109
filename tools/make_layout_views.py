"""Writes the two views of cext/layout.h that are text: cext/layout.pxd (Cython's names) and cext/layout_table.h (what the
compiler is asked).

    python -m tools.make_layout_views            after a change of layout.h
    python -m tools.make_layout_views --check    exit code 1 when a view is out of date (tests/layout does the same)

Only names are copied. Offsets, sizes and types are the compiler's word (offsetof, sizeof, _Generic) and are compared at import of
cext.layout."""
import pathlib
import re
import sys
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[1]
HEADER = ROOT / "cext" / "layout.h"
PXD = ROOT / "cext" / "layout.pxd"
TABLE = ROOT / "cext" / "layout_table.h"

DEFINE = re.compile(r"^#define (\w+) (\S.*)$", re.MULTILINE)
STRUCT = re.compile(r"typedef struct \{(.*?)\}\s*(\w+);", re.DOTALL)
FIELD = re.compile(r"^\s*(\w+)\s+(\w+)((?:\[\w+\])?);", re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)

PXD_HEAD = '''"""Cython's view of layout.h: same structs, same fields, same order. Written by tools/make_layout_views.py.
tests/layout compares type, name and length line by line (a wrong type here compiles and truncates silently). Who may write which
field is said in layout.h only."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "layout.h" nogil:
'''
TABLE_HEAD = """/* What the compiler is asked about layout.h. Written by tools/make_layout_views.py: only names are listed
 * here, offsets, sizes and types are the compiler's word. cext/layout.pyx reads it, derives the numpy dtypes and refuses to load
 * when a field was forgotten. */
#ifndef LOCKSTEP_LAYOUT_TABLE_H
#define LOCKSTEP_LAYOUT_TABLE_H
#include "layout.h"

typedef struct {
    const char *struct_name;
    const char *field_name;
    const char *type; /* numpy code, or the name of a struct */
    uint64_t offset;
    uint64_t bytes;
} layout_field_t;

typedef struct {
    const char *name;
    uint64_t bytes;
} layout_struct_t;

typedef struct {
    const char *name;
    uint64_t value;
} layout_constant_t;

/* An array decays to a pointer to its element here, so T and T* name the same element type. */
"""


@dataclass
class Layout:
    """What layout.h names: constants (name, text), structs (name, [(type, field, "[length]" or "")])."""

    constants: list[tuple[str, str]]
    structs: list[tuple[str, list[tuple[str, str, str]]]]


def parse_header(text: str) -> Layout:
    """Names in order of appearance; comments are dropped first."""
    bare = COMMENT.sub("", text)
    constants = [(name, value.strip()) for name, value in DEFINE.findall(bare)]
    structs = [(name, FIELD.findall(body)) for body, name in STRUCT.findall(bare)]
    return Layout(constants, structs)


def pxd_text(layout: Layout) -> str:
    """cext/layout.pxd. Suffixed constants are typed; plain ones are enum members, so that they can be array lengths."""
    lines = [PXD_HEAD.rstrip("\n")]
    kinds = (("ull", "uint64_t"), ("ll", "int64_t"), ("u", "uint32_t"))
    members = []
    for name, value in layout.constants:
        kind = next((kind for suffix, kind in kinds if value.endswith(suffix)), None)
        if kind:
            lines.append(f"    const {kind} {name}")
        else:
            members.append(f"        {name}")
    lines += ["    enum:", *members]
    for name, fields in layout.structs:
        lines += ["", f"    ctypedef struct {name}:"]
        lines += [f"        {kind} {field}{length}" for kind, field, length in fields]
    return "\n".join(lines) + "\n"


def table_text(layout: Layout) -> str:
    """cext/layout_table.h."""
    codes = {"uint8_t": "u1", "uint16_t": "u2", "uint32_t": "u4", "uint64_t": "u8", "int32_t": "i4", "int64_t": "i8"}
    nested = {kind for _, fields in layout.structs for kind, _, _ in fields if kind not in codes}
    lines = [TABLE_HEAD.rstrip("\n"), "#define TYPE_OF(x) _Generic((x), \\"]
    cases = [f'    {kind}: "{code}", {kind} *: "{code}"'
             for kind, code in {**codes, **{name: name for name in sorted(nested)}}.items()]
    lines += [", \\\n".join(cases) + ")"]
    lines += ["#define FIELD(s, f) {#s, #f, TYPE_OF(((s *)0)->f), offsetof(s, f), sizeof(((s *)0)->f)}",
              "#define STRUCT(s) {#s, sizeof(s)}",
              "#define CONSTANT(c) {#c, (uint64_t)(c)}", "", "static const layout_struct_t LAYOUT_STRUCTS[] = {"]
    lines += [f"    STRUCT({name})," for name, _ in layout.structs]
    lines += ["};", "", "static const layout_field_t LAYOUT_FIELDS[] = {"]
    for name, fields in layout.structs:
        lines += [f"    FIELD({name}, {field})," for _, field, _ in fields]
    lines += ["};", "", "static const layout_constant_t LAYOUT_CONSTANTS[] = {"]
    lines += [f"    CONSTANT({name})," for name, _ in layout.constants]
    lines += ["};", "", "enum {", "    LAYOUT_STRUCT_COUNT = sizeof(LAYOUT_STRUCTS) / sizeof(LAYOUT_STRUCTS[0]),",
              "    LAYOUT_FIELD_COUNT = sizeof(LAYOUT_FIELDS) / sizeof(LAYOUT_FIELDS[0]),",
              "    LAYOUT_CONSTANT_COUNT = sizeof(LAYOUT_CONSTANTS) / sizeof(LAYOUT_CONSTANTS[0])", "};", "#endif"]
    return "\n".join(lines) + "\n"


def views() -> dict[pathlib.Path, str]:
    """Path -> what it should hold."""
    layout = parse_header(HEADER.read_text())
    return {PXD: pxd_text(layout), TABLE: table_text(layout)}


def main() -> None:
    """Write the views, or only look with --check."""
    stale = [path for path, text in views().items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        if stale:
            sys.exit(f"out of date: {', '.join(path.name for path in stale)}; run python -m tools.make_layout_views")
        return
    for path, text in views().items():
        path.write_text(text)
    print(f"written: {', '.join(path.name for path in stale) or 'nothing changed'}")


if __name__ == "__main__":
    main()
