"""What the feed process is told: mode, run, feeds and venues. engine/config.py embeds these sections in the whole configuration.

A feed reads `<run_dir>/config.json`, which the supervisor wrote from the checked configuration; `load_feed_config` checks it
again. Bounds are hard: they stand in this code, no file can pass them."""
import contextlib
import difflib
import os
import pathlib
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from feeds.strict import ConfigError, Misplaced, SecretRef, StrictModel, check_document, number, read_document

if TYPE_CHECKING:
    from feeds.venue import FeedVenue

__all__ = [
    "ConfigError",
    "FeedProcessConfig",
    "FeedsConfig",
    "Mode",
    "RunConfig",
    "SecretRef",
    "StrictModel",
    "SymbolName",
    "VenueConfig",
    "Venues",
    "load_feed_config",
]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LIVE_REFUSED = ("live trading is refused until recovery and guard are proven; use sim, dry_run, paper or testnet")


def _check_mode(mode: str) -> str:
    if mode == "live":
        raise ValueError(LIVE_REFUSED)
    return mode


Mode = Annotated[Literal["sim", "dry_run", "paper", "testnet", "live"], AfterValidator(_check_mode)]


def _check_symbol(name: str) -> str:
    if not re.fullmatch(r"[A-Z0-9]{1,20}/[A-Z0-9]{1,10}(:[A-Z0-9]{1,10})?", name):
        raise ValueError(f"{name[:60]!r} is no instrument; right is BTC/USDT (spot) or BTC/USDT:USDT (linear perpetual)")
    return name


SymbolName = Annotated[str, AfterValidator(_check_symbol)]


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        raise ValueError("not an address; right is http(s)://host[:port] or ws(s)://host[:port][/path]")
    if parts.username or parts.password:
        raise ValueError("an address must not carry credentials")
    return url.rstrip("/")


Url = Annotated[str, AfterValidator(_check_url)]


class RunConfig(StrictModel):
    """Where a run keeps its files and what a stop does."""

    var_dir: str = Field("var", min_length=1, description="directory of runs and instrument tables")
    on_stop: Literal["close", "keep"] = Field("close", description="what a stop does with open pairs")


class FeedsConfig(StrictModel):
    """Every feed process."""

    cpu: Literal["auto", "none"] | Annotated[int, Field(ge=0, le=1023)] = Field(
        "auto", description="auto, none or a core's number"
    )
    ring_capacity: int = number(4096, 256, 1 << 18, "book records, a power of two")
    trade_ring_capacity: int = number(8192, 256, 1 << 18, "trade records, a power of two")
    ws_stale_ms: int = number(500, 50, 5000, "no proof of life for so long = not traded on")
    max_data_age_ms: int = number(100, 1, 1000, "receive time less event time, skew removed")
    max_skew_ms: int = number(250, 1, 2000, "how far proofs of life of two books may lie apart")
    connections_per_market: int = number(2, 1, 8, "sockets over which the book streams of one market are spread")
    ping_idle_ms: int = number(250, 100, 5000, "silence on a socket after which we ping")
    dead_after_ms: int = number(4000, 500, 5000, "silence after which a socket is given up and connected anew")
    first_message_timeout_ms: int = number(
        10_000, 500, 60_000, "a stream without a first message after so long is subscribed again"
    )
    reconnect_first_ms: int = number(100, 100, 10_000, "first back-off of a connection")
    reconnect_last_ms: int = number(30_000, 100, 60_000, "longest back-off of a connection")
    rotate_after_s: int = number(82_800, 60, 86_000, "a socket is replaced before the venue's 24 h cut")
    instruments_refresh_s: int = number(600, 1, 86_400, "instruments are read again, a change takes them out")
    snapshots_in_flight: int = number(4, 1, 16, "REST depth requests at a time, each market")
    frame_max_bytes: int = number(1 << 20, 1 << 16, 1 << 20, "a larger frame closes its connection")
    seed: int = number(1, 0, (1 << 53) - 1, "jitter of the back-offs")
    trades: bool = Field(True, description="read public trades too")
    capture: str | None = Field(None, description="file that raw frames are recorded into, null = off")

    @model_validator(mode="after")
    def _check_together(self) -> "FeedsConfig":
        for name in ("ring_capacity", "trade_ring_capacity"):
            value = getattr(self, name)
            if value & (value - 1):
                raise Misplaced((name,), f"{value} is not a power of two; {1 << value.bit_length()} is")
        if self.reconnect_last_ms < self.reconnect_first_ms:
            raise Misplaced(
                ("reconnect_last_ms",), f"{self.reconnect_last_ms} is below reconnect_first_ms {self.reconnect_first_ms}"
            )
        if self.dead_after_ms < 2 * self.ping_idle_ms:
            raise Misplaced(
                ("dead_after_ms",), f"{self.dead_after_ms} must be at least twice ping_idle_ms, else no pong can arrive in time"
            )
        return self


