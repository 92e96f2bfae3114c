"""Every answer that weir writes, whole and event by event, is one of its vendor's: held against the types of the vendor's library.

What the scripted provider says is held against them too, so that weir is not judged by what no vendor says. What has no script
(refusals, citations, images, tools of a vendor, answers cut short) is in the streams of `tests/golden`, which a provider says again.
"""

import json
import types
from pathlib import Path
from urllib.parse import urlsplit

import anthropic.types
import httpx
import ollama
import openai.types.chat
import openai.types.responses
import pytest
from google.genai import types as genai_types

import scripted_provider as scripted
from conftest import CLIENT_KEY, HANG, ring_refusal, start
from fake_provider import FakeProvider, gemini_model
from test_translation import NAMES, PROVIDERS, QUESTION, SCHEMA, clients, pairs, relay  # noqa: F401
from vendor_types import problems

# What is said beyond a vendor's types, by all who say it so: a user of the library finds it among the other members.
BEYOND = {
    # Thoughts, for which OpenAI's Chat has no word: DeepSeek's and others' for them, OpenRouter's for their seals and for images,
    # and Google's for the seal of a call. Citations and calls of custom tools OpenAI streams as it says them in a whole answer,
    # and the library has them there only.
    "chat": ["reasoning_content", "reasoning_details", "images", "extra_content", "delta.annotations", "delta.tool_calls[].custom"],
    "responses": [],
    "anthropic": [],
    "gemini": [],
    # What newer servers tell than the library knows: the id and the place of a call, and what a cache had of the prompt.
    "ollama": ["id", "index", "prompt_eval_cached_count"],
}
SCRIPTS = ["text", "length", "call", "calls"]
BROKEN = ["cut", "broken", "limited"]


def functions(form):
    return [form(name) for name in NAMES]


def asked(client, model, stream, question=QUESTION):
    """Path, query and body of a request."""
    messages = [{"role": "user", "content": question}]
    if client == "chat":
        tools = functions(lambda name: {"type": "function", "function": {"name": name, "parameters": SCHEMA}})
        more = {"stream_options": {"include_usage": True}} if stream else {}
        return "/v1/chat/completions", {"model": model, "messages": messages, "tools": tools, "stream": stream, "reasoning_effort": "low", **more}
    if client == "responses":
        tools = functions(lambda name: {"type": "function", "name": name, "parameters": SCHEMA, "strict": False})
        return "/v1/responses", {"model": model, "input": question, "tools": tools, "stream": stream, "reasoning": {"effort": "low", "summary": "auto"}}
    if client == "anthropic":
        tools = functions(lambda name: {"name": name, "input_schema": SCHEMA})
        thinking = {"type": "enabled", "budget_tokens": 1024}
        return "/v1/messages", {"model": model, "max_tokens": 4096, "messages": messages, "tools": tools, "stream": stream, "thinking": thinking}
    if client == "gemini":
        verb = ":streamGenerateContent?alt=sse" if stream else ":generateContent"
        tools = [{"functionDeclarations": functions(lambda name: {"name": name, "parametersJsonSchema": SCHEMA})}]
        body = {"contents": [{"role": "user", "parts": [{"text": question}]}], "tools": tools}
        return f"/v1beta/models/{model}{verb}", {**body, "generationConfig": {"thinkingConfig": {"includeThoughts": True}}}
    tools = functions(lambda name: {"type": "function", "function": {"name": name, "parameters": SCHEMA}})
    return "/api/chat", {"model": model, "messages": messages, "tools": tools, "stream": stream, "think": True}


def fetched(relay, client, model, stream, question=QUESTION):
    """Status and body of an answer; of one that is cut off, as much as came."""
    path, body = asked(client, model, stream, question)
    said = b""
    with httpx.Client(base_url=relay.url, headers={"authorization": f"Bearer {relay.key}"}, timeout=HANG, trust_env=False) as http:
        with http.stream("POST", path, json=body) as answer:
            try:
                for piece in answer.iter_raw():
                    said += piece
            except httpx.RemoteProtocolError:
                pass
            return answer.status_code, said.decode()


def frames(client, text):
    """The events of a stream as (name, value); the end mark is no event."""
    if client == "ollama":
        return [("", json.loads(line)) for line in text.split("\n") if line]
    events = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        name = next((line.removeprefix("event: ") for line in lines if line.startswith("event: ")), "")
        data = "".join(line.removeprefix("data: ") for line in lines if line.startswith("data: "))
        if data and data != "[DONE]":
            events.append((name, json.loads(data)))
    return events


WHOLE = {
    "chat": openai.types.chat.ChatCompletion,
    "responses": openai.types.responses.Response,
    "anthropic": anthropic.types.Message,
    "gemini": genai_types.GenerateContentResponse,
    "ollama": ollama.ChatResponse,
}
EVENT = {
    **WHOLE,
    "chat": openai.types.chat.ChatCompletionChunk,
    "responses": openai.types.responses.ResponseStreamEvent,
    "anthropic": anthropic.types.RawMessageStreamEvent,
}
# What the libraries have no type for, or one in which nothing need be there, as the vendors document it.
NEEDED = {
    "chat": ["id", "object", "created", "model", "choices"],
    "responses": [],
    "anthropic": [],
    "gemini": ["candidates", "modelVersion", "responseId"],
    "ollama": ["model", "created_at", "message", "done"],
}


def wrong(client, value, kind, needed=()):
    beyond = tuple(f".{name}:" for name in BEYOND[client])
    found = [one for one in problems(value, kind) if not any(name in one for name in beyond) and "tool_calls[].type: 'custom'" not in one]
    return found + [f".{name}: is missing" for name in needed if name not in value]


