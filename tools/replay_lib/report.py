"""What a replay prints: the JSON object (its keys are a promise), a readable summary, and one book."""
from __future__ import annotations

from typing import Any

from engine.trade.money import from_scaled, text
from tools.replay_lib.session import ReplaySession


def level_texts(session: ReplaySession, row: int, level: tuple[int, int]) -> list[str]:
    """[price, size] as plain decimals without trailing zeros."""
    instrument = session.table.rows[row]
    return [text(from_scaled(level[0], instrument.px_scale)), text(from_scaled(level[1], instrument.qty_scale))]


def book_json(session: ReplaySession, row: int) -> dict[str, Any]:
    """Final depth book of one instrument (the top-of-book stream is not merged in) and how it came about. bid, ask: null = empty
    side."""
    market = session.market_of_row[row]
    book, stats = market.book(row), market.stats(row)
    bids, asks = book["bids"], book["asks"]
    return {"bid": level_texts(session, row, bids[0]) if bids else None, "ask": level_texts(session, row, asks[0])
            if asks else None,
            "levels": [len(bids), len(asks)], "applied": stats["applied"], "gaps": stats["gaps"], "invalid": stats["invalid"],
            "crossed": stats["crossed"]}


def summary(session: ReplaySession) -> dict[str, Any]:
    """The object of --json. frames: messages driven through, REST snapshots included."""
    counters = session.loop.counters()
    frames = counters["frames"] + counters["snapshots"]
    found = session.manager.report() if session.manager else {"trades": {}, "pnl": {}}
    return {"frames": frames, "frames_per_s": round(frames / session.seconds) if session.seconds else 0,
            "records": counters["records"],
            "opportunities": session.core.counters()["opportunities"] if session.core else 0, "trades": found["trades"],
            "pnl": found["pnl"],
            "decision_hash": session.journal.hexdigest(),
            "books": {row.name: book_json(session, row.id) for row in session.table.rows}}


def summary_text(session: ReplaySession) -> str:
    """The same for people, with why not."""
    found = summary(session)
    counters = session.loop.counters()
    lines = [f"{found['frames']:,} frames in {session.seconds:.3f} s = {found['frames_per_s']:,} frames/s",
             f"{found['records']:,} book records, {counters['trades']:,} public trades, {counters['fundings']:,} funding records"]
    for name in ("unread", "lost_snapshots"):
        if counters[name]:
            lines.append(f"  {counters[name]} {name.replace('_', ' ')}")
    for name, book in found["books"].items():
        bid, ask = (" x ".join(side) if side else "empty" for side in (book["bid"], book["ask"]))
        lines.append(f"  {name:<28} {bid} | {ask}  levels {book['levels'][0]}/{book['levels'][1]}  applied {book['applied']}  "
                     f"gaps {book['gaps']}  invalid {book['invalid']}  crossed {book['crossed']}")
    lines.append(
        f"opportunities {found['opportunities']}; trades {found['trades'] or 'none'}; refused {session.refused or 'none'}"
    )
    if found["pnl"]:
        lines.append(f"pnl {found['pnl']['usd']} USD {found['pnl']['split']}; by asset {found['pnl']['assets']}")
    lines += [f"torn: {reader.tear}" for reader in session.readers if reader.tear]
    lines.append(f"decision hash {found['decision_hash']}")
    return "\n".join(lines)


def book_text(session: ReplaySession, name: str, depth: int) -> str:
    """The final book of one instrument, asks above bids."""
    row = session.table.by_name[name].id
    book = session.market_of_row[row].book(row)

    def line(side: str, level: tuple[int, int]) -> str:
        px, qty = level_texts(session, row, level)
        return f"{side:<4} {px:>20} {qty:>24}"
    asks = [line("ask", level) for level in reversed(book["asks"][:depth])]
    bids = [line("bid", level) for level in book["bids"][:depth]]
    return "\n".join([f"{name}: {len(book['bids'])} bids, {len(book['asks'])} asks", *asks, *bids])
