"""An admin address made of fixed data: the files of the web UI from the tree, and answers in the shapes of the API.

For work on the pages without a build, and for tests of layout and words that need more data than a fresh weir has.
`python tests/ui/mock.py [PORT]`; the password is `mock`. What is changed here is forgotten.
"""

import json
import math
import os
import random
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

WEB = Path(__file__).parents[2] / "src/control/web"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
MEDIA = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
HOUR, DAY = 3600_000, 86400_000

LISTEN_HELP = (
    "Addresses of the relay: `ADDRESS:PORT`, `[::1]:PORT`, `:PORT` for every address, `unix:/path`. "
    "One or a list. Default `127.0.0.1:7070`."
)
MODELS = {
    "anthropic": ["claude-sonnet-4-5", "claude-haiku-4-5"],
    "openai": ["gpt-5", "gpt-5-mini"],
    "deepseek": ["deepseek-chat", "deepseek-reasoner"],
    "gemini": ["gemini-2.5-pro", "gemini-2.5-flash"],
    "ollama": ["qwen3:8b"],
}
CLIENTS = ["alice", "ci", "editor-team", "night-batch"]
KEYS = {
    "anthropic": ["key1", "second"],
    "openai": ["key1", "eu", "spare"],
    "deepseek": ["key1"],
    "gemini": ["key1"],
    "ollama": ["key1"],
}
ROUTES = ["coding", "cheap"]
DIALECTS = ["anthropic", "chat", "responses", "gemini", "ollama"]

CONFIG = """// The relay of the team.
{
  "$schema": "./config.schema.json",
  "listen": "127.0.0.1:7070",
  "admin": { "listen": "127.0.0.1:7071" },

  "clients": {
    "alice": { "key": "env:ALICE_KEY", "route": "coding", "models": ["claude-*", "auto"] },
    "ci": { "key": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" },
  },

  // Two keys: the second is used when the first rests.
  "providers": {
    "anthropic": { "preset": "anthropic", "keys": ["env:ANTHROPIC_API_KEY", { "key": "env:ANTHROPIC_2", "name": "second", "priority": 200 }] },
    "demo": { "protocol": "demo" },
  },
  "routes": { "coding": { "to": ["anthropic", "demo/demo"] } },
  "traces": { "bodies": "errors" },
}
"""


def value_of(text):
    """JSON with comments, as a value; nothing where it is none."""
    bare = re.sub(r'("(?:[^"\\\\]|\\\\.)*")|//[^\n]*|/\*.*?\*/', lambda found: found[1] or "", text, flags=re.S)
    bare = re.sub(r'("(?:[^"\\\\]|\\\\.)*")|,(?=\s*[}\]])', lambda found: found[1] or "", bare)
    try:
        return json.loads(bare)
    except ValueError:
        return None


def row(at, chance):
    provider = chance.choice(list(MODELS))
    sent = chance.choice(MODELS[provider])
    fate = chance.random()
    outcome, status = (
        ("ok", 200)
        if fate < 0.93
        else chance.choice(
            [("upstream_error", 502), ("client_error", 400), ("client_gone", 200), ("upstream_error", 429), ("cut", 200)]
        )
    )
    streamed = chance.random() < 0.8
    first = int(chance.lognormvariate(13.2, 0.5))
    output = int(chance.lognormvariate(5.6, 1.0)) if outcome == "ok" else 0
    total = first + output * chance.randint(8_000, 16_000)
    prompt = int(chance.lognormvariate(8.5, 1.2))
    return {
        "id": f"req_{chance.getrandbits(80):020x}",
        "unix_ms": at,
        "client": chance.choice(CLIENTS),
        "route": chance.choice(ROUTES),
        "dialect": chance.choice(DIALECTS),
        "endpoint": "messages",
        "model_asked": "auto" if chance.random() < 0.2 else sent,
        "model_sent": sent,
        "provider": provider,
        "key": chance.choice(KEYS[provider]),
        "status": status,
        "outcome": outcome,
        "streamed": streamed,
        "attempts": 2 if chance.random() < 0.1 else 1,
        "scene": None,
        "dropped": ["logprobs"] if chance.random() < 0.1 else [],
        "input_tokens": prompt,
        "output_tokens": output,
        "cache_read_tokens": int(prompt * chance.random()) if chance.random() < 0.6 else 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": output // 3 if chance.random() < 0.3 else 0,
        "cost": round(prompt * 2e-6 + output * 1e-5, 6),
        "first_byte_us": first // 2,
        "first_token_us": first if streamed and output else None,
        "total_us": total,
        "request_bytes": prompt * 4,
        "response_bytes": output * 60,
        "reused": chance.random() < 0.9,
        "traced": outcome != "ok",
    }