def wrong_error(client, value):
    """What is wrong with the body of an error."""
    if client == "anthropic":
        return wrong(client, value, anthropic.types.ErrorResponse)
    if client == "ollama":
        return [] if isinstance(value.get("error"), str) and len(value) == 1 else [f"no error of Ollama: {value}"]
    needed = {"code": int, "message": str, "status": str} if client == "gemini" else {"message": str, "type": str}
    error = value.get("error") or {}
    found = [f".error.{name}: is no {kind.__name__}" for name, kind in needed.items() if not isinstance(error.get(name), kind)]
    allowed = {*needed, *(["details"] if client == "gemini" else ["param", "code"])}
    return found + [f".error.{name}: is not said" for name in set(error) - allowed] + [f".{name}: is not said" for name in set(value) - {"error"}]


def wrong_events(client, events):
    found = []
    for at, (name, value) in enumerate(events):
        told = value.get("type", "")
        if client in ("responses", "anthropic") and name != told:
            found.append(f"{at}: the event {told} is called {name}")
        if client == "responses" and value.get("sequence_number") != at:
            found.append(f"{at}: {told} has the number {value.get('sequence_number')}")
        if client == "anthropic" and told == "ping":
            found += [f"{at}: {value}"] if len(value) > 1 else []
        elif "error" in value and client != "responses":
            found += [f"{at}: {one}" for one in wrong_error(client, value)]
        else:
            found += [f"{at} {told}: {one}" for one in wrong(client, value, EVENT[client], NEEDED[client])]
    return found


def each_once(found):
    """Told without the number of the event, each once."""
    assert not found, "\n".join(dict.fromkeys(found))


@clients
@pytest.mark.parametrize("script", SCRIPTS)
def test_what_the_scripts_say_is_what_vendors_say(client, script):
    whole, stream, _ = next(spoken for end, spoken in scripted.SPOKEN.items() if asked(client, "m", False)[0].split("?")[0].endswith(end))
    said = scripted.SCRIPTS[script]
    each_once(wrong(client, json.loads(json.dumps(whole("m", said, False))), WHOLE[client], NEEDED[client]))
    each_once(wrong_events(client, frames(client, "".join(stream("m", said)))))


@pairs
@clients
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_whole_answer_is_the_vendors(relay, client, upstream, script):  # noqa: F811
    status, body = fetched(relay, client, f"{PROVIDERS[upstream]}/{script}", False)
    assert status == 200, body
    each_once(wrong(client, json.loads(body), WHOLE[client], NEEDED[client]))


@pairs
@clients
@pytest.mark.parametrize("script", SCRIPTS)
def test_each_event_is_the_vendors(relay, client, upstream, script):  # noqa: F811
    status, body = fetched(relay, client, f"{PROVIDERS[upstream]}/{script}", True)
    assert status == 200, body
    each_once(wrong_events(client, frames(client, body)))


@pairs
@clients
@pytest.mark.parametrize("script", BROKEN)
def test_an_error_is_the_vendors(relay, client, upstream, script):  # noqa: F811
    status, body = fetched(relay, client, f"{PROVIDERS[upstream]}/{script}", True)
    if status == 200:
        each_once(wrong_events(client, frames(client, body)))
    else:  # or broken before anything was said
        assert status == (429 if script == "limited" else 502)
        each_once(wrong_error(client, json.loads(body)))


@clients
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wish", ["demo:image", "demo:think demo:tools=3", "demo:empty", "demo:error=529", "demo:error=400"])
def test_what_the_demo_says_is_the_vendors(relay, client, wish, stream):  # noqa: F811
    status, body = fetched(relay, client, "demo/demo", stream, wish)
    if status != 200:
        each_once(wrong_error(client, json.loads(body)))
    elif stream:
        each_once(wrong_events(client, frames(client, body)))
    else:
        each_once(wrong(client, json.loads(body), WHOLE[client], NEEDED[client]))


GOLDEN = Path(__file__).parent.parent / "golden"
STREAMS = [path for path in sorted(GOLDEN.glob("*/*.*")) if path.suffix in (".sse", ".ndjson") and not path.name.startswith("written")]
TOLD = [(client, path.parent.name, f"{path.parent.name}-{path.name}") for client in WHOLE for path in STREAMS if path.parent.name != client]


class Golden(scripted.Scripted):
    """Says the file that the model names."""

    def serve(self, body):
        path = urlsplit(self.path).path
        dialect, name = (gemini_model(path) if ":" in path else body["model"]).split("-", 1)
        said = (GOLDEN / dialect / name).read_text()
        self.stream([said], "application/x-ndjson" if dialect == "ollama" else "text/event-stream")


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    fake = FakeProvider(Golden)
    process, url = start("epoll" if ring_refusal() else "io_uring", tmp_path_factory.mktemp("golden"), fake)
    try:
        yield types.SimpleNamespace(url=url, key=CLIENT_KEY)
    finally:
        process.terminate()
        process.wait(HANG)
        fake.stop()


@pytest.mark.parametrize(("client", "upstream", "file"), TOLD)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_what_the_golden_streams_become_is_the_vendors(golden, client, upstream, file, stream):
    status, body = fetched(golden, client, f"{PROVIDERS[upstream]}/{file}", stream)
    if status != 200:
        each_once(wrong_error(client, json.loads(body)))
    elif stream:
        each_once(wrong_events(client, frames(client, body)))
    else:
        each_once(wrong(client, json.loads(body), WHOLE[client], NEEDED[client]))
