"""What an operator's connection string says is left as it is."""

from __future__ import annotations

from hub.store.client import _unless_given

DEFAULTS = {"connectTimeoutMS": 3000, "heartbeatFrequencyMS": 2000}


def test_the_hub_is_watchful_unless_its_url_says_how_much() -> None:
    assert _unless_given("mongodb://one:1,two:2/?replicaSet=rs", DEFAULTS) == DEFAULTS
    given = "mongodb://one:1/?connecttimeoutms=20000"
    assert _unless_given(given, DEFAULTS) == {"heartbeatFrequencyMS": 2000}
