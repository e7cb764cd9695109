"""Judges a run from the outside: the venues' own ledgers and the journal's bytes, loaded into SQLite, and rules.sql over them.

Shares no code with the engine: the journal is read with cext.journal (format, not meaning), the ledgers are what the simulated
venues' control socket dumps. Everything here only moves fields into tables; what is right stands in rules.sql.

    violations = audit(JournalReader(run_dir), ledger)      # ledger: the answer to {"cmd": "ledger"}
"""
from __future__ import annotations

import pathlib
import sqlite3
from collections.abc import Iterable
from decimal import Context, Decimal
from typing import Any, NamedTuple

RULES = pathlib.Path(__file__).with_name("rules.sql")
EXACT = Context(prec=60)

# cext/layout.h JR_*, OrderStatus, EventFlag
RUN_START, INTENT, SENT, ORDER_EVENT, TRANSITION, QUERY, LEDGER, ALERT = 1, 2, 3, 4, 5, 7, 8, 11
ENDS = (3, 4, 5, 6)
SIDES = ("BUY", "SELL")

TABLES = """
CREATE TABLE records (at INTEGER, epoch INTEGER, type INTEGER);
CREATE TABLE instruments (id INTEGER, name TEXT, account TEXT, market TEXT, base TEXT, quote TEXT, settle TEXT, underlying TEXT,
                          multiplier TEXT, lot TEXT, px_scale INTEGER, qty_scale INTEGER);
CREATE TABLE intents (at INTEGER, epoch INTEGER, intent_id INTEGER, trade_id INTEGER, purpose INTEGER);
CREATE TABLE legs (at INTEGER, intent_id INTEGER, trade_id INTEGER, purpose INTEGER, leg INTEGER, client_id TEXT, instrument TEXT,
                   side TEXT, qty TEXT, px TEXT, raw_qty TEXT);
CREATE TABLE sent (at INTEGER, intent_id INTEGER, leg INTEGER, outcome INTEGER);
CREATE TABLE events (at INTEGER, client_id TEXT, is_end INTEGER, cum_qty TEXT, trade_id INTEGER, last_qty TEXT);
CREATE TABLE transitions (at INTEGER, epoch INTEGER, trade_id INTEGER, source TEXT, target TEXT);
CREATE TABLE late (at INTEGER, epoch INTEGER, trade_id INTEGER);
CREATE TABLE proofs (at INTEGER, client_id TEXT);
CREATE TABLE postings (at INTEGER, account TEXT, asset TEXT, amount TEXT);
CREATE TABLE posted (at INTEGER, client_id TEXT, trade_id INTEGER);
CREATE TABLE orders (venue TEXT, instrument TEXT, client_id TEXT, side TEXT, qty TEXT, px TEXT, executed TEXT, status TEXT,
                     is_ours INTEGER);
CREATE TABLE fills (instrument TEXT, client_id TEXT, trade_id INTEGER, qty TEXT, px TEXT);
CREATE TABLE flows (account TEXT, asset TEXT, amount TEXT);
CREATE TABLE moves (underlying TEXT, change TEXT);
CREATE TABLE balances (account TEXT, asset TEXT, opening TEXT, closing TEXT);
CREATE INDEX legs_by_id ON legs (client_id);
CREATE INDEX orders_by_id ON orders (client_id);
CREATE INDEX events_by_id ON events (client_id);
CREATE INDEX posted_by_id ON posted (client_id, trade_id);
CREATE INDEX fills_by_id ON fills (client_id, trade_id);
CREATE INDEX legs_by_trade ON legs (trade_id);
CREATE INDEX proofs_by_id ON proofs (client_id);
"""


class Violation(NamedTuple):
    rule: str
    what: str


class _Sum:
    def __init__(self) -> None:
        self.total = Decimal(0)

    def step(self, value: str | None) -> None:
        if value is not None:
            self.total = EXACT.add(self.total, Decimal(value))

    def finalize(self) -> str:
        return str(self.total)


