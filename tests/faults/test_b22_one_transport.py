"""B22: two answers to one request. An order leaves by one transport, the order session: REST asks and cancels, it places nothing.
Whatever answers come, from however many sides, are one execution."""
from __future__ import annotations

import ast
import itertools
import pathlib

import pytest

from engine.events import Purpose
from engine.gateways import binance_facts, bybit_facts, okx_facts
from tests.support.sim_trade import MS, S, Treatment, World

GATEWAYS = pathlib.Path(__file__).parents[2] / "engine" / "gateways"
# What a changing request (POST, PUT, DELETE) may do: end orders, keep a stream's key alive, set the cancel timer.
ALLOWED = {"cancel", "cancel_all", "cancel_batch", "cancel_after", "countdown", "listen_key"}
DELETES = {"order", "open_orders"}   # Binance's paths are the same for all verbs


def changing_requests() -> list[tuple[str, str, str]]:
    """(file, verb, name of the path) of every request of a gateway that changes something."""
    found = []
    for path in sorted(GATEWAYS.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)
                    and node.args[0].value in ("POST", "PUT", "DELETE") and len(node.args) > 1):
                where = node.args[1]
                assert isinstance(where, ast.Subscript) and isinstance(where.slice, ast.Constant), ast.unparse(node)
                found.append((path.name, node.args[0].value, where.slice.value))
    return found


def test_b22_no_order_leaves_over_rest():
    found = changing_requests()
    assert len(found) > 8, "nothing was found: the test looks in the wrong place"
    for name, verb, path in found:
        assert path in ALLOWED or (verb == "DELETE" and path in DELETES), f"{name}: {verb} {path}"
    for facts in (bybit_facts.PATHS, okx_facts.PATHS):
        assert not any(path.endswith(("order/create", "trade/order", "batch-orders")) for name, path in facts.items()
                       if name not in ("order", "cancel_batch"))
    assert binance_facts.PATHS["spot"]["order"] == "/api/v3/order"


@pytest.mark.parametrize("order", list(itertools.permutations((1, 40, 700))))
def test_b22_reply_stream_and_question_in_any_order_are_one_execution(order):
    """The reply is so late that the order is asked for; everything that arrives says the same."""
    reply, stream, query = order
    world = World(treat=lambda leg, purpose: Treatment(reply=reply * MS, stream=stream * MS) if purpose == Purpose.ENTRY
                  else Treatment())
    world.query_delay = query * MS
    world.enter(qty=10)
    world.run_for(6 * S)
    assert len({leg.client_id for intent in world.intents for leg in intent.legs}) == len(world.venue.sent_ids)
    assert [intent.purpose for intent in world.intents] == [Purpose.ENTRY], "no second order for one intent"
    world.assert_belief_is_truth()
