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
