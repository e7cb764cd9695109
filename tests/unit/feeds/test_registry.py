"""Venues are found by name: in feeds/venues, or brought by an installed package; what does not keep the contract is refused by
name."""
import pathlib
import sys

import pytest

import feeds.venues
from feeds import registry
from feeds.registry import UnknownVenue, feed_venue, venue_names

OUTSIDE = """
from dataclasses import replace
from feeds.venues.binance import VENUE
NEAR = replace(VENUE, name="nearby", title="Nearby")
"""


@pytest.fixture
def fresh():
    """The registry as a new process has it, before and after."""
    def forget():
        registry.feed_venue.cache_clear()
        registry._outside.cache_clear()
    forget()
    yield
    forget()


def install(monkeypatch, tmp_path: pathlib.Path, entry: str) -> None:
    """A package with one entry point, as an installer leaves it."""
    (tmp_path / "nearby_feed.py").write_text(OUTSIDE)
    info = tmp_path / "nearby-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nearby\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[lockstep.feeds]\n{entry}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "nearby_feed", raising=False)


def add_module(monkeypatch, tmp_path: pathlib.Path, name: str, text: str) -> None:
    """A module beside those of feeds/venues."""
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(feeds.venues, "__path__", [*feeds.venues.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"feeds.venues.{name}", raising=False)


def test_every_venue_of_this_tree_keeps_the_contract():
    names = venue_names()
    assert {"binance", "binanceus"} <= set(names)
    for name in names:
        venue = feed_venue(name)
        assert venue.name == name and venue.markets and set(venue.sockets) == set(venue.rest) == set(venue.markets)
        assert all(set(urls) <= set(venue.roles) for urls in venue.endpoints.values())
        assert {venue.rest[market].role for market in venue.markets} <= set(venue.roles)
        assert venue.credentials and venue.attempts and venue.resync in ("rest", "resubscribe")


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(UnknownVenue, match="venue 'binanc' is unknown; did you mean binance\\? known are binance, binanceus"):
        feed_venue("binanc")
    with pytest.raises(UnknownVenue, match="known are"):
        feed_venue("../binance")


def test_an_installed_package_brings_a_venue(fresh, monkeypatch, tmp_path):
    install(monkeypatch, tmp_path, "nearby = nearby_feed:NEAR")
    assert "nearby" in venue_names()
    assert feed_venue("nearby").title == "Nearby"


@pytest.mark.parametrize("entry, said", [
    ("nearby = nearby_feed:MISSING", "nearby_feed has no MISSING that is a FeedVenue"),
    ("other = nearby_feed:NEAR", "calls itself 'nearby'; both names must be the same"),
])
def test_an_entry_point_that_leads_elsewhere_is_refused(fresh, monkeypatch, tmp_path, entry, said):
    install(monkeypatch, tmp_path, entry)
    with pytest.raises(UnknownVenue, match=said):
        feed_venue(entry.split(" ")[0])


def test_a_venue_module_that_lacks_its_venue_is_no_venue(fresh, monkeypatch, tmp_path):
    add_module(monkeypatch, tmp_path, "hollow", "NAME = 1\n")
    assert "hollow" not in venue_names()
    with pytest.raises(UnknownVenue, match="feeds.venues.hollow has no VENUE that is a FeedVenue"):
        feed_venue("hollow")


def test_a_broken_module_harms_nobody_but_itself(fresh, monkeypatch, tmp_path):
    add_module(monkeypatch, tmp_path, "broken", "VENUE = 1\nraise RuntimeError('no')\n")
    assert "broken" in venue_names()
    assert feed_venue("binance").name == "binance"
    with pytest.raises(RuntimeError):
        feed_venue("broken")
