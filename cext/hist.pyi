import pathlib

from hdrh.histogram import HdrHistogram

class HistPage:
    component: str
    names: list[str]
    count: int
    name: str
    @classmethod
    def create(cls, run_id: str, component: str, names: list[str]) -> HistPage: ...
    @classmethod
    def open(cls, run_id: str, component: str) -> HistPage:
        """Read-only; ShmError says what is wrong."""
    def record(self, stage: str, ns: int) -> None: ...
    def reset(self) -> None: ...
    def snapshot(self) -> dict[str, HdrHistogram]: ...
    def refused(self) -> dict[str, int]: ...
    def save(self, run_dir: pathlib.Path | str) -> pathlib.Path:
        """<run_dir>/hist/<component>.json, atomically (docs/histograms.md)."""
    def close(self, unlink: bool = ...) -> None: ...

def load(path: pathlib.Path | str) -> dict[str, HdrHistogram]: ...
def load_run(run_dir: pathlib.Path | str) -> dict[str, HdrHistogram]:
    """All <run_dir>/hist/*.json merged by stage."""
def read_live(run_id: str) -> dict[str, HdrHistogram]:
    """All hist pages of a running system merged by stage."""
def merge(parts: list[dict[str, HdrHistogram]]) -> dict[str, HdrHistogram]: ...
def percentiles(histogram: HdrHistogram) -> dict[str, int]:
    """count, min_ns, p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns, max_ns."""
def new_histogram() -> HdrHistogram: ...
