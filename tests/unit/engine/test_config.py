"""The configuration refuses what is wrong and says where, why, and what would be right; what it accepts lies inside its
ceilings."""

import copy
import io
import os
import pathlib
import typing

import orjson
import pytest
import yaml

from engine.check import check_config
from engine.config import Config, ConfigError, config_hash, dump_effective, load
from feeds.config import LIVE_REFUSED, load_feed_config
from feeds.registry import venue_names

ROOT = pathlib.Path(__file__).resolve().parents[3]
FULL = orjson.loads(dump_effective(Config()))


def write(tmp_path: pathlib.Path, data: object, name: str = "config.yaml") -> pathlib.Path:
    path = tmp_path / name
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False))
    return path


def problems_of(tmp_path: pathlib.Path, data: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, data))
    return caught.value.problems


def leaves(data: dict, place: tuple = ()) -> list[tuple]:
    found = []
    for key, value in data.items():
        found += leaves(value, (*place, key)) if isinstance(value, dict) and value else [(*place, key)]
    return found


def changed(place: tuple, change: typing.Callable) -> dict:
    """The full configuration with change(section, key) applied at one place."""
    data = copy.deepcopy(FULL)
    section = data
    for key in place[:-1]:
        section = section[key]
    change(section, place[-1])
    return data


