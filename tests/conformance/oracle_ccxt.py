"""ccxt, a client that shares no code with ours, in two forms: `local` talks to a simulated venue, `frozen` talks to nobody
and signs at one moment.

Addresses are rewritten after signing, so that the signed host stays the real one. The websocket address keeps the real path
where the case says nothing else: ccxt tells market types by it."""
from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import ccxt
import ccxt.pro
import orjson

from tests.conformance.case import Ccxt, VenueCase

FROZEN_MS = 1_700_000_000_123
KEYS = {"apiKey": "conformanceKey", "secret": "conformanceSecret0123456789abcdef", "password": "conformancePass"}


class Captured(Exception):
    """What a frozen client would have sent."""

    def __init__(self, told: Any) -> None:
        super().__init__("captured")
        self.told = told


def facts_of(case: VenueCase) -> Ccxt:
    """The case's ccxt facts; a case without any is a mistake of the case: it has `not_offered` for that."""
    assert case.ccxt is not None, f"tests/conformance/venues/{case.name}.py: no ccxt facts, and not_offered does not say why"
    return case.ccxt


def local_address(url: str, facts: Ccxt, endpoints: Mapping[str, str]) -> str:
    """The simulated venue's address for a real one; the longest beginning that is known counts."""
    known = [row for row in facts.addresses if url.startswith(row[0]) and row[1] in endpoints]
    if not known:
        raise AssertionError(f"{facts.id} wants {url}, which no line of its addresses covers (roles: {', '.join(endpoints)})")
    begin, role, path = max(known, key=lambda row: len(row[0]))
    there = urlsplit(endpoints[role])
    rest = url[len(begin):]
    if not path:
        path = urlsplit(begin).path
    return f"{there.scheme}://{there.netloc}{path}{rest}"


def settings(facts: Ccxt, keys: Mapping[str, str]) -> dict[str, Any]:
    return {**keys, "enableRateLimit": False, "options": dict(facts.options)}


def without_currencies(client: Any) -> Any:
    """load_markets asks only for instruments: the networks of coins are nobody's business here."""
    client.has["fetchCurrencies"] = False
    return client


def local(case: VenueCase, endpoints: Mapping[str, str], keys: Mapping[str, str], *, is_pro: bool = False,
          tamper: Callable[[dict[str, Any]], dict[str, Any]] | None = None) -> Any:
    """A client of the simulated venue; `tamper` may damage each signed request."""
    facts = facts_of(case)
    base = getattr(ccxt.pro if is_pro else ccxt, facts.id)

    class Local(base):  # type: ignore[misc, valid-type]
        def sign(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            request = super().sign(*args, **kwargs)
            if tamper is not None:
                request = tamper(request)
            request["url"] = local_address(request["url"], facts, endpoints)
            return request

        def client(self, url: str) -> Any:
            return super().client(local_address(url, facts, endpoints) if url.startswith("wss:") else url)

    return without_currencies(Local(settings(facts, keys)))


def request_params(request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """(path, parameters) of a request of ccxt's, without what its signature brought; of a batch the first."""
    parts, body = urlsplit(request["url"]), request.get("body") or ""
    if body.startswith(("{", "[")):
        told = orjson.loads(body)
        params = dict(told[0] if isinstance(told, list) else told)
    else:
        params = dict(parse_qsl(parts.query) + parse_qsl(body))
    return parts.path, {key: value for key, value in params.items() if key not in ("timestamp", "recvWindow", "signature")}


# ---------------------------------------------------------------- frozen


def answer(case: VenueCase, url: str) -> Any:
    """The case's answer to a public request, or None."""
    parts = urlsplit(url)
    params = dict(parse_qsl(parts.query))
    return next((row.body for row in case.listing if row.fits(parts.path, params)), None)


def frozen(case: VenueCase, *, is_pro: bool = False) -> Any:
    """A client whose clock stands still; what it would send beyond the listing comes as Captured."""
    base = getattr(ccxt.pro if is_pro else ccxt, facts_of(case).id)

    class Still(base):  # type: ignore[misc, valid-type]
        def milliseconds(self) -> int:
            return FROZEN_MS

        def seconds(self) -> int:
            return FROZEN_MS // 1000

        def nonce(self) -> int:
            return FROZEN_MS

        def given(self, url: str, method: str, headers: Any, body: Any) -> Any:
            told = answer(case, url)
            if told is None:
                raise Captured({"url": url, "method": method, "headers": headers or {}, "body": body})
            return told

    class StillSync(Still):
        def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            return self.given(url, method, headers, body)

    class StillPro(Still):
        async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            return self.given(url, method, headers, body)

        # Not coroutines: ccxt calls some of them without awaiting, and waits for a future instead.
        def watch(self, url: str, message_hash: str, message: Any = None, *rest: Any) -> Any:
            raise Captured(message)

        def watch_multiple(self, url: str, message_hashes: Any, message: Any = None, *rest: Any) -> Any:
            raise Captured(message)

    return without_currencies((StillPro if is_pro else StillSync)(settings(facts_of(case), KEYS)))


def captured(call: Callable[[], Any]) -> dict[str, Any]:
    """The request that `call` would have sent."""
    try:
        call()
    except Captured as found:
        return found.told
    raise AssertionError("ccxt answered without asking the venue")


def captured_ws(case: VenueCase, call: Callable[[Any], Any]) -> dict[str, Any]:
    """The frame that `await call(client)` would have sent first."""
    async def work() -> dict[str, Any]:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # ccxt hands Captured to a future that nobody reads
        client = frozen(case, is_pro=True)
        try:
            await client.load_markets()
            await call(client)
        except Captured as found:
            return found.told
        finally:
            await client.close()
        raise AssertionError("ccxt.pro answered without asking the venue")
    return asyncio.run(work())
