"""The real binary between the official client libraries and a fake provider, on each driver.

`WEIR` names the binary. Every test also runs `direct`, without weir: what fails there is the test's or the library's
fault, and what fails only behind weir is weir's.
"""

import ctypes
import ctypes.util
import json
import os
import socket
import subprocess
import time
import types
from pathlib import Path

import pytest

from fake_provider import FakeProvider

CLIENT_KEY = "sk-client-canary-4b1d77"
UPSTREAM_KEY = "sk-upstream-canary-90ce"
ADMIN_PASSWORD = "admin-canary-e5f6a7"
WEIR = os.environ.get("WEIR", str(Path(__file__).parents[2] / "target/debug/weir"))
HANG = 20  # seconds: the bound of every wait, far above anything that is not a hang


def ring_refusal():
    """Why the kernel gives no io_uring, or None; asked of the kernel, not of weir."""
    libc = ctypes.CDLL(None, use_errno=True)
    params = ctypes.create_string_buffer(120)  # struct io_uring_params
    fd = libc.syscall(425, 2, params)
    if fd < 0:
        return os.strerror(ctypes.get_errno())
    os.close(fd)
    return None


def own_address(counter=[0]):
    """A loopback address that no other process of these tests has."""
    counter[0] += 1
    pid = os.getpid()
    return f"127.{128 + (pid >> 8) % 127}.{pid & 255}.{1 + counter[0]}"


def provider(protocol, fake, version=""):
    return {"protocol": protocol, "base_url": fake.url + version, "keys": [UPSTREAM_KEY]}


def config(driver, ip, folder, fake):
    """One provider for each protocol, and a route for each dialect that keeps the model's name."""
    own = {"chat": "openai", "responses": "openai-responses", "anthropic": "claude", "gemini": "google", "ollama": "local"}
    return {
        "listen": f"{ip}:7070",
        "admin": {"listen": f"{ip}:7071", "password": ADMIN_PASSWORD},
        "data_dir": str(folder / "data"),
        "driver": driver,
        "cores": 1,
        "clients": {"sdk": {"key": CLIENT_KEY}},
        "providers": {
            "openai": {**provider("chat", fake, "/v1"), "models": ["gpt-4o"]},
            "openai-responses": provider("responses", fake, "/v1"),
            "claude": {**provider("anthropic", fake), "models": ["claude-x"]},
            "google": {**provider("gemini", fake), "models": ["gemini-x"]},
            "local": {**provider("ollama", fake), "models": ["llama3"]},
            "demo": {"protocol": "demo"},
        },
        "routes": {
            **{dialect: {"to": [name], "models": {"demo": "demo"}} for dialect, name in own.items()},
        },
        "default_route": "chat",
        "default_routes": {dialect: dialect for dialect in own},
        # A failure that a test asks for must not rest the only key for the next test.
        "cooldown": {"rate_limited_ms": 1, "server_error_ms": 1, "rejected_key_ms": 1, "max_ms": 1},
        "retry": {"attempts_max": 1, "rounds_max": 0},
    }


def start(driver, folder, fake, **more):
    ip = own_address()
    path = folder / "weir.json"
    path.write_text(json.dumps({**config(driver, ip, folder, fake), **more}))
    path.chmod(0o600)
    log = open(folder / "log", "wb")
    process = subprocess.Popen([WEIR, "serve", "-c", str(path)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={})
    deadline = time.monotonic() + HANG
    while True:
        try:
            socket.create_connection((ip, 7070), timeout=1).close()
            break
        except OSError:
            told = (folder / "log").read_text()
            assert process.poll() is None and time.monotonic() < deadline, f"weir does not listen:\n{told}"
            time.sleep(0.005)
    return process, f"http://{ip}:7070"


@pytest.fixture(scope="session", params=["direct", "io_uring", "epoll"])
def relay(request, tmp_path_factory):
    """Where the clients are pointed: `url`, `key`, and `fake` behind it; `direct` where there is no weir between."""
    driver = request.param
    if driver == "io_uring" and (refusal := ring_refusal()):
        pytest.skip(f"this machine refuses io_uring: {refusal}")
    fake = FakeProvider()
    if driver == "direct":
        yield types.SimpleNamespace(url=fake.url, key=CLIENT_KEY, fake=fake, direct=True)
        fake.stop()
        return
    folder = tmp_path_factory.mktemp(driver)
    process, url = start(driver, folder, fake)
    try:
        yield types.SimpleNamespace(url=url, key=CLIENT_KEY, fake=fake, direct=False)
    finally:
        process.terminate()
        code = process.wait(HANG)
        fake.stop()
    log = (folder / "log").read_text()
    assert code == 0, f"weir ended with {code}:\n{log}"
    assert "panicked" not in log, log
    for secret in (CLIENT_KEY, UPSTREAM_KEY, ADMIN_PASSWORD):
        assert secret not in log, f"the log tells a secret:\n{log}"


@pytest.fixture
def weir(relay):
    """The relay where a test is about weir itself."""
    if relay.direct:
        pytest.skip("about weir itself")
    return relay


@pytest.fixture(autouse=True)
def credentials_stay_on_their_side(relay):
    """What went upstream in a test held the upstream's key and never the client's."""
    relay.fake.requests.clear()
    yield
    if not relay.direct:
        for method, target, headers, body in relay.fake.requests:
            told = f"{method} {target} {headers} {body}"
            assert CLIENT_KEY not in told, told
            assert UPSTREAM_KEY in str(headers), told