def bounds_hold(model: object) -> bool:
    """Every number of an accepted configuration lies within the bounds of its field, sections included."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        low = next((m.ge for m in field.metadata if hasattr(m, "ge")), None)
        high = next((m.le for m in field.metadata if hasattr(m, "le")), None)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and low is not None:
            assert low <= value <= high, (name, value)
        if hasattr(type(value), "model_fields"):
            bounds_hold(value)
        elif isinstance(value, dict):
            for item in value.values():
                bounds_hold(item)
    return True


LEAVES = leaves(FULL)


@pytest.mark.parametrize("place", LEAVES, ids=".".join)
def test_every_key_deleted_renamed_scaled_negated_or_made_a_string_is_refused_or_stays_within_ceilings(tmp_path, place):
    def rename(section, key):
        section[key + "_x"] = section.pop(key)

    def scale(section, key):
        if isinstance(section[key], (int, float)) and not isinstance(section[key], bool):
            section[key] = section[key] * 1000

    def negate(section, key):
        if isinstance(section[key], (int, float)) and not isinstance(section[key], bool):
            section[key] = -section[key]

    def as_string(section, key):
        section[key] = str(section[key]) if not isinstance(section[key], str) else 5.5

    for change, must_refuse in (
        (lambda s, k: s.pop(k), False),
        (rename, True),
        (scale, False),
        (negate, False),
        (as_string, True),
    ):
        data = changed(place, change)
        path = write(tmp_path, data)
        try:
            config = load(path)
        except ConfigError as error:
            assert all(str(path) in problem for problem in error.problems)
            assert any(place[-1] in problem or place[-2] in problem for problem in error.problems), error.problems
        else:
            value = FULL
            for key in place:
                value = value[key]
            assert not must_refuse or (change is as_string and value is None), (place, change)
            assert bounds_hold(config)


def test_a_negative_number_is_refused_wherever_the_field_has_no_negative_range(tmp_path):
    refused = 0
    for place in LEAVES:
        value = FULL
        for key in place:
            value = value[key]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            try:
                config = load(write(tmp_path, changed(place, lambda s, k: s.__setitem__(k, -s[k]))))
                assert "fees" in place, place
                assert bounds_hold(config)
            except ConfigError:
                refused += 1
    assert refused > 60


def test_unknown_key_names_line_and_nearest_key(tmp_path):
    problems = problems_of(tmp_path, "mode: sim\nfeeds:\n  ring_capacity: 4096\n  ws_stale_s: 1\n")
    assert len(problems) == 1
    assert ":4: feeds.ws_stale_s: unknown key; did you mean ws_stale_ms?" in problems[0]


def test_all_problems_are_told_at_once_each_with_its_line(tmp_path):
    problems = problems_of(
        tmp_path, "mode: sim\nfeeds:\n  ring_capacity: '1'\nrisk:\n  max_order_usd: .inf\n  bogus: 1\nextra: 2\n"
    )
    assert [problem.split(": ")[0].rsplit(":", 1)[1] for problem in sorted(problems)] == ["3", "5", "6", "7"]


def test_out_of_range_says_bounds_meaning_and_default(tmp_path):
    (problem,) = problems_of(tmp_path, "mode: sim\nfeeds: {max_skew_ms: 9000}\n")
    assert ":2: feeds.max_skew_ms: 9000 is not right; right is a whole number from 1 to 2_000" in problem
    assert "default 250" in problem


@pytest.mark.parametrize(
    "text, part",
    [
        ("mode: sim\nmode: paper\n", ":2: mode: given twice"),
        ("mode: [sim\n", "not YAML"),
        ("- sim\n", "not a table of sections"),
        ("mode: sim\nfeeds: 3\n", "feeds: 3 is not right; right is a section"),
        ("mode: sim\nvenues: {binanse: {}}\n", ":2: venues.binanse: venue 'binanse' is unknown; did you mean binance? known are binance, binanceus"),
        ("mode: sim\nvenues: {binanceus: {markets: [spot, linear]}}\n",
         ":2: venues.binanceus.markets: Binance.US has no market linear; right is spot"),
        ("mode: sim\nvenues: {binanceus: {symbols: ['BTC/USDT:USDT']}}\n",
         ":2: venues.binanceus.symbols: BTC/USDT:USDT is linear, but markets are spot"),
        ("mode: sim\nvenues: {binanceus: {order_auth: ed25519}}\n",
         ":2: venues.binanceus.order_auth: 'ed25519' is no kind of key of Binance.US; right is hmac"),
        ("mode: testnet\nvenues: {binanceus: {}}\n",
         ":2: venues.binanceus: Binance.US has no testnet addresses; it runs in sim, dry_run, paper"),
        ("mode: sim\nvenues:\n  binanceus:\n    endpoints:\n      spot_wss: ws://127.0.0.1:1\n",
         ":5: venues.binanceus.endpoints.spot_wss: Binance.US has no such address; did you mean spot_ws?"),
        ("mode: sim\nstrategies:\n  cross_exchange:\n    inventory_target: {bibyt: 1}\n",
         ":4: strategies.cross_exchange.inventory_target.bibyt: venue 'bibyt' is unknown; did you mean bybit? known are binance, "),
        ("mode: sim\nvenues: {binance: {}, okx: {}}\nstrategies:\n  cross_exchange:\n    inventory_target:\n      okxus: 1\n",
         ":6: strategies.cross_exchange.inventory_target.okxus: okxus: no such venue in this configuration; did you mean okx?"),
        ("mode: sim\nvenues: {binance: {endpoints: {spot_ws: nowhere}}}\n", "venues.binance.endpoints.spot_ws: not an address; right is"),
        ("mode: sim\nvenues: {binance: {symbols: [btcusdt]}}\n", "'btcusdt' is no instrument; right is BTC/USDT"),
        ("mode: sim\nvenues: {binance: {symbols: [BTC/USDT, BTC/USDT]}}\n", "names an instrument twice"),
        ("mode: sim\nfeeds: {ring_capacity: 5000}\n", "feeds.ring_capacity: 5000 is not a power of two; 8192 is"),
        ("mode: sim\nfeeds: {dead_after_ms: 600, ping_idle_ms: 400}\n", ":2: feeds.dead_after_ms: 600 must be at least twice"),
        ("mode: sim\nrecovery: {unwind_bands_bps: [10, 5]}\n", ":2: recovery.unwind_bands_bps: bands must widen"),
        (
            "mode: sim\nrisk:\n  max_order_usd: 10\n",
            "strategies.spot_futures.max_notional_usd: 1000.0 is above risk.max_order_usd 10",
        ),
        (
            "mode: sim\nvenues:\n  binance:\n    endpoints:\n      spot_rest: https://api.binance.com\n",
            ":5: venues.binance.endpoints.spot_rest: mode sim reaches loopback addresses only",
        ),
        ("mode: testnet\n", "needs ed25519_key and ed25519_private as file:/path references"),
        ("mode: testnet\nvenues: {okx: {}}\n",
         ":2: venues.okx.credentials: mode testnet with order_auth hmac needs hmac_key and hmac_secret and passphrase as file:"),
        ("mode: sim\nvenues: {okx: {}}\nstrategies: {cross_exchange: {enabled: true}}\n",
         ":3: strategies.cross_exchange.enabled: needs spot on two venues, and okx of venues has it"),
        ("mode: sim\nvenues: {okx: {markets: [linear]}}\nstrategies: {cross_exchange: {enabled: true}}\n",
         "strategies.cross_exchange.enabled: needs spot on two venues, and none of venues has it"),
        ("mode: sim\nstrategies:\n  cross_exchange:\n    inventory_target: {binance: 1, krakken: 2}\n",
         ":4: strategies.cross_exchange.inventory_target.krakken: venue 'krakken' is unknown"),
        ("mode: sim\nstrategies: {cross_exchange: {inventory_target: {binance: -1}}}\n",
         "strategies.cross_exchange.inventory_target.binance: -1 is not right"),
        ("mode: sim\nvenues: {okx: {}}\nconversions: [{from: USDC, to: USDT, source: 'binance:USDC/USDT'}]\n",
         ":3: conversions[0].source: binance: no such venue in this configuration; right is one of okx"),
        ("mode: simulation\n", "'simulation' is not right; right is sim or dry_run or paper or testnet"),
    ],
)
def test_refusals_say_what_would_be_right(tmp_path, text, part):
    assert any(part in problem for problem in problems_of(tmp_path, text))


def test_choice_of_types_names_keys_of_the_file_only_and_says_one_thing(tmp_path):
    """pydantic puts the type it tried into the location: nobody wrote literal['even'] or dict[...] into a file."""
    found = problems_of(tmp_path, "mode: sim\nstrategies:\n  cross_exchange:\n    inventory_target: {krakken: 2}\n")
    assert len(found) == 1 and "[" not in found[0].partition("known are")[0]


def test_what_a_section_leaves_out_is_what_the_venue_says_of_itself(tmp_path):
    config = load(write(tmp_path, "mode: sim\nvenues: {binanceus: {fees: {spot_maker_bps: 1}}, binance: {}}\n"))
    us, world = config.venues["binanceus"], config.venues["binance"]
    assert (us.markets, us.order_auth, us.fees.spot_maker_bps, us.fees.spot_taker_bps) == (["spot"], "hmac", 1, 10)
    assert (world.markets, world.order_auth, world.fees.linear_taker_bps) == (["spot", "linear"], "ed25519", 5)
    path = tmp_path / "config.json"
    path.write_bytes(dump_effective(config))
    assert load(path) == config


def test_live_is_refused_with_one_sentence(tmp_path):
    (problem,) = problems_of(tmp_path, "mode: live\n")
    assert problem.endswith(f":1: mode: {LIVE_REFUSED}")
    with pytest.raises(ConfigError, match="live trading is refused"):
        load(ROOT / "config" / "live.example.yaml")


def test_a_secret_in_the_configuration_is_refused_and_never_repeated(tmp_path):
    for text in ("mode: sim\nvenues: {binance: {credentials: {hmac_key: Sup3rS3cret, hmac_secret: Sup3rS3cret}}}\n",
                 "mode: sim\nvenues: {binance: {credentials: Sup3rS3cret}}\n",
                 "mode: sim\nvenues: {binance: {credentials: [Sup3rS3cret]}}\n"):
        assert "Sup3rS3cret" not in "\n".join(problems_of(tmp_path, text))


def test_secret_files_must_be_private_own_and_filled(tmp_path):
    key = tmp_path / "key"
    key.write_text("k" * 64)
    text = f"mode: sim\nvenues: {{binance: {{credentials: {{hmac_key: 'file:{key}', hmac_secret: 'file:{key}'}}}}}}\n"
    os.chmod(key, 0o644)
    assert "chmod 600" in problems_of(tmp_path, text)[0]
    os.chmod(key, 0o600)
    config = load(write(tmp_path, text))
    reference = config.venues["binance"].credentials.hmac_key
    assert reference.reveal() == "k" * 64
    assert "kkkk" not in repr(config) and "kkkk" not in dump_effective(config).decode() and "***" in repr(reference)
    key.write_text("  \n")
    with pytest.raises(ValueError, match="blank"):
        reference.reveal()
    key.unlink()
    assert "cannot be read" in problems_of(tmp_path, text)[0]
    key.mkdir()
    assert "not a regular file" in problems_of(tmp_path, text)[0]


def test_half_a_key_pair_is_refused(tmp_path):
    key = tmp_path / "key"
    key.touch(0o600)
    key.write_text("x" * 10)
    problems = problems_of(tmp_path, f"mode: sim\nvenues: {{binance: {{credentials: {{hmac_key: 'file:{key}'}}}}}}\n")
    assert any("hmac_key and hmac_secret belong together" in problem for problem in problems)


def test_hash_depends_on_meaning_not_on_form(tmp_path):
    one = load(write(tmp_path, "mode: sim\nfeeds: {ring_capacity: 8192, seed: 2}\n"))
    two = load(write(tmp_path, "# a comment\nfeeds:\n  seed: 2\n  ring_capacity: 8192\nmode: sim\n"))
    three = load(write(tmp_path, "mode: sim\nfeeds: {ring_capacity: 8192, seed: 3}\n"))
    assert config_hash(one) == config_hash(two) != config_hash(three)
    assert len(config_hash(one)) == 16


def test_effective_configuration_reads_back_equal(tmp_path):
    config = load(ROOT / "config" / "sim.yaml")
    path = tmp_path / "config.json"
    path.write_bytes(dump_effective(config))
    assert load(path) == config
    assert load_feed_config(path).feeds == config.feeds


@pytest.mark.parametrize("name", ["sim", "paper", "dry_run"])
def test_shipped_configurations_are_accepted(name):
    assert load(ROOT / "config" / f"{name}.yaml").mode == name


def test_testnet_configuration_lacks_only_its_keys():
    with pytest.raises(ConfigError) as caught:
        load(ROOT / "config" / "testnet.yaml")
    assert all("credentials" in problem for problem in caught.value.problems)


def test_check_prints_configuration_and_hash(tmp_path):
    out, err = io.StringIO(), io.StringIO()
    path = write(tmp_path, "mode: sim\n")
    assert check_config(path, out, err) == 0
    text, _, last = out.getvalue().rstrip().rpartition("\n")
    assert orjson.loads(text)["feeds"]["ring_capacity"] == 4096
    assert last == f"config_hash {config_hash(load(path))}"
    assert check_config(write(tmp_path, "mode: live\n"), out, err) == 2
    assert "live trading is refused" in err.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"mode: !!python/object/apply:os.system ['true']\n",
        b"a: &a [*a]\n",
        b"{" * 5000,
        b"\x00",
        b"mode: sim\n? [1, 2]\n: 3\n",
    ],
)
def test_hostile_files_end_in_one_clear_error(tmp_path, content):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_directory_are_named(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="directory"):
        load(tmp_path)


def test_cores_are_resolved():
    engine = Config().engine
    assert engine.resolved_cpu([0, 1, 2]) == 2
    assert engine.resolved_cpu([3]) is None
    assert not engine.resolved_spin(1) and engine.resolved_spin(8)
    with pytest.raises(ConfigError, match="core 9 is not available"):
        engine.model_copy(update={"cpu": 9}).resolved_cpu([0, 1])


@pytest.mark.parametrize("venue", venue_names())
def test_every_venue_that_exists_may_have_a_section_and_a_share_of_the_inventory(tmp_path, venue):
    path = tmp_path / "config.yaml"
    path.write_text(f"mode: sim\nvenues: {{{venue}: {{}}}}\nstrategies: {{cross_exchange: {{inventory_target: {{{venue}: 2}}}}}}\n")
    config = load(path)
    assert list(config.venues) == [venue] and config.strategies.cross_exchange.inventory_target == {venue: 2.0}