class _Max(_Sum):
    def step(self, value: str | None) -> None:
        if value is not None:
            self.total = max(self.total, Decimal(value))


def _binary(calculate: Any) -> Any:
    return lambda a, b: None if a is None or b is None else str(calculate(Decimal(a), Decimal(b)))


class Auditor:
    """Tables of one run; `rows` for questions of one's own."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:")
        self.db.executescript(TABLES)
        self.db.create_aggregate("dsum", 1, _Sum)        # type: ignore[arg-type]
        self.db.create_aggregate("dmax", 1, _Max)        # type: ignore[arg-type]
        self.db.create_function("dadd", 2, _binary(EXACT.add), deterministic=True)
        self.db.create_function("dmul", 2, _binary(EXACT.multiply), deterministic=True)
        self.db.create_function("dabs", 1, lambda a: str(abs(Decimal(a))), deterministic=True)
        self.db.create_function("dcmp", 2, lambda a, b: None if a is None or b is None else int(Decimal(a).compare(Decimal(b))),
                                deterministic=True)
        self._rows: dict[int, dict[str, Any]] = {}
        self._opening: dict[tuple[str, str], str] = {}
        self._seen_names: set[str] = set()

    def _put(self, table: str, *values: Any) -> None:
        self.db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})",
                        [str(value) if isinstance(value, Decimal) else value for value in values])

    # ---------------------------------------------------------------- the journal

    def take_journal(self, records: Iterable[Any]) -> None:
        """In the order of the bytes."""
        for at, record in enumerate(records):
            self._put("records", at, record.epoch, record.type)
            take = TAKE.get(record.type)
            if take is not None:
                take(self, at, record, record.decode())

    def _take_start(self, at: int, record: Any, told: dict[str, Any]) -> None:
        for row in told["instruments"]["instruments"]:
            if row["name"] in self._seen_names:
                continue
            self._seen_names.add(row["name"])
            self._rows[row["id"]] = row
            account = f"{row['venue']}:{row.get('account') or row['market']}"
            multiplied = Decimal(row["lot"]) * Decimal(str(row["multiplier"]))
            self._put("instruments", row["id"], row["name"], account, row["market"], row["base"], row["quote"], row["settle"],
                      row["underlying"], str(row["multiplier"]), multiplied, row["px_scale"], row["qty_scale"])

    def _take_intent(self, at: int, record: Any, told: dict[str, Any]) -> None:
        self._put("intents", at, record.epoch, told["intent_id"], told["trade_id"], told["purpose"])
        for leg in told["legs"][:told["leg_count"]]:
            row = self._rows[leg["instrument_id"]]
            self._put("legs", at, told["intent_id"], told["trade_id"], told["purpose"], leg["leg_index"], leg["client_id"],
                      row["name"], SIDES[leg["side"]], Decimal(leg["qty"]).scaleb(-row["qty_scale"]),
                      Decimal(leg["limit_px"]).scaleb(-row["px_scale"]), str(leg["qty"]))

    def _take_sent(self, at: int, record: Any, told: dict[str, Any]) -> None:
        self._put("sent", at, told["intent_id"], told["leg_index"], told["outcome"])

    def _take_event(self, at: int, record: Any, told: dict[str, Any]) -> None:
        self._put("events", at, told["client_id"], int(told["status"] in ENDS), str(told["cum_qty"]), told["trade_id"],
                  str(told["last_qty"]))

    def _take_transition(self, at: int, record: Any, told: dict[str, Any]) -> None:
        self._put("transitions", at, record.epoch, told["trade_id"], told["from"], told["to"])

    def _take_query(self, at: int, record: Any, told: dict[str, Any]) -> None:
        if "proof" in told:
            self._put("proofs", at, told["client_id"])

    def _take_alert(self, at: int, record: Any, told: dict[str, Any]) -> None:
        if told.get("code") in ("late_fill", "order_contradiction"):
            self._put("late", at, record.epoch, record.correlation_id)

    def _take_ledger(self, at: int, record: Any, told: dict[str, Any]) -> None:
        if told["kind"] == "opening":
            self._opening |= {(account, asset): amount for account, assets in told["balances"].items()
                              for asset, amount in assets.items()}
            return
        is_posting = False
        for account, asset, amount in told.get("postings", ()):
            is_posting = is_posting or account == "~trading"
            if "#" not in account and not account.startswith("~"):
                self._put("postings", at, account, asset, amount)
        if told["kind"] == "fill" and is_posting:
            self._put("posted", at, told["client_id"], told["venue_trade_id"])

    # ---------------------------------------------------------------- the venues

    def take_ledger(self, ledger: dict[str, Any]) -> None:
        """The whole dump: every venue, account "main"."""
        by_name = {row["name"]: row for row in self._rows.values()}
        for venue, dump in ledger["venues"].items():
            account = next(iter(dump["accounts"].values()))
            self._take_account(venue, account, by_name)
            closing = {(pot, asset): amount for pot, assets in dump["totals"].items() for asset, amount in assets.items()}
            mine = {key for key in self._opening if key[0].startswith(f"{venue}:")}
            for pot, asset in sorted(mine | closing.keys()):
                self._put("balances", pot, asset, self._opening.get((pot, asset), "0"), closing.get((pot, asset), "0"))

    def _take_account(self, venue: str, account: dict[str, Any], by_name: dict[str, Any]) -> None:
        def pot(market: str) -> str:
            return f"{venue}:{'unified' if account['is_unified'] else market}"

        for order in account["orders"]:
            row = by_name.get(order["instrument"])
            is_ours = order["client_id"].startswith("L") and len(order["client_id"]) == 18
            self._put("orders", venue, order["instrument"], order["client_id"], order["side"], order["qty"], order["px"],
                      order["executed"], order["status"], int(is_ours))
            sign = 1 if order["side"] == "BUY" else -1
            for fill in order["fills"]:
                qty, px, fee = Decimal(fill["qty"]), Decimal(fill["px"]), Decimal(fill["fee"])
                if is_ours:
                    self._put("fills", order["instrument"], order["client_id"], fill["trade_id"], fill["qty"], fill["px"])
                self._put("flows", pot(order["market"]), fill["fee_asset"], -fee)
                if row is None:
                    continue
                change = sign * qty
                if order["market"] == "spot":
                    self._put("flows", pot("spot"), row["base"], change)
                    self._put("flows", pot("spot"), row["quote"], -sign * EXACT.multiply(px, qty))
                    change -= fee if fill["fee_asset"] == row["base"] else 0
                else:
                    self._put("flows", pot("linear"), row["settle"], Decimal(fill["realised"]))
                self._put("moves", row["underlying"], change * Decimal(str(row["multiplier"])))
        for income in account["linear"]["income"]:
            if income["kind"] not in ("REALIZED_PNL", "COMMISSION"):   # those stand with the fills
                self._put("flows", pot("linear"), income["asset"], Decimal(income["income_e8"]).scaleb(-8))

    # ---------------------------------------------------------------- judging

    def violations(self) -> list[Violation]:
        found = []
        for statement in statements(RULES.read_text()):
            found += [Violation(*row) for row in self.db.execute(statement)]
        return found

    def rows(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.db.execute(question, values).fetchall()


TAKE = {RUN_START: Auditor._take_start, INTENT: Auditor._take_intent, SENT: Auditor._take_sent,
        ORDER_EVENT: Auditor._take_event, TRANSITION: Auditor._take_transition, QUERY: Auditor._take_query,
        LEDGER: Auditor._take_ledger, ALERT: Auditor._take_alert}


def statements(text: str) -> list[str]:
    """The SELECTs of a file, comments left out."""
    bare = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return [one.strip() for one in bare.split(";") if one.strip()]


def audit(records: Iterable[Any], ledger: dict[str, Any]) -> list[Violation]:
    """Violations, [] = the run is as it should be. It has to be at rest: nothing in flight, nothing pending."""
    auditor = Auditor()
    auditor.take_journal(records)
    auditor.take_ledger(ledger)
    return auditor.violations()
