"""Clients of every dialect before every protocol for minutes, while everything is restarted under them.

    WEIR=target/debug/weir .venv/bin/python tests/sdk/soak.py [SECONDS [CLIENTS]]

Every answer consists of words that hold the number of its request and counts them, so that one that is mixed up or ends
early without saying so is seen. Meanwhile the provider cuts and breaks streams and is killed and started again, clients
leave, and weir reloads (SIGHUP) and replaces itself (SIGUSR2). An answer may fail, but has to say so. No part of .ci/run.
"""

import collections
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import conftest
import fake_provider
import scripted_provider as scripted

PROVIDERS = {"chat": "openai", "responses": "openai-responses", "anthropic": "claude", "gemini": "google", "ollama": "local"}
PAUSE_S = 0.004  # between the words of a stream
STAND_STILL_S = 30  # a client that waits longer has been forgotten


class Upstream(fake_provider.Provider):
    """Answers a request that holds `ask-N-WORDS` with that many words, whole, cut or broken."""

    def serve(self, body):
        number, words = (int(n) for n in re.search(r"ask-(\d+)-(\d+)", json.dumps(body)).groups())
        path = urlsplit(self.path).path
        whole, stream, error = next(spoken for end, spoken in scripted.SPOKEN.items() if path.endswith(end))
        said = {"text": [f"{number}:{i} " for i in range(words)], "thought": [], "calls": [], "stop": "stop"}
        fate = random.random()
        if fate < 0.02:
            return self.whole(error(503, "made to fail"), 503)
        if "streamGenerateContent" not in path and not body.get("stream", whole is scripted.ollama):
            return self.whole(whole("m", said, False))
        events = list(stream("m", said))
        if fate < 0.10:
            events = events[: random.randrange(len(events) - 2)]
        elif fate < 0.14:
            events = [*events[: random.randrange(1, len(events) - 2)], *scripted.BREAKS[stream](scripted.BROKEN)]
        kind = "application/x-ndjson" if whole is scripted.ollama else "text/event-stream"
        self.stream(self.slowly(events), kind, whole=not 0.02 <= fate < 0.10)

    def slowly(self, events):
        for event in events:
            time.sleep(PAUSE_S)
            yield event


# What each dialect asks, and what one value of its answer says: (text, whether it is the end, whether it is an error).


def chat(model, text, stream):
    return "/v1/chat/completions", {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}


def chat_said(value):
    choice = (value.get("choices") or [{}])[0]
    return choice.get("delta", choice.get("message", {})).get("content") or "", bool(choice.get("finish_reason")), "error" in value


def responses(model, text, stream):
    return "/v1/responses", {"model": model, "stream": stream, "input": text}


def responses_said(value):
    kind = value.get("type", "")
    if kind.startswith("response."):
        text = value["delta"] if kind == "response.output_text.delta" else ""
        return text, kind == "response.completed", kind == "response.failed"
    text = "".join(part["text"] for item in value.get("output", []) for part in item.get("content", []))
    return text, value.get("status") == "completed", kind == "error" or bool(value.get("error"))


def anthropic(model, text, stream):
    return "/v1/messages", {"model": model, "stream": stream, "max_tokens": 4096, "messages": [{"role": "user", "content": text}]}


def anthropic_said(value):
    kind = value["type"]
    if kind == "message":
        return "".join(block["text"] for block in value["content"]), value["stop_reason"] == "end_turn", False
    return value["delta"].get("text", "") if kind == "content_block_delta" else "", kind == "message_stop", kind == "error"


