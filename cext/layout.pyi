import numpy as np

DTYPES: dict[str, np.dtype]
"""numpy dtype of every struct of layout.h, by its C name."""
FIELDS: dict[str, list[tuple[str, int, int, str]]]
"""struct -> [(field, offset, bytes, type code or struct name)], as the C compiler says."""
STRUCT_BYTES: dict[str, int]
CONSTANTS: dict[str, int]
"""Every #define of layout.h; each is also an attribute of this module."""
LAYOUT_HASH: int

def __getattr__(name: str) -> int: ...

def names_of(prefix: str) -> dict[int, str]:
    """value -> name without the prefix: names_of("STATUS_")[2] == "LIVE"."""

def struct_dict(record: np.void) -> dict[str, object]:
    """One numpy record as plain Python; byte arrays as text up to the first NUL, pads left out."""
