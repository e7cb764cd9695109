"""Facts of the machine that a run's or benchmark's numbers depend on. They name no place: no host, no path."""
import functools
import os
import pathlib
import platform


@functools.cache
def machine_facts() -> dict[str, str | int]:
    """cpu (model as the kernel names it, "unknown" where it does not), cpus, kernel, python."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return {"cpu": model, "cpus": os.cpu_count() or 1, "kernel": platform.release(), "python": platform.python_version()}