def sums(rows):
    names = [
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
        "cost",
        "request_bytes",
        "response_bytes",
    ]
    ok = sum(r["outcome"] == "ok" for r in rows)
    firsts = sorted((r["first_token_us"] or r["first_byte_us"]) / 1000 for r in rows) or [0]
    totals = sorted(r["total_us"] / 1000 for r in rows) or [0]
    share = lambda of, p: of[min(len(of) - 1, int(len(of) * p))]
    return {
        "requests": len(rows),
        "ok": ok,
        "errors": len(rows) - ok,
        **{n: sum(r[n] or 0 for r in rows) for n in names},
        "first_token_ms_p50": share(firsts, 0.5),
        "first_token_ms_p99": share(firsts, 0.99),
        "total_ms_p50": share(totals, 0.5),
        "total_ms_p99": share(totals, 0.99),
    }


class State:
    """Everything the answers are made of. `rows` may be given, so that a test says what is in them."""

    def __init__(self, schema=None, rows=None, seed=7, rate=8):
        chance = random.Random(seed)
        now = int(time.time() * 1000)
        ago = lambda: int(min(29.9 * DAY, chance.expovariate(1 / (3 * DAY))))
        self.rows = sorted(
            rows
            or [row(now - ago(), chance) for _ in range(4000)] + [row(now - chance.randint(0, HOUR), chance) for _ in range(900)],
            key=lambda r: -r["unix_ms"],
        )
        self.chance, self.rate, self.text, self.generation, self.sessions, self.schema = chance, rate, CONFIG, 3, set(), schema
        self.clients = {
            name: {
                "name": name,
                "key": "sha256:…" + name[:2] + "7c",
                "route": "coding",
                "models": ["claude-*", "auto"] if name == "alice" else [],
                "limits": {"requests_per_minute": 60} if name == "ci" else {},
                "disabled": name == "night-batch",
                "expires": None,
            }
            for name in CLIENTS
        }
        self.providers = {
            name: {
                "name": name,
                "protocol": {"anthropic": "anthropic", "gemini": "gemini", "ollama": "ollama"}.get(name, "chat"),
                "preset": name,
                "base_url": f"https://api.{name}.example/v1",
                "disabled": False,
                "balance": "round_robin",
                "affinity": "ids",
                "models": MODELS[name],
                "keys": [
                    {
                        "name": key,
                        "key": "sk-…" + key[:2] + "9f" if key == "eu" else "env:" + name.upper() + "_API_KEY",
                        "weight": 1,
                        "priority": 100 + 100 * (at > 0),
                        "max_concurrent": 8 * (at > 0),
                        "disabled": key == "spare",
                        "health": "disabled" if key == "spare" else "ok",
                        "cooling_until": None,
                        "in_flight": chance.randint(0, 4),
                    }
                    for at, key in enumerate(KEYS[name])
                ],
            }
            for name in MODELS
        }
        cooling = self.providers["openai"]["keys"][1]
        cooling.update(
            health="cooling",
            cooling_until=now + 95_000,
            cause="rate_limited",
            failures=3,
            last_error={"unix_ms": now - 40_000, "status": 429, "model": "gpt-5", "message": "it answered 429: slow down"},
        )
        self.routes = {
            "coding": {
                "name": "coding",
                "to": ["anthropic/claude-sonnet-4-5", "openai/gpt-5", "deepseek/deepseek-chat"],
                "models": {
                    "claude-haiku-*": "gemini/gemini-2.5-flash",
                    "gpt-4o": ["openai/gpt-5-mini", "deepseek/deepseek-chat"],
                },
                "scenes": {"longContext": "gemini/gemini-2.5-pro", "background": "ollama/qwen3:8b"},
                "spread": "ordered",
                "unknown_models": "default",
            },
            "cheap": {
                "name": "cheap",
                "to": ["ollama/qwen3:8b"],
                "models": {},
                "scenes": {},
                "spread": "ordered",
                "unknown_models": "catalog",
            },
        }

    def problems(self, text):
        if '"listne"' in text:
            line = text[: text.index('"listne"')].count("\n") + 1
            return [
                {
                    "severity": "error",
                    "path": "listne",
                    "line": line,
                    "column": 3,
                    "message": "unknown member; did you mean listen?",
                }
            ]
        return []


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, value, status=200, media="application/json", headers=()):
        body = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", media)
        self.send_header("content-length", str(len(body)))
        self.send_header("content-security-policy", POLICY)
        for name, said in headers:
            self.send_header(name, said)
        self.end_headers()
        self.wfile.write(body)

    def problem(self, status, detail, **more):
        self.send(
            {"type": "about:blank", "title": detail, "status": status, "detail": detail, **more},
            status,
            "application/problem+json",
        )

    def body(self):
        length = int(self.headers.get("content-length") or 0)
        return json.loads(self.rfile.read(length) or b"null") if length else None

    def do(self):
        state, url = self.server.state, urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(url.query).items()}
        path = url.path
        if path == "/":
            return self.send(
                (WEB / "index.html").read_text().replace("{build}", "dev"),
                media="text/html; charset=utf-8",
                headers=[("cache-control", "no-store")],
            )
        if path.startswith("/assets/dev/"):
            file = WEB / path.removeprefix("/assets/dev/")
            return (
                self.send(file.read_bytes(), media=MEDIA.get(file.suffix, "text/plain"), headers=[("cache-control", "no-store")])
                if file.is_file()
                else self.problem(404, "not there")
            )
        body = self.body()
        inside = f"weir={id(state)}" in (self.headers.get("cookie") or "")
        if path == "/api/login":
            if body.get("password") != "mock":
                return self.problem(401, "the admin password or token is needed")
            return self.send({"ok": True}, headers=[("set-cookie", f"weir={id(state)}; HttpOnly; SameSite=Strict; Path=/")])
        if path == "/api/session":
            return self.send({"authenticated": inside, "expires_unix_ms": None})
        if not inside:
            return self.problem(401, "the admin password or token is needed")
        if path == "/api/logout":
            return self.send({"ok": True}, headers=[("set-cookie", "weir=; Max-Age=0; Path=/")])
        parts = [unquote(part) for part in path.removeprefix("/api/").split("/")]
        answer = getattr(self, f"{self.command.lower()}_{parts[0]}", None)
        if answer is None:
            return self.problem(404, "there is nothing here")
        answer(state, parts[1:], body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do

    # -- what there is to see

    def get_events(self, state, rest, body):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        tell = lambda name, value: self.wfile.write(f"event: {name}\ndata: {json.dumps(value)}\n\n".encode())
        total = {"requests": 1000, "ok": 950, "errors": 50, "input_tokens": 10**6, "output_tokens": 10**5, "cost": 12.0}
        try:
            tell("hello", {"pid": os.getpid(), "version": "0.1.0", "generation": state.generation})
            while not self.server.ending:
                wave = state.rate * (1 + 0.5 * math.sin(time.time() / 15))
                for _ in range(min(200, int(wave))):
                    one = row(int(time.time() * 1000), state.chance)
                    if state.rate < 100:
                        state.rows.insert(0, one)
                    tell("exchange", one)
                    total["requests"] += 1
                    total["errors"] += one["outcome"] != "ok"
                    total["output_tokens"] += one["output_tokens"]
                    total["input_tokens"] += one["input_tokens"]
                if wave > 200:
                    total["requests"] += int(wave) - 200
                    tell("missed", {"count": int(wave) - 200})
                tell("second", {"unix_ms": int(time.time() * 1000), **total, "sessions": 42, "streams": int(wave * 2)})
                self.wfile.flush()
                time.sleep(1)
        except OSError:
            pass
        self.close_connection = True

    def get_status(self, state, rest, body):
        self.send(
            {
                "pid": os.getpid(),
                "version": "0.1.0",
                "commit": "0123456789ab",
                "driver": "io_uring",
                "driver_why": "auto, deferred completions",
                "cores": 8,
                "cores_stalled": 0,
                "uptime_ms": 3 * DAY + 5 * HOUR,
                "sessions": 42,
                "streams": 12,
                "requests": 123456,
                "draining": False,
                "listen": ["127.0.0.1:7070"],
                "config": {"file": "/etc/weir/config.json", "generation": state.generation},
                "providers": [
                    {
                        "name": p["name"],
                        "host": p["base_url"],
                        "addresses": ["192.0.2.7:443"],
                        "health": "ok",
                        "cooling_until": None,
                        "keys": p["keys"],
                    }
                    for p in state.providers.values()
                ],
            }
        )

    def get_overview(self, state, rest, body):
        now = int(time.time() * 1000)
        today = [r for r in state.rows if r["unix_ms"] > now - DAY]
        of = sums(today)
        minutes = []
        for back in range(59, -1, -1):
            at = (now // 60_000 - back) * 60_000
            of_it = sums([r for r in state.rows[:2000] if at <= r["unix_ms"] < at + 60_000])
            minutes.append({"unix_ms": at, **{n: of_it[n] for n in ["requests", "errors", "output_tokens", "cost"]}})
        self.send(
            {
                "today": {n: of[n] for n in ["requests", "ok", "errors", "input_tokens", "output_tokens", "cost"]},
                "first_token_ms": {"p50": of["first_token_ms_p50"], "p99": of["first_token_ms_p99"]},
                "total_ms": {"p50": of["total_ms_p50"], "p99": of["total_ms_p99"]},
                "minutes": minutes,
                "streams": 12,
                "sessions": 42,
                "cooling": [
                    {
                        "provider": p["name"],
                        "key": k["name"],
                        "model": None,
                        "until_unix_ms": k["cooling_until"],
                        "why": k.get("cause"),
                    }
                    for p in state.providers.values()
                    for k in p["keys"]
                    if k["health"] == "cooling"
                ],
            }
        )

    def matching(self, state):
        def wants(r):
            status = self.query.get("status")
            ok = (
                not status or (r["outcome"] == "ok") == (status == "ok")
                if status in (None, "ok", "error")
                else str(r["status"]).startswith(status[0])
            )
            return (
                ok
                and all(self.query.get(n) in (None, r[n]) for n in ["client", "provider", "key", "dialect"])
                and self.query.get("model") in (None, r["model_asked"], r["model_sent"])
                and self.query.get("q", "") in json.dumps(r)
            )

        return [r for r in state.rows if wants(r)]

    def get_requests(self, state, rest, body):
        if rest:
            found = next((r for r in state.rows if r["id"] == rest[0]), None)
            if found is None:
                return self.problem(404, "no exchange that is kept has this id")
            end, first = found["total_us"], found["first_byte_us"]
            attempts = [
                {
                    "n": found["attempts"],
                    "provider": found["provider"],
                    "key": found["key"],
                    "model": found["model_sent"],
                    "status": found["status"],
                    "why": None,
                    "begun_us": 300_000 * (found["attempts"] - 1),
                    "first_byte_us": first + 300_000 * (found["attempts"] - 1),
                    "first_token_us": found["first_token_us"] and found["first_token_us"] + 300_000 * (found["attempts"] - 1),
                    "ended_us": end + 300_000 * (found["attempts"] - 1),
                    "reused": found["reused"],
                }
            ]
            if found["attempts"] > 1:
                attempts.insert(
                    0,
                    {
                        "n": 1,
                        "provider": "openai",
                        "key": "eu",
                        "model": "gpt-5",
                        "status": 429,
                        "why": "rate_limited",
                        "begun_us": 0,
                        "first_byte_us": 280_000,
                        "first_token_us": None,
                        "ended_us": 290_000,
                        "reused": True,
                    },
                )
            return self.send({**found, "attempts_list": attempts})
        rows, before, limit = self.matching(state), self.query.get("before"), int(self.query.get("limit", 100))
        start = next((at + 1 for at, r in enumerate(rows) if r["id"] == before), 0)
        page = rows[start : start + limit]
        self.send({"requests": page, "next": page[-1]["id"] if len(rows) > start + limit else None})

    def get_traces(self, state, rest, body):
        if not rest:
            rows, limit = [r for r in self.matching(state) if r["traced"]], int(self.query.get("limit", 100))
            return self.send({"traces": rows[:limit], "next": rows[limit - 1]["id"] if len(rows) > limit else None})
        found = next((r for r in state.rows if rest and r["id"] == rest[0]), None)
        if found is None or not found["traced"]:
            return self.problem(404, "no trace of this request")
        asked = {
            "model": found["model_asked"],
            "max_tokens": 1024,
            "stream": True,
            "system": "You are terse.",
            "messages": [{"role": "user", "content": "Explain <b>weirs</b> & 'locks'."}],
            "metadata": {"user_id": "u-1"},
        }
        sent = {
            "model": found["model_sent"],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 1024,
            "messages": [
                {"role": "system", "content": "You are terse."},
                {"role": "user", "content": "Explain <b>weirs</b> & 'locks'."},
            ],
        }
        self.send(
            {
                "id": found["id"],
                "row": found,
                "client_request": {
                    "head": "POST /v1/messages HTTP/1.1\nhost: 127.0.0.1:7070\nx-api-key: ***\nanthropic-version: 2023-06-01",
                    "body": json.dumps(asked),
                    "cut": False,
                },
                "attempts": [
                    {
                        "upstream_request": {
                            "head": "POST /v1/chat/completions HTTP/1.1\nhost: api.example\nauthorization: Bearer ***",
                            "body": json.dumps(sent),
                            "cut": False,
                        },
                        "upstream_response": {
                            "status": found["status"],
                            "head": "content-type: text/event-stream",
                            "body": 'data: {"choices":[{"delta":{"content":"A weir"}}]}\n\ndata: [DONE]\n\n',
                            "cut": False,
                        },
                    }
                ],
                "client_response": {
                    "status": found["status"],
                    "head": "content-type: text/event-stream",
                    "body": 'event: message_start\ndata: {"type":"message_start"}\n\nevent: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"A weir"}}\n\n',
                    "cut": True,
                },
            }
        )

    def get_usage(self, state, rest, body):
        moment = lambda text, otherwise: (
            otherwise
            if not text
            else int(text) if text.isdigit() else int(time.mktime(time.strptime(text[:10], "%Y-%m-%d")) * 1000)
        )
        low, high = moment(self.query.get("from"), 0), moment(self.query.get("to"), 1 << 60)
        rows = [r for r in self.matching(state) if low <= r["unix_ms"] < high]
        by = [name for name in self.query.get("group_by", "").split(",") if name]
        naming = {
            "day": lambda r: time.strftime("%Y-%m-%d", time.gmtime(r["unix_ms"] / 1000)),
            "hour": lambda r: time.strftime("%Y-%m-%dT%H:00:00Z", time.gmtime(r["unix_ms"] / 1000)),
            "minute": lambda r: time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(r["unix_ms"] / 1000)),
            "model": lambda r: r["model_sent"],
        }
        groups = {}
        for r in rows:
            groups.setdefault(tuple(naming.get(name, lambda r, name=name: r[name])(r) for name in by), []).append(r)
        self.send(
            {
                "total": sums(rows),
                "groups": [{**dict(zip(by, names)), **sums(of)} for names, of in sorted(groups.items())] if by else [],
            }
        )

    def get_store(self, state, rest, body):
        self.send(
            {
                "file": "/var/lib/weir/weir.db",
                "bytes": 73_400_320,
                "rows": len(state.rows),
                "oldest_unix_ms": state.rows[-1]["unix_ms"],
                "dropped_rows": 0,
                "state": "ok",
                "message": "",
            }
        )

    def get_models(self, state, rest, body):
        self.send({"models": MODELS.get(self.query.get("provider"), [])})

    def get_log(self, state, rest, body):
        self.send({"level": getattr(state, "level", "info")})

    def put_log(self, state, rest, body):
        state.level = body["level"]
        self.send({"level": state.level})

    # -- the configuration

    def get_config(self, state, rest, body):
        if rest == ["backups"]:
            now = int(time.time() * 1000)
            return self.send(
                {"backups": [{"name": f"config.json.{at}", "unix_ms": now - at * DAY, "bytes": len(CONFIG)} for at in range(3)]}
            )
        if rest:
            return self.send({"text": CONFIG.replace('"errors"', '"all"')})
        self.send(
            {
                "file": "/etc/weir/config.json",
                "text": state.text,
                "value": value_of(state.text),
                "generation": state.generation,
                "etag": f"g{state.generation}",
                "problems": state.problems(state.text),
            }
        )

    def post_config(self, state, rest, body):
        if rest == ["validate"]:
            return self.send({"value": value_of(body["text"]), "problems": state.problems(body["text"])})
        if rest == ["edit"]:
            value = value_of(body["text"])
            at = value
            for step in body["path"][:-1]:
                at = at.setdefault(step, {})
            if body.get("value") is None:
                at.pop(body["path"][-1], None)
            else:
                at[body["path"][-1]] = body["value"]
            return self.send({"text": json.dumps(value, indent=2), "value": value})
        state.generation += 1
        self.send({"generation": state.generation, "changes": ["traces.bodies: errors → all"]})

    def put_config(self, state, rest, body):
        if self.headers.get("if-match") != f'"g{state.generation}"':
            return self.problem(412, "the file has changed meanwhile")
        if found := state.problems(body["text"]):
            return self.problem(422, "the file has errors; nothing was changed", problems=found)
        state.text, state.generation = body["text"], state.generation + 1
        self.send({"generation": state.generation, "etag": f"g{state.generation}", "changes": ["changed"], "problems": []})

    def get_schema(self, state, rest, body):
        self.send(
            state.schema
            or {
                "type": "object",
                "properties": {
                    # Sentences of the real schema, for those are what the Chinese help knows.
                    "listen": {"type": "string", "description": LISTEN_HELP, "default": "127.0.0.1:7070"},
                    "log": {"$ref": "#/$defs/Log", "description": "What is logged to stderr, and how."},
                },
                "$defs": {
                    "Log": {
                        "type": "object",
                        "properties": {"level": {"enum": ["info", "debug"], "description": "How much.", "default": "info"}},
                    }
                },
            }
        )

    def get_presets(self, state, rest, body):
        self.send(
            {
                "presets": [
                    {"name": name, "protocol": state.providers[name]["protocol"], "base_url": state.providers[name]["base_url"]}
                    for name in MODELS
                ]
                + [{"name": "openrouter", "protocol": "chat", "base_url": "https://openrouter.ai/api/v1"}]
            }
        )

    # -- providers, clients, routes

    def get_providers(self, state, rest, body):
        self.send({"providers": list(state.providers.values())})

    def post_providers(self, state, rest, body):
        match rest:
            case []:
                if body["name"] in state.providers:
                    return self.problem(409, "there is a provider of this name", member="name")
                keys = [
                    {
                        "name": f"key{at + 1}",
                        "key": "sk-…abcd",
                        "weight": 1,
                        "priority": 100,
                        "max_concurrent": 0,
                        "disabled": False,
                        "health": "ok",
                        "in_flight": 0,
                    }
                    for at, _ in enumerate(body.get("keys", []))
                ]
                state.providers[body["name"]] = {
                    "protocol": "chat",
                    "base_url": "",
                    "disabled": False,
                    "balance": "round_robin",
                    "affinity": "ids",
                    "models": [],
                    **body,
                    "keys": keys,
                }
                self.send({"generation": state.generation})
            case [name, "discover"]:
                self.send({"models": MODELS.get(name, []) + ["another-model"]})
            case [name, "speed"]:
                self.send(
                    {
                        "keys": [
                            {
                                "key": key["name"],
                                "ok": True,
                                "status": 200,
                                "ms": 180 + 40 * at,
                                "message": "it listed its models",
                            }
                            for at, key in enumerate(state.providers[name]["keys"])
                        ]
                    }
                )
            case [_, "keys", _, "test"]:
                self.send({"key": rest[2], "ok": True, "status": 200, "ms": 214, "message": "it listed its models"})
            case [name, "keys"]:
                state.providers[name]["keys"].append(
                    {
                        "name": body.get("name") or "new",
                        "key": "sk-…abcd",
                        "weight": 1,
                        "priority": 100,
                        "max_concurrent": 0,
                        "disabled": False,
                        "health": "ok",
                        "in_flight": 0,
                    }
                )
                self.send({})
            case _:
                self.send({})

    def patch_providers(self, state, rest, body):
        what = (
            state.providers[rest[0]]
            if len(rest) == 1
            else next(k for k in state.providers[rest[0]]["keys"] if k["name"] == rest[2])
        )
        what.update(body)
        if len(rest) > 1:
            what["health"] = "disabled" if what["disabled"] else "ok"
        self.send({})

    def delete_providers(self, state, rest, body):
        if len(rest) == 1:
            del state.providers[rest[0]]
        else:
            state.providers[rest[0]]["keys"] = [k for k in state.providers[rest[0]]["keys"] if k["name"] != rest[2]]
        self.send({})

    def get_clients(self, state, rest, body):
        used = lambda one: [
            {"what": "requests", "window": "a minute", "bound": most, "used": 17} for most in one["limits"].values()
        ]
        self.send(
            {
                "clients": [{**one, "hashed": True, "expired": False, "used": used(one)} for one in state.clients.values()],
                "access": None,
                "access_now": "keys" if state.clients else "open",
                "first_client": None if state.clients else {"requests_today": 12, "detail": "everybody is served until now"},
            }
        )

    def post_clients(self, state, rest, body):
        if rest:
            return self.send({"key": "sk-weir-" + "r0tated" * 4})
        if body["name"] in state.clients:
            return self.problem(409, "there is a client of this name", member="name")
        state.clients[body["name"]] = {
            "key": "sha256:…00",
            "models": [],
            "limits": {},
            "disabled": False,
            "expires": None,
            "route": None,
            **body,
        }
        self.send({"name": body["name"], "key": "sk-weir-" + "n3wk3y" * 5})

    def patch_clients(self, state, rest, body):
        state.clients[rest[0]].update(body)
        self.send({})

    def delete_clients(self, state, rest, body):
        del state.clients[rest[0]]
        self.send({})

    def get_routes(self, state, rest, body):
        self.send(
            {
                "routes": list(state.routes.values()),
                "default_route": "coding",
                "default_routes": {"anthropic": "coding", "responses": None, "chat": None, "gemini": None, "ollama": "cheap"},
            }
        )

    def put_routes(self, state, rest, body):
        state.routes[rest[0]] = {
            "name": rest[0],
            "to": [],
            "models": {},
            "scenes": {},
            "spread": "ordered",
            "unknown_models": "default",
            **body,
        }
        self.send({})

    def delete_routes(self, state, rest, body):
        del state.routes[rest[0]]
        self.send({})

    def post_explain(self, state, rest, body):
        self.send(
            {
                "steps": [
                    {"rule": "route", "code": "route", "values": {"route": "coding"}, "text": "route coding"},
                    {"rule": "scene", "code": "scene", "values": {"scene": "think"}, "text": "scene think"},
                    {"rule": "decided", "code": "by_map", "values": {"pattern": '"gpt-*"'}, "text": 'decided by models["gpt-*"]'},
                    {"rule": "later", "code": "unknown", "values": {}, "text": "what this page does not know"},
                ],
                "targets": [
                    {"provider": "anthropic", "model": "claude-sonnet-4-5", "keys": ["key1", "second"]},
                    {"provider": "openai", "model": "gpt-5", "keys": ["key1"]},
                ],
            }
        )

    def post_secret(self, state, rest, body):
        self.send({"secret": "sk-of-the-mock"})

    def post_import(self, state, rest, body):
        self.send({"kind": "weir", "adds": {"providers": ["deepseek"]}, "text": CONFIG})

    def post_reload(self, state, rest, body):
        self.send({"ok": True, "generation": state.generation, "changes": [], "restart_needed": [], "problems": []})

    def post_playground(self, state, rest, body):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("x-weir-status", "200")
        self.send_header("connection", "close")
        self.end_headers()
        for word in ["A weir ", "raises ", "the water ", "and lets ", "the rest ", "over."]:
            data = (
                {"choices": [{"delta": {"content": word}}]}
                if body["dialect"] == "chat"
                else {"type": "content_block_delta", "delta": {"type": "text_delta", "text": word}}
            )
            self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())
            self.wfile.flush()
            time.sleep(0.04)
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True


class Mock:
    """The server on a port of the kernel's choice, for as long as the `with` block."""

    def __init__(self, port=0, **state):
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Answers)
        self.server.daemon_threads, self.server.block_on_close, self.server.ending = True, False, False
        self.server.state = State(**state)
        self.url = "http://127.0.0.1:%d" % self.server.server_port

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.ending = True
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    schema = json.loads(Path(os.environ["SCHEMA"]).read_text()) if "SCHEMA" in os.environ else None
    with Mock(port=int(sys.argv[1]) if len(sys.argv) > 1 else 7081, schema=schema) as mock:
        print(mock.url, flush=True)
        threading.Event().wait()
