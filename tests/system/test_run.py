"""The whole system as `make run DURATION=..` starts it: real processes, simulated venues, report at the end, nothing left
behind."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import psutil
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
REPORT_KEYS = {"mode", "commit", "config_hash", "feeds", "opportunities", "trades", "orders", "rejects", "open_pairs", "unhedged",
               "dust",
               "naked_ms", "pnl", "stages", "ring"}


def write_config(folder: pathlib.Path, **changes: dict) -> pathlib.Path:
    """config/sim.yaml with a var directory of its own, fewer instruments more planted differences and fundings."""
    document = yaml.safe_load((ROOT / "config" / "sim.yaml").read_text())
    document["run"]["var_dir"] = str(folder / "var")
    document["simex"].update(pairs=10, background_msgs_per_s=500.0, dislocations_per_s=4.0, funding_interval_s=3.0)
    for section, values in changes.items():
        document.setdefault(section, {}).update(values)
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def supervisor(config: pathlib.Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "engine.supervisor", str(config), "--plain", *arguments]


def leftovers(run_dir: pathlib.Path) -> list[str]:
    """Segments, processes and sockets of a run that is over."""
    found = [str(path) for path in pathlib.Path("/dev/shm").glob(f"*{run_dir.name}*")]
    found += [f"process {process.pid} {process.cmdline()}" for process in psutil.process_iter()
              if str(run_dir) in " ".join(process_cmdline(process))]
    found += [str(path) for path in run_dir.rglob("*") if path.is_socket() or path.is_fifo()]
    return found


def process_cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_run_trades_closes_reports_and_leaves_nothing(home):
    config = write_config(home)
    done = subprocess.run(supervisor(config, "--duration", "10"), check=False, cwd=ROOT, capture_output=True, text=True,
                          timeout=90)
    run_dir = (home / "var" / "latest").resolve()
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((run_dir / "report.json").read_bytes())
    assert REPORT_KEYS <= set(report)
    assert report["mode"] == "sim"
    assert report["trades"].get("CLOSED", 0) >= 5, done.stdout
    assert set(report["trades"]) <= {"CLOSED", "REJECTED"}
    assert report["unhedged"] == {} and not report["open_pairs"]
    assert report["ledger_check"]["equal"], report["ledger_check"]
    assert report["ring"]["torn"] == 0
    assert report["stages"]["tick_to_trade"]["count"] >= 5
    feed = report["feeds"]["binance"]
    assert feed["frames"] > 100 and feed["gaps"] == 0 and feed["invalid"] == 0
    assert leftovers(run_dir) == []
    table = subprocess.run([str(ROOT / "tools" / "latency_report"), "--json", str(run_dir)], check=False, cwd=ROOT,
                           capture_output=True, text=True)
    assert table.returncode == 0 and "tick_to_trade" in table.stdout, table.stderr


def test_interrupt_stops_everything_in_order(home):
    config = write_config(home)
    process = subprocess.Popen(supervisor(config), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               start_new_session=True)
    try:
        output = ""
        while " trading " not in output and (line := process.stdout.readline()):  # ends with the process at the latest
            output += line
        time.sleep(4)
        process.send_signal(signal.SIGINT)
        output += process.communicate(timeout=45)[0]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, output
    assert "equal to the last unit" in output
    assert leftovers((home / "var" / "latest").resolve()) == []


def test_a_broken_configuration_is_named_with_file_and_line(home):
    config = write_config(home)
    config.write_text(config.read_text() + "\nnonsense: 1\n")
    done = subprocess.run(supervisor(config, "--duration", "1"), check=False, cwd=ROOT, capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 1
    assert "run.yaml:" in done.stderr and "nonsense" in done.stderr


def test_live_mode_is_refused_in_one_sentence(home):
    config = write_config(home)
    config.write_text(config.read_text().replace("mode: sim", "mode: live"))
    done = subprocess.run(supervisor(config, "--duration", "1"), check=False, cwd=ROOT, capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 1 and "live trading is refused until recovery and guard are proven" in done.stderr