class Credentials(StrictModel):
    """References to files, mode 0600, owned by the user; never the secrets themselves."""

    hmac_key: SecretRef | None = Field(None, description="API key of the HMAC pair")
    hmac_secret: SecretRef | None = Field(None, description="secret of the HMAC pair")
    ed25519_key: SecretRef | None = Field(None, description="API key that belongs to the Ed25519 key")
    ed25519_private: SecretRef | None = Field(None, description="Ed25519 private key, PKCS#8 PEM")
    passphrase: SecretRef | None = Field(None, description="passphrase of the HMAC pair, where the venue has one")

    @model_validator(mode="after")
    def _check_pairs(self) -> "Credentials":
        if (self.hmac_key is None) != (self.hmac_secret is None):
            raise ValueError("hmac_key and hmac_secret belong together; give both or none")
        if (self.ed25519_key is None) != (self.ed25519_private is None):
            raise ValueError("ed25519_key and ed25519_private belong together; give both or none")
        return self


class Fees(StrictModel):
    """What the table assumes until the account's own fees are read; where nothing is given, what the venue says of itself."""

    spot_taker_bps: float = number(10.0, -2, 50, "taker fee on spot")
    spot_maker_bps: float = number(10.0, -2, 50, "maker fee on spot")
    linear_taker_bps: float = number(5.0, -2, 50, "taker fee on linear perpetuals")
    linear_maker_bps: float = number(2.0, -2, 50, "maker fee on linear perpetuals")


class VenueConfig(StrictModel):
    """One venue: what is read there and how orders are signed. In a file, markets, order_auth and fees that are not given are
    those of the venue (feeds/venues/<name>.py)."""

    markets: list[Literal["spot", "linear"]] = Field(
        ["spot", "linear"], min_length=1, max_length=2, description="spot, linear or both, as far as the venue has them"
    )
    symbols: Literal["auto"] | list[SymbolName] = Field(
        "auto",
        description="auto = every base with spot and perpetual in the quote asset; else such as [BTC/USDT, 'BTC/USDT:USDT']",
    )
    quote: str = Field("USDT", pattern=r"^[A-Z0-9]{2,10}$", description="quote asset of the automatic choice")
    symbols_max: int = number(200, 1, 2000, "instruments read at most")
    endpoints: dict[str, Url] = Field(
        default_factory=dict, description="role -> address in place of the venue's own, for a proxy or a test"
    )
    credentials: Credentials = Credentials()
    order_auth: str = Field(
        "ed25519", pattern=r"^[a-z0-9_]{1,20}$", description="kind of key: ed25519 or hmac, as the venue has it"
    )
    recv_window_ms: int = number(500, 50, 5000, "receive window of signed requests")
    fees: Fees = Fees()

    @model_validator(mode="after")
    def _check_lists(self) -> "VenueConfig":
        if len(set(self.markets)) != len(self.markets):
            raise Misplaced(("markets",), "a market is named twice")
        if isinstance(self.symbols, list):
            if not self.symbols or len(set(self.symbols)) != len(self.symbols):
                raise Misplaced(
                    ("symbols",), "is empty or names an instrument twice; right is auto or a list of different instruments"
                )
            if len(self.symbols) > self.symbols_max:
                raise Misplaced(
                    ("symbols_max",), f"symbols names {len(self.symbols)} instruments, symbols_max allows {self.symbols_max}"
                )
        return self


def _check_venue_name(name: str) -> str:
    from feeds.registry import feed_venue  # venues are made of this page's types
    feed_venue(name)
    return name


