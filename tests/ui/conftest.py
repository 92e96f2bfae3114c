"""The web UI in a headless browser: against the mock for layout and words, against the real binary for what it does.

`WEIR` names the binary, `CHROMIUM` the browser. What a page says on its console as an error fails the test that opened it.
Screenshots go to `SHOTS` (target/ui).
"""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from mock import Mock

ROOT = Path(__file__).parents[2]
WEIR = os.environ.get("WEIR", str(ROOT / "target/debug/weir"))
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
SHOTS = Path(os.environ.get("SHOTS", ROOT / "target/ui"))
PASSWORD = "admin-canary-77c1"
UPSTREAM_KEY = "sk-upstream-canary-5d20"
MARKUP = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
HANG_MS = 15_000
PAGES = ["overview", "requests", "traces", "usage", "providers", "routes", "clients", "playground", "connect", "settings"]


# Sentences in English that a page shows, code and what people wrote left out: three words in a row.
ENGLISH = """() => [...document.querySelectorAll('body *')].filter((one) => one.checkVisibility() && !one.closest('code, pre, .mono, textarea'))
    .flatMap((one) => [...[...one.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data),
        ...['aria-label', 'title', 'placeholder'].map((name) => one.getAttribute(name) || '')])
    .filter((text) => /[A-Za-z]+ [a-z]+ [a-z]+/.test(text))"""


@pytest.fixture(scope="session")
def browser():
    assert CHROMIUM, "no chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Opens a page of its own context; whatever it complains about fails the test, and so does any other host."""
    complaints, contexts = [], []

    def open_page(url, width=1360, height=860, theme="light", lang="en-US", expected=()):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, locale=lang, reduced_motion="reduce"
        )
        context.set_default_timeout(HANG_MS)
        contexts.append(context)
        page = context.new_page()
        benign = lambda text: any(word in text for word in expected)
        page.on(
            "console",
            lambda said: (
                complaints.append(f"{said.text} {said.location.get('url')}")
                if said.type == "error" and not benign(said.text)
                else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"a dialog of the browser: {dialog.message}"))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((url, "data:", "blob:")) else complaints.append(f"left the machine: {request.url}")
            ),
        )
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints, complaints


def log_in(page, password):
    page.get_by_label("Admin password or token").or_(page.get_by_label("管理密码或令牌")).fill(password)
    page.keyboard.press("Enter")
    page.wait_for_selector(".shell")


def go(page, name):
    page.evaluate("hash => { location.hash = hash }", f"#/{name}")


def shot(page, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


@pytest.fixture(scope="session")
def mock():
    with Mock() as mock:
        yield mock


def free_ports(count):
    """Ports of the kernel's choice. Held together, so that they differ; another process may still be faster."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Failing(BaseHTTPRequestHandler):
    """An upstream that answers 500 with markup in it, whatever it is asked."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"error": {"message": f"no, {MARKUP}", "type": "server_error"}}).encode()
        self.send_response(500)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Weir:
    """The real binary with the demo provider, one that always fails, and traces of everything."""

    def __init__(self, folder):
        self.folder, self.path = folder, folder / "weir.json"
        self.upstream = ThreadingHTTPServer(("127.0.0.1", 0), Failing)
        self.upstream.daemon_threads = True
        threading.Thread(target=self.upstream.serve_forever, daemon=True).start()
        self.relay_port, self.admin_port = free_ports(2)
        self.relay, self.url = f"http://127.0.0.1:{self.relay_port}", f"http://127.0.0.1:{self.admin_port}"
        self.path.write_text(f"""// Made by the tests of the web UI.
{{
  "listen": "127.0.0.1:{self.relay_port}",
  "admin": {{ "listen": "127.0.0.1:{self.admin_port}", "password": "{PASSWORD}" }},
  "data_dir": "{folder / 'data'}",
  "cores": 1,
  "access": "open",
  // Answers from inside weir.
  "providers": {{
    "demo": {{ "protocol": "demo" }},
    "nobody": {{ "protocol": "chat", "base_url": "http://127.0.0.1:{self.upstream.server_port}/v1", "keys": ["{UPSTREAM_KEY}", {{ "key": "{UPSTREAM_KEY}-2", "name": "second" }}] }},
  }},
  "routes": {{ "main": {{ "to": ["demo"], "models": {{ "broken*": "nobody" }} }} }},
  "retry": {{ "attempts_max": 2, "rounds_max": 0 }},
  // What a test makes fail is not at rest in the next one.
  "cooldown": {{ "server_error_ms": 1, "rejected_key_ms": 1, "rate_limited_ms": 1, "max_ms": 1 }},
  "traces": {{ "bodies": "all" }},
}}
""")
        self.path.chmod(0o600)
        self.start()

    def start(self):
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(
            [WEIR, "serve", "-c", str(self.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"HOME": str(self.folder)},
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                for port in (self.relay_port, self.admin_port):
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, self.log()
                time.sleep(0.01)

    def stop(self):
        self.process.terminate()
        return self.process.wait(20)

    def log(self):
        return (self.folder / "log").read_text()

    def ask(self, prompt="Hello", model="auto", key=None):
        """One chat request; the status and the answer's text."""
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": prompt}]}).encode()
        try:
            with urllib.request.urlopen(
                urllib.request.Request(f"{self.relay}/v1/chat/completions", body, headers), timeout=20
            ) as answer:
                return answer.status, answer.read().decode(), answer.headers["x-request-id"]
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers["x-request-id"]


@pytest.fixture(scope="session")
def weir(tmp_path_factory):
    weir = Weir(tmp_path_factory.mktemp("weir"))
    try:
        yield weir
    finally:
        code = weir.stop()
        weir.upstream.shutdown()
    assert code == 0, weir.log()
    assert "panicked" not in weir.log(), weir.log()
    for secret in (PASSWORD, UPSTREAM_KEY):
        assert secret not in weir.log()
