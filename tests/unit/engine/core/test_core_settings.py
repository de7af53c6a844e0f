"""Settings come from the environment, and bad ones are named."""

from pathlib import Path

import pytest

from borealis_engine.core.errors import Fatal, RateLimited
from borealis_engine.core.feed import Change, ChangeFeed
from borealis_engine.core.log import mask_secrets
from borealis_engine.core.rate_limit import SlidingWindow
from borealis_engine.core.settings import load_settings


def test_the_root_decides_where_everything_lies(tmp_path: Path) -> None:
    settings = load_settings({"BOREALIS_ROOT": str(tmp_path)}, source_root=Path("/elsewhere"))
    assert settings.database_url == f"sqlite:///{tmp_path}/Engine/database.db"
    assert (settings.port, settings.url) == (5000, "https://localhost:5000")


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1"])
def test_rejects_a_port_that_is_none(port: str) -> None:
    with pytest.raises(Fatal, match="BOREALIS_ENGINE_PORT"):
        load_settings({"BOREALIS_ENGINE_PORT": port}, source_root=Path("/x"))


def test_rejects_more_than_the_window_allows_and_forgets_old_keys() -> None:
    window = SlidingWindow(2, 60, max_keys=2)
    window.check("a", 0)
    window.check("a", 1)
    with pytest.raises(RateLimited) as refused:
        window.check("a", 2)
    assert refused.value.retry_after == pytest.approx(58)
    window.check("a", 60.5)
    window.check("b", 61)
    window.check("c", 61)
    assert len(window._events) == 2


async def test_a_slow_listener_loses_the_oldest_and_knows_it() -> None:
    feed = ChangeFeed()
    with feed.subscribe(limit=2) as subscription:
        for number in range(3):
            feed.publish(Change("k", {"n": number}))
        heard = []
        async for change in subscription:
            heard.append(change.data["n"])
            if len(heard) == 2:
                break
    assert (heard, subscription.missed, feed.statistics()) == ([1, 2], 1, {"subscriptions": 0})


def test_secrets_are_masked_before_they_reach_a_file() -> None:
    event = mask_secrets(None, "", {"event": "x", "refresh_token": "s", "password": "s", "exit_code": 3})
    assert event == {"event": "x", "refresh_token": "[masked]", "password": "[masked]", "exit_code": 3}


def test_what_is_shown_of_the_settings_has_no_password(tmp_path: Path) -> None:
    environ = {
        "BOREALIS_ROOT": str(tmp_path),
        "BOREALIS_DATABASE_URL": "postgresql://borealis:secret@db/borealis",
        "BOREALIS_TRUSTED_PROXIES": "10.0.0.1,10.0.0.2",
    }
    shown = load_settings(environ, source_root=Path("/x")).in_force()
    assert "secret" not in str(shown)
    assert shown["BOREALIS_TRUSTED_PROXIES"] == "10.0.0.1, 10.0.0.2"
    assert (shown["BOREALIS_ENGINE_PORT"], shown["BOREALIS_TLS_CERT"]) == ("5000", "")