def gemini(model, text, stream):
    return f"/v1beta/models/{model}:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}", {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def gemini_said(value):
    candidate = (value.get("candidates") or [{}])[0]
    text = "".join(part.get("text", "") for part in candidate.get("content", {}).get("parts", []))
    return text, candidate.get("finishReason") == "STOP", "error" in value


def ollama(model, text, stream):
    return "/api/chat", {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}


def ollama_said(value):
    return value.get("message", {}).get("content", ""), value.get("done", False), "error" in value


DIALECTS = {"chat": (chat, chat_said), "responses": (responses, responses_said), "anthropic": (anthropic, anthropic_said), "gemini": (gemini, gemini_said), "ollama": (ollama, ollama_said)}


class Soak:
    def __init__(self, url):
        self.address = urlsplit(url).netloc
        self.tally = collections.Counter()
        self.wrong = []
        self.ending = threading.Event()
        self.numbers = iter(range(1, 10**9))
        self.lock = threading.Lock()

    def count(self, what):
        with self.lock:
            self.tally[what] += 1

    def client(self, seed):
        chance = random.Random(seed)
        wire = None
        while not self.ending.is_set():
            with self.lock:
                number = next(self.numbers)
            dialect, upstream = chance.choice(list(DIALECTS)), chance.choice(list(PROVIDERS))
            words, stream = chance.randrange(5, 200), chance.random() < 0.8
            leaves = chance.random() < 0.05
            case = f"{number} {dialect} before {upstream}, {words} words, {'stream' if stream else 'whole'}"
            ask, said = DIALECTS[dialect]
            path, body = ask(f"{PROVIDERS[upstream]}/m", f"ask-{number}-{words}", stream)
            try:
                wire, what = self.exchange(wire, path, body, said, number, words, stream, leaves)
            except Exception as why:
                wire, what = None, f"WRONG: {type(why).__name__} {why}"
            self.count(what if not what.startswith("WRONG") else "wrong")
            if what.startswith("WRONG"):
                self.wrong.append(f"{case}: {what}")
            if what.isdigit():
                time.sleep(0.2)  # the provider is away, or its only key rests

    def exchange(self, wire, path, body, said, number, words, stream, leaves):
        reused = wire is not None
        try:
            wire = wire or http.client.HTTPConnection(self.address, timeout=STAND_STILL_S)
            headers = {"authorization": f"Bearer {conftest.CLIENT_KEY}", "content-type": "application/json"}
            wire.request("POST", path, json.dumps(body), headers)
            answer = wire.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected) as why:
            # An idle connection may end at any time; a new one may not be refused.
            if reused:
                return None, "idle connection had ended"
            return None, f"WRONG: {type(why).__name__} on a new connection"
        if answer.status != 200:
            told = json.loads(answer.read())
            return wire, f"{answer.status}" if "error" in told else f"WRONG: {answer.status} {told}"
        text, ended, failed = "", False, False
        try:
            for line in answer if stream else [answer.read()]:
                line = line.removeprefix(b"data: ").strip()
                if not line.startswith(b"{"):
                    continue
                more, is_end, is_error = said(json.loads(line))
                if ended and more:
                    return None, "WRONG: more behind the end"
                text, ended, failed = text + more, ended or is_end, failed or is_error
                if leaves and text:
                    return None, "client left"
        except (ConnectionError, http.client.IncompleteRead) as why:
            failed = "cut"
        told = text.split()
        if told != [f"{number}:{i}" for i in range(len(told))]:
            return None, f"WRONG: mixed up: {text[:80]!r}"
        if ended and len(told) != words:
            return None, f"WRONG: an end behind {len(told)} of {words} words"
        if not ended and not failed:
            return None, f"WRONG: ends in silence behind {len(told)} words"
        if failed:  # also behind a reason to stop, where `[DONE]` does not follow
            return None, f"failed visibly ({'connection' if failed == 'cut' else 'error event'})"
        return (None if answer.will_close else wire), "whole"


def running(config):
    """The processes that serve this configuration."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if str(config).encode() in (entry / "cmdline").read_bytes() and b"weir" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
    return sorted(found)


def weight(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(re.search(r"VmRSS:\s+(\d+)", status)[1])
    return f"{resident / 1024:.1f} MB, {len(os.listdir(f'/proc/{pid}/fd'))} descriptors"


def provider(port):
    process = subprocess.Popen([sys.executable, __file__, "--provider", str(port)], stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def main(seconds, clients):
    upstream, port = provider(0)
    folder = Path(tempfile.mkdtemp(prefix="weir-soak-"))
    fake = type("At", (), {"url": f"http://127.0.0.1:{port}"})
    more = {"retry": {"attempts_max": 1, "rounds_max": 0}, "timeouts": {"drain_ms": 20_000}}
    started, url = conftest.start(os.environ.get("DRIVER", "epoll" if conftest.ring_refusal() else "io_uring"), folder, fake, **more)
    config = folder / "weir.json"
    soak = Soak(url)
    threads = [threading.Thread(target=soak.client, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    begin = last_kill = last_reload = last_upgrade = time.monotonic()
    time.sleep(5)
    print(f"after 5 s: {weight(running(config)[-1])}", flush=True)
    done = collections.Counter()
    while (now := time.monotonic()) - begin < seconds:
        time.sleep(0.5)
        current = running(config)
        if now - last_kill > 11:
            last_kill = now
            upstream.kill()
            upstream.wait()
            time.sleep(random.random())
            upstream, _ = provider(port)
            done["provider killed"] += 1
        if now - last_reload > 3:
            last_reload = now
            os.kill(current[-1], signal.SIGHUP)
            done["reloads"] += 1
        # One at a time: an upgrade waits until the one before it is done.
        if now - last_upgrade > 17 and len(current) == 1:
            last_upgrade = now
            os.kill(current[0], signal.SIGUSR2)
            done["upgrades"] += 1
            print(f"at {now - begin:3.0f} s, before upgrade {done['upgrades']}: {weight(current[0])}; {sum(soak.tally.values())} exchanges, {len(soak.wrong)} wrong", flush=True)
    soak.ending.set()
    for thread in threads:
        thread.join()
    time.sleep(3)
    left = running(config)
    print(f"at the end: {', '.join(weight(pid) for pid in left)}")
    for pid in left:
        os.kill(pid, signal.SIGTERM)
    started.wait(conftest.HANG)
    deadline = time.monotonic() + conftest.HANG
    while running(config) and time.monotonic() < deadline:
        time.sleep(0.1)
    upstream.kill()
    log = (folder / "log").read_text()
    wrong = [*soak.wrong, *(["a panic"] if "panicked" in log else []), *([f"still there: {running(config)}"] if running(config) else []), *([f"{len(left)} processes"] if len(left) != 1 else [])]
    print(dict(done))
    for what, times in sorted(soak.tally.items(), key=lambda pair: -pair[1]):
        print(f"{times:7} {what}")
    for case in wrong[:20]:
        print(case)
    print(f"{len(wrong)} wrong; log: {folder}/log" if wrong else "nothing mixed up, nothing cut short in silence")
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--provider"]:
        server = fake_provider.Server(("127.0.0.1", int(sys.argv[2])), Upstream)
        print(server.server_address[1], flush=True)
        server.serve_forever()
    given = [int(n) for n in sys.argv[1:]]
    sys.exit(main(*(given + [180, 30][len(given) :])))
