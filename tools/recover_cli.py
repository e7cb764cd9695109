"""tools/recover: what a person must decide, over the control socket. Every decision is journaled with who and when."""
from typing import Any

import click

from engine import client
from tools.run_argument import find_run, run_argument


def ask(run: str | None, command: str, **args: Any) -> Any:
    """One command; its refusal is the tool's error."""
    run_dir = find_run(run)
    try:
        return client.call(run_dir, command, **args)
    except (client.NotRunning, client.CommandError, OSError) as error:
        raise click.ClickException(f"run {run_dir.name}: {error}") from error


@click.group()
def main() -> None:
    """What a person must decide. Trades in state MANUAL: recovery has given up on them, nothing is sent for them, their
    instruments take no entries. Differences between ledger and venue that last: their instruments take no entries either."""


@main.command("list")
@run_argument
def list_trades(run: str | None) -> None:
    """One line a trade."""
    waiting = ask(run, "manual")
    if not waiting:
        click.echo("no trade waits for a person")
    for trade in waiting:
        held = ", ".join(f"{units} {name}" for name, units in trade["positions"].items())
        click.echo(f"{trade['trade_id']}  for {trade['waits_s']:.0f} s  residual {trade['residual']}  holds {held}  "
                   f"why: {trade['why']}")


@main.command()
@click.argument("trade_id", type=int)
@run_argument
def show(trade_id: int, run: str | None) -> None:
    """Everything about one trade, and the step that `approve` would take."""
    trade = ask(run, "manual", trade_id=trade_id)[0]
    click.echo(f"trade {trade_id}: {trade['why']}; waits for {trade['waits_s']:.0f} s; residual {trade['residual']}, "
               f"net so far {trade['net']}, fees {trade['fees']}")
    for name, units in trade["positions"].items():
        click.echo(f"  holds {units} {name}")
    for order in trade["orders"]:
        click.echo(f"  {order['purpose']:<7} {order['client_id']} {order['side']:<4} {order['instrument']} {order['executed']} "
                   f"of {order['qty']} at {order['limit']}: {order['state']} {order['end']}")
    proposal = trade["proposal"]
    steps = "; ".join(proposal["legs"]) or proposal["verdict"]
    click.echo(f"  approve would send: {steps}" + (f" ({proposal['cause']})" if proposal["cause"] else ""))
    if trade["has_unknown"]:
        click.echo("  an order's fate is still unknown: it is asked for; cancel is refused until it is proven")


@main.command()
@click.argument("trade_id", type=int)
@run_argument
def approve(trade_id: int, run: str | None) -> None:
    """Recover it again: chases and bands begin anew, with a cap of their own."""
    click.echo(ask(run, "resolve", trade_id=trade_id, decision="retry"))


@main.command()
@click.argument("trade_id", type=int)
@run_argument
@click.option("--yes", is_flag=True, help="do not ask")
def cancel(trade_id: int, run: str | None, yes: bool) -> None:
    """Leave it as it is: what it holds stays open at the venues and goes to the dust ledger; nothing hedges it."""
    trade = ask(run, "manual", trade_id=trade_id)[0]
    held = ", ".join(f"{units} {name}" for name, units in trade["positions"].items())
    if not yes:
        click.confirm(f"trade {trade_id} holds {held}, residual {trade['residual']}: this stays open and unhedged. Accept it",
                      abort=True)
    click.echo(ask(run, "resolve", trade_id=trade_id, decision="accept"))


@main.command()
@run_argument
def differences(run: str | None) -> None:
    """Balances and positions that differ from the venue's, and what takes no entries because of them."""
    found = ask(run, "differences")
    if not found:
        click.echo("ledger and venues are equal, as far as they were compared")
    for one in found:
        click.echo(f"{one['account']} {one['asset']}: ledger {one['ledger']}, venue {one['venue']}; locks {one['locks']}")


@main.command()
@click.argument("account")
@click.argument("asset")
@run_argument
@click.option("--yes", is_flag=True, help="do not ask")
def accept(account: str, asset: str, run: str | None, yes: bool) -> None:
    """The venue is right about a balance (`accept binance:spot BNB`): the ledger gets a correction as an entry of its own."""
    one = next((one for one in ask(run, "differences") if (one["account"], one["asset"]) == (account, asset)), None)
    if one is not None and not yes:
        click.confirm(f"{account} {asset}: ledger {one['ledger']}, venue {one['venue']}. Correct the ledger to that", abort=True)
    click.echo(ask(run, "accept_difference", account=account, asset=asset))
