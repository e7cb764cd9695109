"""`make bench`: runs measure() of every bench module, one after the other, and writes bench/results/latest.json.

    python -m bench.run [--only decode_book,ring_hop] [--quick] [--out FILE]

Prints each key with its bound where the project holds itself to one. Each bench has a process of its own, so that none leaves its
memory, caches or locks to the next. A bench that fails does not stop the others; the exit code says so."""
import fnmatch
import importlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import traceback
from typing import Any

import click

from bench.harness import ROOT, machine_facts

# key, or a pattern of keys -> (comparison, bound): what the project holds itself to.
BOUNDS: dict[str, tuple[str, float]] = {
    "decode_book.ratio_vs_sorteddict": (">=", 25), "decode_book.ns_per_kb": ("<=", 1000),
    "decode.*.ratio_vs_sorteddict": (">=", 20), "ring_hop.ratio_vs_c": ("<=", 1.3),
    "tick_to_trade.own_p50_us": ("<=", 4), "tick_to_trade.own_p99_us": ("<=", 10), "tick_to_trade.ratio_vs_floor": ("<=", 1.4),
    "tick_to_trade.three_vs_one_own_p50": ("<=", 1.1),
    "outside.ratio_vs_ccxtpro": (">=", 10), "detect.ns": ("<=", 300), "gate.ns": ("<=", 150), "encode.ns": ("<=", 1000),
    "encode_bybit.ns": ("<=", 1000), "encode_okx.ns": ("<=", 1000),
    "journal.p50_ns": ("<=", 150), "journal.p999_ns": ("<=", 5000), "hist.ns": ("<=", 60), "replay.frames_per_s": (">=", 700_000),
    "repair.repair_p999_us": ("<=", 5000), "repair.naked_p999_us": ("<=", 500_000),
    "scale.ratio_1000_vs_10": ("<=", 1.3), "gate.venues_ns": ("<=", 150),
}


def bench_names() -> list[str]:
    """Every bench/bench_*.py, cheap ones first: the long one that needs both cores runs last."""
    names = sorted(path.stem.removeprefix("bench_") for path in (ROOT / "bench").glob("bench_*.py"))
    return sorted(names, key=lambda name: name in ("repair", "tick_to_trade"))


def verdict(key: str, value: Any) -> str:
    """'pass', 'falls short' or '' where there is no bound."""
    found = [bound for pattern, bound in BOUNDS.items() if fnmatch.fnmatchcase(key, pattern)]
    if not found or not isinstance(value, int | float):
        return ""
    comparison, bound = found[0]
    held = value >= bound if comparison == ">=" else value <= bound
    return f"{'pass' if held else 'FALLS SHORT'} (wanted {comparison} {bound:g})"


def show(results: dict[str, Any]) -> None:
    for key, value in results.items():
        if isinstance(value, float):
            click.echo(f"  {key:40} {value:14,.3f}  {verdict(key, value)}")
        elif not isinstance(value, dict | list):
            click.echo(f"  {key:40} {value!s:>14}  {verdict(key, value)}")


def measure_here(name: str, quick: bool) -> dict[str, Any] | None:
    """The figures of one bench; None when it failed, which is told."""
    click.echo(f"{name}:")
    started = time.monotonic()
    try:
        measured: dict[str, Any] = importlib.import_module(f"bench.bench_{name}").measure(quick=quick)
    except Exception:  # noqa: BLE001 - told to the person below, and in the exit code
        traceback.print_exc()
        return None
    show(measured)
    click.echo(f"  ({time.monotonic() - started:.1f} s)")
    return measured


def measure_apart(name: str, quick: bool) -> dict[str, Any] | None:
    """The same in another process."""
    with tempfile.TemporaryDirectory(prefix="ls-bench-") as folder:
        out = pathlib.Path(folder) / "figures.json"
        argv = [sys.executable, "-m", "bench.run", "--only", name, "--out", str(out), *(["--quick"] if quick else [])]
        code = subprocess.run(argv, check=False).returncode
        return json.loads(out.read_text())["figures"] if code == 0 else None


@click.command()
@click.option("--only", default="", help="comma separated bench names")
@click.option("--quick", is_flag=True, help="tiny sizes: shows that everything runs, figures mean nothing")
@click.option("--out", type=click.Path(path_type=pathlib.Path), default=ROOT / "bench" / "results" / "latest.json")
def main(only: str, quick: bool, out: pathlib.Path) -> None:
    """Run the benches and write their figures."""
    wanted = [name for name in only.split(",") if name] or bench_names()
    out.parent.mkdir(parents=True, exist_ok=True)
    if len(wanted) == 1:
        measured = measure_here(wanted[0], quick)
        if measured is None:
            raise SystemExit(1)
        if out.name == "figures.json":
            out.write_text(json.dumps({"figures": measured}))
            return
    results: dict[str, Any] = {"machine": machine_facts(), "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "quick": quick}
    failed = []
    for name in wanted:
        sys.stdout.flush()
        figures = measure_apart(name, quick) if len(wanted) > 1 else measured
        if figures is None:
            failed.append(name)
            continue
        results.update(figures)
        out.write_text(json.dumps({**results, "failed": failed}, indent=1) + "\n")
    out.write_text(json.dumps({**results, "failed": failed}, indent=1) + "\n")
    click.echo(f"written to {out}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
