"""`python -m engine --check CONFIG`: what a person sees and the exit code, for good, bad and missing configurations."""
import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "engine", *arguments], cwd=ROOT, check=False, capture_output=True, text=True,
                          timeout=60)


@pytest.mark.parametrize("name", ["sim", "paper", "dry_run"])
def test_a_good_configuration_is_printed_whole_with_its_hash(name: str) -> None:
    done = check("--check", f"config/{name}.yaml")
    assert done.returncode == 0, done.stderr
    effective, _, last = done.stdout.rstrip().rpartition("\n")
    assert json.loads(effective)["mode"] == name
    label, value = last.split()
    assert label == "config_hash" and int(value, 16) >= 0
    assert check("--check", f"config/{name}.yaml").stdout == done.stdout


def test_a_wrong_key_is_refused_with_file_and_line(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("mode: sim\nengine:\n  wait: sometimes\n")
    done = check("--check", str(path))
    assert done.returncode == 2 and done.stdout == ""
    assert "wrong.yaml:3:" in done.stderr and "engine.wait" in done.stderr and "Traceback" not in done.stderr


def test_a_file_that_is_not_there_and_no_arguments_are_one_sentence_each() -> None:
    missing = check("--check", "config/none.yaml")
    assert missing.returncode == 2 and "none.yaml" in missing.stderr and "Traceback" not in missing.stderr
    nothing = check()
    assert nothing.returncode == 1 and "want --run-dir DIR or --check CONFIG" in nothing.stderr
