from typing import Any

class InstrumentArray:
    count: int
    names: list[str]
    assets: list[str]
    venues: list[str]
    row_of_id: dict[int, int]
    row_of_name: dict[str, int]
    def __len__(self) -> int: ...
    def row(self, index: int) -> dict[str, Any]: ...

def make_instrument_array(rows: list[Any]) -> InstrumentArray: ...
