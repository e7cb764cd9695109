"""A18: another coin's prices in an instrument's slot are no edge."""
from cext.core import CMD_REFUSED, CMD_SEND, GATE_PRICE_BAND, PairParams
from tests.support.core_world import MS, World, instrument

VENUES = ("binance", "bybit", "okx")


def three_venues() -> World:
    """BTC perpetuals of three venues, every two of them a pair, all books around 60,000."""
    world = World([instrument(row, "linear", venue=venue) for row, venue in enumerate(VENUES)],
                  {"max_order_usd": 10**6, "max_position_usd": 10**6, "max_symbol_usd": 10**6, "max_venue_usd": 10**6,
                   "max_total_usd": 10**6, "max_delta_usd": 10**6})
    for pair in ((0, 1), (0, 2), (1, 2)):
        world.core.add_pair(*pair, PairParams(max_notional_usd=1_000))
    for row in range(3):
        quote(world, row, 60_000)
    assert world.evaluate() == []
    return world


def quote(world: World, row: int, bid: float) -> list[tuple[int, int, int]]:
    world.now += MS
    world.book(row, [(bid, "5")], [(bid + 0.5, "5")], connection=row)
    for connection in range(3):
        world.core.on_alive(connection, world.now)
    return world.evaluate()


def test_a18_a_book_of_another_coin_takes_no_entry_and_the_others_go_on():
    """Venue 1's slot is fed with a coin of 1,700, then with one that is 8 % dearer: no entry in any pair with it. A true edge
    between the two others is taken meanwhile."""
    for wrong in (1_700, 64_800):
        world = three_venues()
        found = quote(world, 1, wrong)
        assert found and all(kind != CMD_SEND for kind, _, _ in found)
        assert any(kind == CMD_REFUSED and reason == GATE_PRICE_BAND for kind, reason, _ in found)
        sent = [index for kind, _, index in quote(world, 2, 60_300) if kind == CMD_SEND]
        legs = [{leg["instrument_id"] for leg in world.core.intent(index)["legs"]} for index in sent]
        assert legs == [{0, 2}]
        world.core.check()


def test_a18_with_two_venues_neither_is_believed():
    world = World([instrument(row, "linear", venue=venue) for row, venue in enumerate(VENUES[:2])])
    world.core.add_pair(0, 1, PairParams(max_notional_usd=1_000))
    quote(world, 0, 60_000)
    assert all(kind != CMD_SEND for kind, _, _ in quote(world, 1, 63_100))
    assert any(kind == CMD_SEND for kind, _, _ in quote(world, 1, 62_900)), "4.8 %: dear, and within the band"


def test_a18_the_band_knows_multipliers():
    """1000SHIB against SHIB: three decimals apart, one price."""
    rows = [instrument(0, "linear", "SHIB", venue="binance", multiplier=1000, symbol="1000SHIBUSDT", min_px="0.0001",
                       tick="0.0001", px_scale=4, lot="1", min_qty="1", qty_scale=0, max_qty="100000000"),
            instrument(1, "linear", "SHIB", venue="bybit", min_px="0.0000001", tick="0.0000001", px_scale=7, lot="1", min_qty="1",
                       qty_scale=0, max_qty="100000000")]
    world = World(rows)
    world.core.add_pair(0, 1, PairParams(max_notional_usd=500))
    world.book(0, [("0.0250", "1000000")], [("0.0251", "1000000")], connection=0)
    assert world.evaluate() == []
    world.now += MS
    world.book(1, [("0.0000258", "100000000")], [("0.0000259", "100000000")], connection=1)
    assert [kind for kind, _, _ in world.evaluate()] == [CMD_SEND]
