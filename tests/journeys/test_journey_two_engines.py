"""Two Engines on one host: whoever signs in at one stays signed in at the other, in one browser."""

from pathlib import Path

import httpx
import pytest
from tests.browser.browsing import PASSWORD, set_up
from tests.programs.programs import EngineProgram

pytestmark = pytest.mark.slow


def test_a_browser_stays_signed_in_at_both(tmp_path: Path) -> None:
    engines = [EngineProgram(tmp_path / name) for name in ("one", "other")]
    jar = httpx.Cookies()  # as a browser's: it tells hosts apart, and not ports
    try:
        for engine in engines:
            engine.start()
            set_up(engine)
        for engine in (*engines, *engines):
            with engine.client(cookies=jar) as client:
                answer = client.get("/api/auth/me")
                if answer.status_code == 401:
                    body = {"username": "ada", "password": PASSWORD}
                    signed_in = client.post("/api/auth/login", json=body)
                    assert signed_in.status_code == 200, signed_in.text
                    (header,) = signed_in.headers.get_list("set-cookie")
                    assert header.startswith(f"borealis_session_{engine.port}=")
                    assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(header.split("; "))
                jar.update(client.cookies)
        for engine in engines:
            with engine.client(cookies=jar) as client:
                assert client.get("/api/auth/me").json()["username"] == "ada"
        with engines[0].client(cookies=jar) as client:
            csrf = client.get("/api/auth/me").json()["csrf"]
            headers = {"Origin": engines[0].url, "X-Borealis-CSRF": csrf}
            assert client.post("/api/auth/logout", json={}, headers=headers).status_code == 200
        with engines[1].client(cookies=jar) as client:
            assert client.get("/api/auth/me").status_code == 200
    finally:
        for engine in engines:
            engine.stop()
