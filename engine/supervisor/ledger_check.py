"""Does the engine's ledger equal the simulated venues' own, to the last unit? Asked before the venues stop.

The engine's closing balances (report.json, "balances") are compared with the ledger dump of the simulated venues' control socket;
both are exact decimals. Shares no code with either ledger."""
import json
import pathlib
import socket
from decimal import Decimal
from typing import Any

TIMEOUT_S = 5.0


def ask(path: str, command: dict[str, Any]) -> dict[str, Any]:
    """One JSON line to a unix socket, one back."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(TIMEOUT_S)
        sock.connect(path)
        sock.sendall(json.dumps(command).encode() + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            chunk = sock.recv(1 << 20)
            if not chunk:
                break
            data += chunk
    return json.loads(data)


def differences(ours: dict[str, dict[str, str]], theirs: dict[str, dict[str, str]]) -> list[dict[str, str]]:
    """Both are {"binance:spot": {"USDT": "123.4", ...}, ...}; an absent asset is zero."""
    found = []
    for account in sorted(set(ours) | set(theirs)):
        mine, other = ours.get(account, {}), theirs.get(account, {})
        for asset in sorted(set(mine) | set(other)):
            a, b = Decimal(mine.get(asset, "0")), Decimal(other.get(asset, "0"))
            if a != b:
                found.append({"account": account, "asset": asset, "engine": str(a), "venue": str(b), "difference": str(a - b)})
    return found


def by_venue(positions: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Positions by instrument, whatever account each side books them on: {"bybit": {"bybit:BTC/USDT:USDT": "-0.5"}}."""
    found: dict[str, dict[str, str]] = {}
    for held in positions.values():
        for name, qty in held.items():
            found.setdefault(name.partition(":")[0], {})[name] = qty
    return found


def compare_with_venues(run_dir: pathlib.Path) -> dict[str, Any]:
    """{"equal": bool, "differences": [...]}; "error" when one side could not be read."""
    try:
        report = json.loads((run_dir / "report.json").read_bytes())
        endpoint = json.loads((run_dir / "simex.json").read_bytes())["control"]
        dump = ask(endpoint, {"cmd": "ledger"})
    except (OSError, ValueError, KeyError) as error:
        return {"equal": False, "differences": [], "error": f"{type(error).__name__}: {error}"}
    found = differences(report.get("balances", {}), dump["totals"])
    positions = differences(by_venue(report.get("positions", {})), by_venue(dump["positions_by_account"]))
    return {"equal": not found and not positions, "differences": found + positions}
