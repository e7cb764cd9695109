"""One definition, four views: layout.h, layout.pxd, the compiler's table with its numpy dtypes, the drawn page. They must
agree."""
import pathlib
import re

import numpy as np
import pytest

from cext import layout
from tools import draw_layouts, make_layout_views

ROOT = pathlib.Path(__file__).resolve().parents[2]
PXD_FIELD = re.compile(r"^        (\w+) (\w+)((?:\[\w+\])?)$", re.MULTILINE)
PXD_STRUCT = re.compile(r"ctypedef struct (\w+):\n((?:        .*\n)+)")
ASSERTED = re.compile(r'_Static_assert\(sizeof\((\w+)\) == ([^,]+), ')
SHARED = {"book_record_t": 10, "trade_record_t": 1, "funding_record_t": 1, "board_entry_t": 13, "journal_record_t": 1,
          "hist_header_t": 1}


@pytest.fixture(scope="module")
def header() -> make_layout_views.Layout:
    return make_layout_views.parse_header((ROOT / "cext" / "layout.h").read_text())


def test_header_and_pxd_name_the_same_fields_with_the_same_types(header: make_layout_views.Layout) -> None:
    text = (ROOT / "cext" / "layout.pxd").read_text()
    views = {name: PXD_FIELD.findall(body) for name, body in PXD_STRUCT.findall(text)}
    assert list(views) == [name for name, _ in header.structs]
    for name, fields in header.structs:
        assert views[name] == fields, name


def test_every_constant_of_the_header_is_a_python_int(header: make_layout_views.Layout) -> None:
    assert list(layout.CONSTANTS) == [name for name, _ in header.constants]
    for name, text in header.constants:
        written = text.rstrip("ul")
        assert getattr(layout, name) == (int(written, 0) if not written.startswith("(") else eval(written)), name


@pytest.mark.parametrize("name", layout.STRUCT_BYTES)
def test_dtype_has_the_compilers_offsets_and_covers_the_struct(name: str) -> None:
    dtype = layout.DTYPES[name]
    assert dtype.itemsize == layout.STRUCT_BYTES[name]
    end = 0
    for field, offset, size, kind in layout.FIELDS[name]:
        sub, at = dtype.fields[field][:2]
        assert (at, sub.itemsize) == (offset, size) == (end, size)
        assert (sub.base.str[1:] if sub.base.names is None else kind) == kind
        end += size
    assert end == dtype.itemsize


@pytest.mark.parametrize(("name", "lines"), SHARED.items())
def test_slots_are_whole_cache_lines(name: str, lines: int) -> None:
    assert layout.STRUCT_BYTES[name] == 64 * lines


def test_every_shared_struct_has_its_size_asserted_in_c() -> None:
    asserted = {name for name, _ in ASSERTED.findall((ROOT / "cext" / "layout.h").read_text())}
    assert set(layout.STRUCT_BYTES) - asserted <= {"level_t", "state_page_t"}


def test_words_of_different_writers_are_two_lines_apart() -> None:
    at = {field: offset for field, offset, _, _ in layout.FIELDS["state_page_t"]}
    assert at["guard_word"] - at["operator_word"] >= 128
    assert at["engine_word"] - at["guard_word"] >= 128
    segment = {field: offset for field, offset, _, _ in layout.FIELDS["segment_header_t"]}
    assert segment["cursor"] // 64 - segment["name"] // 64 >= 2


def test_pads_are_named_and_start_as_zero() -> None:
    for name, fields in layout.FIELDS.items():
        for field, offset, size, _ in fields:
            if field.startswith("pad"):
                record = np.zeros(1, layout.DTYPES[name])
                assert not record.view(np.uint8)[offset:offset + size].any()


@pytest.mark.parametrize(("fields", "size", "complaint"), [
    ([("a", 0, 8, "u8"), ("c", 16, 8, "u8")], 24, "8..16 before c"),
    ([("a", 0, 8, "u8")], 16, "fields end at 8, the struct at 16"),
    ([("a", 0, 8, "u8"), ("b", 4, 4, "u4")], 8, "8..4 before b"),
])
def test_import_fails_when_fields_do_not_cover_the_struct(fields: list, size: int, complaint: str) -> None:
    with pytest.raises(ImportError, match=re.escape(complaint)):
        layout.check_coverage("some_t", fields, size)


def test_hash_changes_with_a_field_a_type_and_a_code() -> None:
    structs, fields, constants = layout.STRUCT_BYTES, layout.FIELDS, layout.CONSTANTS
    assert layout._hash(structs, fields, constants) == layout.LAYOUT_HASH
    moved = {**fields, "level_t": list(reversed(fields["level_t"]))}
    retyped = {**fields, "level_t": [("px", 0, 8, "u8"), *fields["level_t"][1:]]}
    assert len({layout._hash(structs, moved, constants), layout._hash(structs, retyped, constants),
                layout._hash(structs, fields, {**constants, "BOOK_VALID": 2}), layout.LAYOUT_HASH}) == 4


def test_views_are_what_the_generator_writes() -> None:
    stale = [path.name for path, text in make_layout_views.views().items() if path.read_text() != text]
    assert stale == [], "run python -m tools.make_layout_views"


def test_drawn_page_is_what_the_dtypes_say() -> None:
    assert (ROOT / "docs" / "layouts.md").read_text() == draw_layouts.draw(), "run make layouts"


def test_names_and_struct_dict_for_people() -> None:
    assert layout.names_of("STATUS_")[layout.STATUS_LIVE] == "LIVE"
    record = np.zeros(1, layout.DTYPES["leg_order_t"])
    record["client_id"][0][:3] = list(b"Lab")
    shown = layout.struct_dict(record[0])
    assert shown["client_id"] == "Lab" and "pad0" not in shown and shown["limit_px"] == 0
