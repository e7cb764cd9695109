"""CRC-32C: RFC 3720 vectors, and the instruction against the table."""
import random

import pytest

from cext.journal import crc32c

# RFC 3720, appendix B.4, and the check value of the CRC catalogue.
VECTORS = [(bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E),
           (bytes(range(31, -1, -1)), 0x113FDB5C),
           (b"123456789", 0xE3069283), (b"", 0)]


@pytest.mark.parametrize(("data", "wanted"), VECTORS)
def test_published_vectors(data: bytes, wanted: int) -> None:
    assert crc32c(data) == crc32c(data, use_table=True) == wanted


def test_instruction_and_table_agree_on_random_data() -> None:
    rng = random.Random(32)
    for size in [*range(40), 632, 4096]:
        data = rng.randbytes(size)
        assert crc32c(data) == crc32c(data, use_table=True), size
