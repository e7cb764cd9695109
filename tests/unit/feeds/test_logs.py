"""Log lines: one JSON object each, secrets hidden, control bytes spelled out, repetitions counted."""
import logging
import stat

import orjson
import pytest

from feeds.logs import HIDDEN, RepeatFilter, clean, register_secret, setup_logging


@pytest.fixture
def logs(tmp_path):
    setup = setup_logging(tmp_path, "test")
    yield lambda: [orjson.loads(line) for line in (setup.close(), (tmp_path / "logs" / "test.log").read_text().splitlines())[1]]
    setup.close()


def test_line_has_time_component_correlation_and_fields(logs, tmp_path):
    logging.getLogger("lockstep.x").info("went %d", 5, extra={"correlation_id": "L1", "fields": {"px": "1.5"}})
    (line,) = logs()
    assert (
        line["message"] == "went 5"
        and line["component"] == "test"
        and line["correlation_id"] == "L1"
        and line["fields"] == {"px": "1.5"}
    )
    assert len(line["time"]) == len("2026-11-20T14:15:03.123456Z")
    assert stat.S_IMODE((tmp_path / "logs" / "test.log").stat().st_mode) == 0o600


def test_secrets_never_reach_the_file(logs, tmp_path):
    register_secret("TopS3cretValue")
    log = logging.getLogger("lockstep.x")
    log.warning("key is TopS3cretValue here")
    log.info(
        "GET /x?timestamp=1&signature=abcdef0123456789&apiKey=qwertyuiop %s",
        '{"listenKey":"zxcvbnm123","secret": "hhhhhhhh"}',
        extra={"fields": {"api_key": "plainplain", "ok": 1, "nested": ["TopS3cretValue"]}},
    )
    log.info("X-MBX-APIKEY: headerheader\n-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIE\n-----END PRIVATE KEY-----")
    try:
        raise ValueError("signature=abcdef0123456789")
    except ValueError:
        log.exception("failed")
    text = orjson.dumps(logs()).decode()
    for secret in (
        "TopS3cretValue",
        "abcdef0123456789",
        "qwertyuiop",
        "zxcvbnm123",
        "hhhhhhhh",
        "plainplain",
        "headerheader",
        "MC4CAQ",
    ):
        assert secret not in text, secret
    assert HIDDEN in text and "timestamp=1" in text


@pytest.mark.parametrize(
    "hostile", ["\x1b[2Jgone", "two\nlines", "bell\x07", "rtl\u202eoverride", "nul\x00", "c1\x9b31m", "sep\u2028line", "\x7f"]
)
def test_control_bytes_are_spelled_out(hostile):
    cleaned = clean(hostile)
    assert cleaned.isprintable() and "\\" in cleaned


def test_long_messages_are_cut():
    assert len(clean("x" * 1_000_000)) < 5000


def test_a_thousand_equal_warnings_are_one_line_and_a_count(monkeypatch):
    repeat = RepeatFilter()
    def record(at):
        made = logging.LogRecord("x", logging.WARNING, "", 0, "venue %s is down", ("binance",), None)
        made.created = at
        return made
    assert [repeat.filter(record(100.0 + n / 1000)) for n in range(1000)].count(True) == 1
    later = record(120.0)
    assert repeat.filter(later)
    assert "999 more since" in later.getMessage()
    info = logging.LogRecord("x", logging.INFO, "", 0, "same", None, None)
    assert repeat.filter(info) and repeat.filter(info)
