"""The buttons of the providers page against an upstream that is played here: what a key comes to when it is tried, how
fast each is, which models there are and where."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from conftest import MARKUP, PASSWORD, go, log_in, shot
from test_weir import config_of, until

GOOD, BAD = "sk-good-canary-7a21", "sk-bad-canary-90f3"
MODELS = ["weir-large", "weir-small", MARKUP]


class Vendor(BaseHTTPRequestHandler):
    """Speaks Chat below /api/v1, and knows one key."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def tell(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def served(self, path, value):
        if self.headers["authorization"] != f"Bearer {GOOD}":
            return self.tell(401, {"error": {"message": f"no such key: {MARKUP}", "type": "invalid_request_error"}})
        if self.path != path:
            return self.tell(404, {"error": {"message": "nothing is here"}})
        self.tell(200, value)

    def do_GET(self):
        self.served("/api/v1/models", {"object": "list", "data": [{"id": name} for name in MODELS]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(asked)
        message = {"role": "assistant", "content": "pong"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self.served(
            "/api/v1/chat/completions",
            {"id": "c", "object": "chat.completion", "created": 1, "model": asked["model"], "choices": [choice]},
        )


@pytest.fixture
def vendor():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
    server.daemon_threads, server.asked = True, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def page(open_page, weir):
    page = open_page(weir.url, expected=["Failed to load resource"])
    log_in(page, PASSWORD)
    go(page, "providers")
    page.wait_for_selector("main h1:has-text('Providers')")
    yield page
    page.evaluate("fetch('/api/providers/vendor', { method: 'DELETE' })")


def add(page, base_url, **more):
    provider = {"name": "vendor", "protocol": "chat", "base_url": base_url, "keys": [GOOD, {"key": BAD, "name": "bad"}], **more}
    status = page.evaluate(
        """async (provider) => (await fetch('/api/providers', { method: 'POST', body: JSON.stringify(provider),
            headers: { 'content-type': 'application/json' } })).status""",
        provider,
    )
    assert status in (200, 201), status
    page.reload()
    section = page.locator("section:has(h2:text-is('vendor'))")
    section.wait_for()
    return section


def row_of(section, key):
    return section.locator(f"tbody tr:has(td:first-child:text-matches('^{key}'))")


def test_a_key_is_tried_and_what_it_came_to_is_told(page, vendor, weir):
    section = add(page, f"http://127.0.0.1:{vendor.server_port}/api/v1", models=["weir-small"])
    good, bad = row_of(section, "1"), row_of(section, "bad")
    good.get_by_role("button", name="Test").click()
    good.locator("[role=status].good:text-matches('ms$')").wait_for()
    assert [asked["model"] for asked in vendor.asked] == ["weir-small"]
    assert vendor.asked[0].get("max_tokens", vendor.asked[0].get("max_completion_tokens")) <= 16, "the smallest request"
    bad.get_by_role("button", name="Test").click()
    told = bad.locator("[role=status].bad")
    told.wait_for()
    assert "401" in told.inner_text() and MARKUP not in page.content(), told.inner_text()
    assert page.evaluate("window.pwned") is None
    shot(page, "weir-key-tried")
    # What is tried counts in no usage.
    used = page.evaluate("fetch('/api/usage?group_by=provider').then((answer) => answer.json())")
    assert "vendor" not in [group["provider"] for group in used["groups"]]
    for secret in (GOOD, BAD):
        assert secret not in page.content()


def test_the_speed_of_every_key_is_shown(page, vendor):
    section = add(page, f"http://127.0.0.1:{vendor.server_port}/api/v1", models=["weir-small"])
    section.get_by_role("button", name="Speed test").click()
    row_of(section, "1").locator("[role=status].good:text-matches('ms$')").wait_for()
    row_of(section, "bad").locator("[role=status].bad:has-text('401')").wait_for()
    assert len(vendor.asked) == 2


def test_models_are_found_the_address_mended_and_the_chosen_ones_published(page, vendor, weir):
    section = add(page, f"http://127.0.0.1:{vendor.server_port}")
    section.get_by_role("button", name="Fetch models").click()
    form = page.locator("dialog[open]")
    form.get_by_label("weir-small").wait_for()
    assert form.locator(".picks input").count() == len(MODELS)
    assert page.evaluate("window.pwned") is None
    form.get_by_label(f"http://127.0.0.1:{vendor.server_port}/api/v1").check()
    form.get_by_label("Search").fill("small")
    form.get_by_label("weir-small").check()
    shot(page, "weir-models-found")
    form.get_by_role("button", name="Publish").click()
    section.locator("code:text-is('weir-small')").wait_for()
    until(lambda: f'"http://127.0.0.1:{vendor.server_port}/api/v1"' in config_of(weir), "the address is mended")
    until(lambda: weir.ask("ping", model="vendor/weir-small")[0] == 200, "it serves")


def test_who_does_not_answer_is_named(page):
    section = add(page, "http://127.0.0.1:9/v1", models=["m"])
    section.get_by_role("button", name="Fetch models").click()
    page.locator("[role=alert], [role=status]").filter(has_text="127.0.0.1:9").or_(
        page.locator("[role=alert], [role=status]").filter(has_text="refused")
    ).first.wait_for()
    row_of(section, "1").get_by_role("button", name="Test").click()
    row_of(section, "1").locator("[role=status].bad").wait_for()