VenueName = Annotated[str, AfterValidator(_check_venue_name)]


def _with_venue_defaults(sections: Any) -> Any:
    """What a section leaves out is what the venue says of itself. Names and types are checked afterwards."""
    from feeds.registry import UnknownVenue, feed_venue
    if not isinstance(sections, dict):
        return sections
    filled = dict(sections)
    for name, section in sections.items():
        if isinstance(section, dict):
            with contextlib.suppress(UnknownVenue, TypeError):
                venue = feed_venue(name)
                fees = section.get("fees", {})
                filled[name] = {"markets": list(venue.markets), "order_auth": next(iter(venue.credentials)), **section,
                                "fees": {**venue.fees, **fees} if isinstance(fees, dict) else fees}
    return filled


# A section for each venue, by name.
Venues = Annotated[dict[VenueName, VenueConfig], BeforeValidator(_with_venue_defaults)]


def check_venues(mode: str, venues: dict[str, VenueConfig]) -> None:
    """What depends on the venue and the mode: markets, addresses and keys that the venue has; simulated runs reach loopback only,
    nothing but sim and paper stays without credentials where orders are sent."""
    from feeds.registry import feed_venue
    for name, config in venues.items():
        venue = feed_venue(name)
        if mode != "sim" and mode not in venue.endpoints:
            raise Misplaced(("venues", name),
                            f"{venue.title} has no {mode} addresses; it runs in sim, {', '.join(venue.endpoints)}")
        _check_markets(venue, config)
        _check_endpoints(mode, venue, config)
        if config.order_auth not in venue.credentials:
            raise Misplaced(("venues", name, "order_auth"),
                            f"{config.order_auth!r} is no kind of key of {venue.title}; right is "
                            f"{' or '.join(venue.credentials)}")
        missing = [field for field in venue.credentials[config.order_auth] if getattr(config.credentials, field) is None]
        if mode == "testnet" and missing:
            raise Misplaced(("venues", name, "credentials"), f"mode testnet with order_auth {config.order_auth} needs "
                            f"{' and '.join(missing)} as file:/path references")


def _check_markets(venue: "FeedVenue", config: VenueConfig) -> None:
    for market in config.markets:
        if market not in venue.markets:
            raise Misplaced(("venues", venue.name, "markets"),
                            f"{venue.title} has no market {market}; right is {' or '.join(venue.markets)}")
    for symbol in config.symbols if isinstance(config.symbols, list) else ():
        market = "linear" if ":" in symbol else "spot"
        if market not in config.markets:
            raise Misplaced(("venues", venue.name, "symbols"),
                            f"{symbol} is {market}, but markets are {' and '.join(config.markets)}; remove it or add the market")


def _check_endpoints(mode: str, venue: "FeedVenue", config: VenueConfig) -> None:
    for role, url in config.endpoints.items():
        if role not in venue.roles:
            near = difflib.get_close_matches(role, venue.roles, n=1)
            raise Misplaced(("venues", venue.name, "endpoints", role), f"{venue.title} has no such address; "
                            + (f"did you mean {near[0]}? " if near else "") + f"it has {', '.join(venue.roles)}")
        if mode == "sim" and urlsplit(url).hostname not in LOOPBACK:
            raise Misplaced(("venues", venue.name, "endpoints", role),
                            "mode sim reaches loopback addresses only; remove it or choose another mode")


class FeedProcessConfig(StrictModel):
    """The sections that a feed process looks at."""

    mode: Mode
    run: RunConfig = RunConfig()
    feeds: FeedsConfig = FeedsConfig()
    venues: Venues = Field(min_length=1, description="a section for each venue")

    @model_validator(mode="after")
    def _check_mode_and_venues(self) -> "FeedProcessConfig":
        check_venues(self.mode, dict(self.venues))
        return self


def load_feed_config(path: str | os.PathLike[str]) -> FeedProcessConfig:
    """The feed's sections of a configuration file (sections of others are checked by engine/config.py)."""
    return check_document(read_document(pathlib.Path(path)), FeedProcessConfig, only=set(FeedProcessConfig.model_fields))


def effective(model: StrictModel) -> dict[str, Any]:
    """The model as plain JSON values; secrets appear as their file references."""
    return model.model_dump(mode="json")
