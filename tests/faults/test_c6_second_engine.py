"""C6: two engines with the same keys and instance number, on two hosts."""
from cext.client_id import encode_client_id
from engine.events import EventFlag, OrderEvent, OrderStatus, Source
from tests.support.sim_trade import S, World


def event(client_id: str) -> OrderEvent:
    return OrderEvent(client_id, 0, Source.STREAM, OrderStatus.FILLED, venue_order_id=9, trade_id=77, last_qty=5,
                      last_px=10_000_00, cum_qty=5, flags=int(EventFlag.IS_FILL), recv_mono_ns=2 * S)


def test_c6_an_id_of_our_instance_with_a_later_epoch_stops_entries():
    world = World(pairs=1)
    world.manager.identity = (3, 5)
    world.manager.on_order_event(event(encode_client_id(3, 6 << 32 | 1, 0)))
    world.drain()
    assert "second_engine" in world.alert_codes()
    assert world.core.locks[-1][0] > 1 << 60, "all entries stop, for good"
    assert not world.manager.trades, "what is not ours is never touched"


def test_c6_earlier_epochs_and_other_instances_are_not_taken_for_a_rival():
    world = World(pairs=1)
    world.manager.identity = (3, 5)
    for client_id in (encode_client_id(3, 4 << 32 | 1, 0), encode_client_id(2, 9 << 32 | 1, 0), "web_1234"):
        world.manager.on_order_event(event(client_id))
    assert "second_engine" not in world.alert_codes() and -1 not in world.core.locks
