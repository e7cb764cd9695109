"""OKX: what REST tells beside orders: the public endpoints, and the account's.

Each takes the account (None for public ones) and parameters and returns the rows of `data`, or raises VenueError.  Source: public
data, market data and trading account pages (2026-06 to 2026-09).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tools.simex import okx_errors as errors
from tools.simex.contract import LINEAR, SPOT
from tools.simex.instrument import Instrument
from tools.simex.ledger import Account
from tools.simex.okx_errors import VenueError
from tools.simex.okx_events import Sums, bill_row, money
from tools.simex.okx_listing import INST_TYPES, MARKETS_OF, MAX_LEVERAGE, OTHER_TYPES, family, instrument_row, trim
from tools.simex.okx_orders import Params, one_of, page, text_of
from tools.simex.okx_streams import LEVELS_MAX, OkxHub, funding_row, index_row, level_rows, mark_row, ticker_row, trade_row

if TYPE_CHECKING:
    from tools.simex.okx_dialect import OkxDialect

Rows = list[dict[str, Any]]
# Part of the largest order that a tier reaches to, its highest leverage, its maintenance rate.
TIERS = (("0.05", "100", "0.004"), ("0.2", "50", "0.01"), ("1", "20", "0.025"))


class Queries:
    def __init__(self, dialect: OkxDialect) -> None:
        self.dialect = dialect
        self.venue = dialect.venue
        self.clock = self.venue.clock
        self.orders = dialect.orders
        self.by_id = dialect.by_id

    def _instruments(self, params: Params) -> list[Instrument]:
        """Of instType, and instId, instFamily or uly when they are given."""
        kind = text_of(params, "instType")
        if kind not in MARKETS_OF and kind not in OTHER_TYPES:
            raise errors.bad("instType")
        market = MARKETS_OF.get(kind)
        group, inst_id = params.get("instFamily") or params.get("uly"), params.get("instId")
        return [
            i
            for i in self.venue.instruments
            if i.market == market and group in (None, "", family(i)) and inst_id in (None, "", i.symbol)
        ]

    def _perpetuals(self, params: Params) -> list[Instrument]:
        """The one of instId; all for ANY, or without a name."""
        if params.get("instId") in (None, "", "ANY"):
            return [i for i in self.venue.instruments if i.market == LINEAR]
        instrument = self.orders.instrument(params)
        if instrument.market != LINEAR:
            raise VenueError(51015, "Instrument type doesn't match.")
        return [instrument]

    def _hub(self, instrument: Instrument) -> OkxHub:
        hub = self.venue.hubs[instrument.market]
        assert isinstance(hub, OkxHub)
        return hub

    # ---- public --------------------------------------------------------------------------------------

    def time(self, account: Account | None, params: Params) -> Rows:
        return [{"ts": str(self.clock.wall_ms())}]

    def system_status(self, account: Account | None, params: Params) -> Rows:
        """Without `state` those that are to come or going on."""
        now_ms = self.clock.wall_ms()
        return [{"title": one.title, "state": one.state(now_ms), "begin": str(one.begin_ms), "end": str(one.end_ms), "href": "",
                 "preOpenBegin": "", "serviceType": "5", "system": "unified", "scheDesc": "", "maintType": "1", "env": "1"}
                for one in self.venue.maintenance if one.state(now_ms) in ("scheduled", "ongoing")]

    def instruments(self, account: Account | None, params: Params) -> Rows:
        return [instrument_row(i) for i in self._instruments(params)]

    def books(self, account: Account | None, params: Params) -> Rows:
        instrument = self.orders.instrument(params)
        text = text_of(params, "sz", "1")
        if not text.isdigit() or not 1 <= int(text) <= LEVELS_MAX:
            raise errors.bad("sz")
        hub, book = self._hub(instrument), self.venue.book(instrument)
        return [
            {
                "asks": level_rows(instrument, book.levels(False, int(text))),
                "bids": level_rows(instrument, book.levels(True, int(text))),
                "ts": str(self.clock.wall_ms()),
                "seqId": hub.seq_id(book),
            }
        ]

    def ticker(self, account: Account | None, params: Params) -> Rows:
        instrument = self.orders.instrument(params)
        return [ticker_row(self._hub(instrument), instrument, self.clock.wall_ms())]

    def tickers(self, account: Account | None, params: Params) -> Rows:
        return [ticker_row(self._hub(i), i, self.clock.wall_ms()) for i in self._instruments(params)]

    def trades(self, account: Account | None, params: Params) -> Rows:
        instrument = self.orders.instrument(params)
        count = int(text_of(params, "limit", "100")) if text_of(params, "limit", "100").isdigit() else 100
        kept = list(self._hub(instrument).trades[instrument.symbol])[-min(500, count) :]
        return [trade_row(t) | {"source": "0"} for t in reversed(kept)]

    def index_tickers(self, account: Account | None, params: Params) -> Rows:
        found = [i for i in self.venue.instruments if i.market == SPOT and params.get("instId") in (None, "", i.symbol)]
        return [index_row(self.venue, i, self.clock.wall_ms()) for i in found]

    def mark_price(self, account: Account | None, params: Params) -> Rows:
        return [mark_row(self.venue, i, self.clock.wall_ms()) for i in self._instruments(params) if i.market == LINEAR]

    def funding_rate(self, account: Account | None, params: Params) -> Rows:
        listed = [i for i in self._perpetuals(params) if i.symbol in self.venue.funding]
        return [funding_row(self.venue, i, self.clock.wall_ms()) for i in listed]

    def funding_history(self, account: Account | None, params: Params) -> Rows:
        text_of(params, "instId")
        (instrument,) = self._perpetuals(params)
        told = self.venue.funding[instrument.symbol].history
        return [
            {
                "formulaType": "withRate",
                "fundingRate": money(row["rate_e8"]),
                "fundingTime": str(row["time"]),
                "instId": instrument.symbol,
                "instType": "SWAP",
                "method": "current_period",
                "realizedRate": money(row["rate_e8"]),
            }
            for row in page(params, told[::-1], lambda row: (row["time"], row["time"]))
        ]

    def position_tiers(self, account: Account | None, params: Params) -> Rows:
        """Sizes in contracts."""
        one_of(params, "instType", ("SWAP", "FUTURES", "OPTION", "MARGIN"))
        one_of(params, "tdMode", ("cross", "isolated"))
        rows: Rows = []
        for i in self._instruments(params):
            low = "0"
            for number, (part, leverage, maintenance) in enumerate(TIERS, 1):
                high = i.size_text(int(i.max_qty * Decimal(part)) // i.step * i.step)
                rows.append(
                    {
                        "instFamily": family(i),
                        "uly": family(i),
                        "instId": "",
                        "tier": str(number),
                        "minSz": low,
                        "maxSz": high,
                        "maxLever": leverage,
                        "imr": trim(f"{1 / int(leverage):.6f}"),
                        "mmr": maintenance,
                        "optMgnFactor": "0",
                        "quoteMaxLoan": "",
                        "baseMaxLoan": "",
                    }
                )
                low = high
        return rows

    # ---- the account ---------------------------------------------------------------------------------

    def _sums(self, account: Account) -> Sums:
        return self.dialect.sums(account)

    def balance(self, account: Account, params: Params) -> Rows:
        sums = self._sums(account)
        wanted = text_of(params, "ccy", "")
        assets = [a for a in sums.assets() if not wanted or a in wanted.split(",")]
        return [sums.summary(assets, self.clock.wall_ms())]

    def positions(self, account: Account, params: Params) -> Rows:
        kind, names = params.get("instType"), [n for n in text_of(params, "instId", "").split(",") if n]
        if kind and kind not in MARKETS_OF and kind not in OTHER_TYPES:
            raise errors.bad("instType")
        if kind not in (None, "", "SWAP"):
            return []
        sums, now = self._sums(account), self.clock.wall_ms()
        held = [p for p in account.positions.values() if p.qty and (not names or p.instrument.symbol in names)]
        return [sums.position_row(p, now) for p in held]

    def config(self, account: Account, params: Params) -> Rows:
        return [
            {
                "uid": str(account.uid),
                "mainUid": str(account.uid),
                "acctLv": self.dialect.account_level,
                "acctStpMode": "cancel_maker",
                "posMode": "long_short_mode" if account.has_flag("hedge_mode") else "net_mode",
                "autoLoan": False,
                "greeksType": "PA",
                "feeType": "0",
                "level": "Lv1",
                "levelTmp": "",
                "ctIsoMode": "automatic",
                "mgnIsoMode": "automatic",
                "enableSpotBorrow": False,
                "spotBorrowAutoRepay": False,
                "spotOffsetType": "",
                "roleType": "0",
                "traderInsts": [],
                "spotRoleType": "0",
                "spotTraderInsts": [],
                "opAuth": "0",
                "kycLv": "2",
                "label": "lockstep",
                "ip": "",
                "perm": "read_only,trade,withdraw" if account.has_flag("may_withdraw") else "read_only,trade",
                "liquidationGear": "-1",
                "settleCcy": "",
                "settleCcyList": [],
                "type": "0",
            }
        ]

    def leverage(self, account: Account, params: Params) -> Rows:
        one_of(params, "mgnMode", ("cross", "isolated"))
        rows: Rows = []
        for name in text_of(params, "instId").split(","):
            instrument = self.orders.instrument({"instId": name})
            rows.append(self._leverage_row(account, instrument) | {"ccy": ""})
        return rows

    @staticmethod
    def _leverage_row(account: Account, i: Instrument) -> dict[str, Any]:
        return {"instId": i.symbol, "mgnMode": "cross", "posSide": "net", "lever": str(account.leverage_of(i.symbol))}

    def set_leverage(self, account: Account, params: Params) -> Rows:
        one_of(params, "mgnMode", ("cross",))
        instrument, text = self.orders.instrument(params), text_of(params, "lever")
        if instrument.market != LINEAR:
            raise errors.wrong_mode()
        if not text.isdigit() or not 1 <= int(text) <= int(MAX_LEVERAGE):
            raise VenueError(59102, f"Leverage exceeds the maximum limit of {MAX_LEVERAGE}.", status=400)
        account.leverage[instrument.symbol] = int(text)
        return [self._leverage_row(account, instrument)]

    def trade_fee(self, account: Account, params: Params) -> Rows:
        """Negative = the account pays."""
        kind = text_of(params, "instType")
        found = self._instruments(params)
        if kind == "SPOT" and not params.get("instId") and found:
            found = found[:1]
        if not found:
            raise errors.no_such_instrument()
        maker, taker = money(-found[0].maker_fee_e8), money(-found[0].taker_fee_e8)
        is_swap = kind == INST_TYPES[LINEAR]
        return [
            {
                "level": "Lv1",
                "feeGroup": [{"groupId": "1", "maker": maker, "taker": taker, "elpMaker": maker}],
                "instType": kind,
                "maker": "" if is_swap else maker,
                "taker": "" if is_swap else taker,
                "makerU": maker if is_swap else "",
                "takerU": taker if is_swap else "",
                "makerUSDC": maker,
                "takerUSDC": taker,
                "category": "1",
                "ruleType": "normal",
                "delivery": "",
                "exercise": "",
                "settle": "",
                "fiat": [],
                "ts": str(self.clock.wall_ms()),
            }
        ]

    def bills(self, account: Account, params: Params) -> Rows:
        """Funding payments; newest first."""
        if params.get("instType") not in (None, "", "SWAP") or params.get("type") not in (None, "", "8"):
            return []
        paid = [row for row in account.income if row["kind"] == "FUNDING" and params.get("instId") in (None, "", row["symbol"])]
        return [bill_row(row, self.by_id) for row in page(params, paid[::-1], lambda row: (row["id"], row["time"]))]

    def currencies(self, account: Account, params: Params) -> Rows:
        listed = sorted({i.base for i in self.venue.instruments} | {i.quote for i in self.venue.instruments})
        wanted = text_of(params, "ccy", "")
        return [
            {
                "ccy": asset,
                "name": asset,
                "logoLink": "",
                "chain": f"{asset}-{'ERC20' if asset == 'USDT' else asset}",
                "canDep": True,
                "canWd": True,
                "canInternal": True,
                "mainNet": True,
                "minDep": "0.0001",
                "minWd": "0.001",
                "maxWd": "1000000",
                "wdTickSz": "8",
                "fee": "0.0001",
                "minFee": "0.0001",
                "maxFee": "0.0002",
                "wdQuota": "10000000",
                "usedWdQuota": "0",
                "needTag": False,
            }
            for asset in listed
            if not wanted or asset in wanted.split(",")
        ]

    def funding_balances(self, account: Account, params: Params) -> Rows:
        """The other account of a customer, for deposits: empty here."""
        return []
