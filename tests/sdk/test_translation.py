"""Every client library before every provider protocol: what a user of the library is handed is what the provider said."""

import itertools
import json
import re
import types
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import anthropic
import ollama
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

import scripted_provider as scripted
from conftest import CLIENT_KEY, HANG, ring_refusal, start
from fake_provider import FakeProvider

CLIENTS = ["chat", "responses", "anthropic", "gemini", "ollama"]
PROVIDERS = {"chat": "openai", "responses": "openai-responses", "anthropic": "claude", "gemini": "google", "ollama": "local"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "words": {"type": "array", "items": {"type": "string"}}}}
NAMES = [name for name, _ in scripted.CALLS]
QUESTION = "Hi, ä"


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    """weir before the scripted provider, on one driver: the translation does not know which one it runs on."""
    driver = "epoll" if ring_refusal() else "io_uring"
    fake = FakeProvider(scripted.Scripted)
    folder = tmp_path_factory.mktemp("translation")
    process, url = start(driver, folder, fake, timeouts={"ping_ms": 200})
    try:
        yield types.SimpleNamespace(url=url, key=CLIENT_KEY, fake=fake, direct=False)
    finally:
        process.terminate()
        code = process.wait(HANG)
        fake.stop()
    log = (folder / "log").read_text()
    assert code == 0 and "panicked" not in log, log


@dataclass
class Heard:
    """What a library handed to its user; `calls` are (name, arguments, id), `usage` in the terms of the scripts."""

    text: str = ""
    thought: str = ""
    calls: list = field(default_factory=list)
    stop: str = ""
    input: int = 0
    cached: int | None = None
    output: int = 0
    thoughts: int | None = None


CHAT_STOP = {"stop": "stop", "length": "length", "tool_calls": "calls"}
ANTHROPIC_STOP = {"end_turn": "stop", "max_tokens": "length", "tool_use": "calls"}


def ask_chat(relay, model, stream):
    with openai.OpenAI(base_url=f"{relay.url}/v1", api_key=relay.key, max_retries=0, timeout=HANG) as client:
        tools = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in NAMES]
        asked = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "tools": tools, "reasoning_effort": "low"}
        heard = Heard()
        if not stream:
            answer = client.chat.completions.create(**asked)
            usage, message = answer.usage, answer.choices[0].message
            heard.text, heard.stop = message.content or "", CHAT_STOP[answer.choices[0].finish_reason]
            heard.thought = getattr(message, "reasoning_content", None) or ""
            heard.calls = [(c.function.name, json.loads(c.function.arguments), c.id) for c in message.tool_calls or []]
        else:
            calls, usage = {}, None
            for chunk in client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
                usage = chunk.usage or usage
                for choice in chunk.choices:
                    heard.text += choice.delta.content or ""
                    heard.thought += getattr(choice.delta, "reasoning_content", None) or ""
                    for piece in choice.delta.tool_calls or []:
                        call = calls.setdefault(piece.index, ["", "", ""])
                        call[0] += piece.function.name or ""
                        call[1] += piece.function.arguments or ""
                        call[2] += piece.id or ""
                    if choice.finish_reason:
                        assert not heard.stop, "two ends"
                        heard.stop = CHAT_STOP[choice.finish_reason]
            assert list(calls) == list(range(len(calls)))
            heard.calls = [(name, json.loads(arguments), id) for name, arguments, id in calls.values()]
        heard.input, heard.output = usage.prompt_tokens, usage.completion_tokens
        assert usage.total_tokens == heard.input + heard.output
        heard.cached = usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens
        heard.thoughts = usage.completion_tokens_details and usage.completion_tokens_details.reasoning_tokens
        return heard


def ask_responses(relay, model, stream):
    with openai.OpenAI(base_url=f"{relay.url}/v1", api_key=relay.key, max_retries=0, timeout=HANG) as client:
        tools = [{"type": "function", "name": name, "parameters": SCHEMA, "strict": False} for name in NAMES]
        asked = {"model": model, "input": QUESTION, "tools": tools, "reasoning": {"effort": "low", "summary": "auto"}}
        deltas, items = "", []
        if stream:
            answer = None
            for event in client.responses.create(**asked, stream=True):
                assert answer is None, f"{event.type} after the end"
                if event.type == "response.output_text.delta":
                    deltas += event.delta
                elif event.type == "response.output_item.done":
                    items.append(event.item)
                elif event.type == "response.failed":
                    raise openai.APIError(event.response.error.message, None, body=event.response.error)
                elif event.type in ("response.completed", "response.incomplete"):
                    answer = event.response
            assert deltas == answer.output_text
            assert [item.to_dict() for item in items] == [item.to_dict() for item in answer.output]
        else:
            answer = client.responses.create(**asked)
        heard = Heard(text=answer.output_text)
        for item in answer.output:
            if item.type == "reasoning":
                heard.thought += "".join(part.text for part in [*item.summary, *(item.content or [])])
            elif item.type == "function_call":
                heard.calls.append((item.name, json.loads(item.arguments), item.call_id))
        if answer.status == "incomplete":
            assert answer.incomplete_details.reason == "max_output_tokens"
            heard.stop = "length"
        else:
            assert answer.status == "completed"
            heard.stop = "calls" if heard.calls else "stop"
        usage = answer.usage
        heard.input, heard.cached = usage.input_tokens, usage.input_tokens_details.cached_tokens
        heard.output, heard.thoughts = usage.output_tokens, usage.output_tokens_details.reasoning_tokens
        assert usage.total_tokens == heard.input + heard.output
        return heard


def ask_anthropic(relay, model, stream):
    with anthropic.Anthropic(base_url=relay.url, api_key=relay.key, max_retries=0, timeout=HANG) as client:
        asked = {"model": model, "max_tokens": 4096, "messages": [{"role": "user", "content": QUESTION}]}
        asked["tools"] = [{"name": name, "input_schema": SCHEMA} for name in NAMES]
        asked["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        if stream:
            with client.messages.stream(**asked) as events:
                deltas = "".join(events.text_stream)
                answer = events.get_final_message()
            assert deltas == "".join(block.text for block in answer.content if block.type == "text")
        else:
            answer = client.messages.create(**asked)
        heard = Heard(stop=ANTHROPIC_STOP[answer.stop_reason])
        for block in answer.content:
            if block.type == "text":
                heard.text += block.text
            elif block.type == "thinking":
                heard.thought += block.thinking
            elif block.type == "tool_use":
                heard.calls.append((block.name, block.input, block.id))
        usage = answer.usage
        heard.cached, heard.output = usage.cache_read_input_tokens or 0, usage.output_tokens
        heard.input = usage.input_tokens + heard.cached + (usage.cache_creation_input_tokens or 0)
        return heard


def ask_gemini(relay, model, stream):
    options = genai_types.HttpOptions(base_url=relay.url, timeout=HANG * 1000)
    client = genai.Client(api_key=relay.key, http_options=options)
    functions = [{"name": name, "parameters_json_schema": SCHEMA} for name in NAMES]
    config = {"tools": [{"function_declarations": functions}], "thinking_config": {"include_thoughts": True, "thinking_budget": 1024}}
    if stream:
        answers = list(client.models.generate_content_stream(model=model, contents=QUESTION, config=config))
    else:
        answers = [client.models.generate_content(model=model, contents=QUESTION, config=config)]
    heard = Heard()
    for answer in answers:
        for candidate in answer.candidates or []:
            for part in (candidate.content and candidate.content.parts) or []:
                if part.function_call:
                    heard.calls.append((part.function_call.name, part.function_call.args, part.function_call.id))
                elif part.thought:
                    heard.thought += part.text or ""
                else:
                    heard.text += part.text or ""
            if candidate.finish_reason:
                assert not heard.stop, "two ends"
                heard.stop = {"STOP": "stop", "MAX_TOKENS": "length"}[candidate.finish_reason.name]
    if heard.calls and heard.stop == "stop":
        heard.stop = "calls"  # Gemini says STOP of both
    usage = answers[-1].usage_metadata
    heard.input, heard.cached = usage.prompt_token_count, usage.cached_content_token_count or 0
    heard.thoughts = usage.thoughts_token_count or 0
    heard.output = (usage.candidates_token_count or 0) + heard.thoughts
    assert usage.total_token_count == heard.input + heard.output
    return heard


def ask_ollama(relay, model, stream):
    client = ollama.Client(host=relay.url, headers={"authorization": f"Bearer {relay.key}"}, timeout=HANG)
    tools = [{"type": "function", "function": {"name": name, "description": "d", "parameters": SCHEMA}} for name in NAMES]
    asked = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "tools": tools, "think": True}
    parts = list(client.chat(**asked, stream=True)) if stream else [client.chat(**asked)]
    heard = Heard()
    for part in parts:
        heard.text += part.message.content or ""
        heard.thought += part.message.thinking or ""
        heard.calls += [(call.function.name, dict(call.function.arguments), None) for call in part.message.tool_calls or []]
    end = parts[-1]
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    heard.stop = "calls" if heard.calls else end.done_reason
    heard.input, heard.output = end.prompt_eval_count, end.eval_count
    return heard


ASK = {"chat": ask_chat, "responses": ask_responses, "anthropic": ask_anthropic, "gemini": ask_gemini, "ollama": ask_ollama}
pairs = pytest.mark.parametrize("upstream", CLIENTS)
clients = pytest.mark.parametrize("client", CLIENTS)
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def check(heard, script, client, upstream):
    """What a library of the dialect `client` handed to its user is what `upstream` said."""
    said = scripted.SCRIPTS[script]
    assert heard.text == "".join(said["text"])
    assert heard.thought == "".join(said["thought"])
    assert heard.stop == said["stop"]
    assert [(name, arguments) for name, arguments, _ in heard.calls] == said["calls"]
    assert (heard.input, heard.output) == (scripted.INPUT, scripted.OUTPUT)
    if client != "ollama":  # which has no member for it
        assert (heard.cached or 0) == (0 if upstream == "ollama" else scripted.CACHED)
    if client not in ("anthropic", "ollama"):
        assert (heard.thoughts or 0) == (0 if upstream in ("anthropic", "ollama") else scripted.THOUGHTS)
    ids = [id for _, _, id in heard.calls]
    if client in ("chat", "responses", "anthropic"):
        assert all(ids) and len(set(ids)) == len(ids)
        if upstream in ("chat", "responses", "anthropic"):
            assert ids == [scripted.call_id(i) for i in range(len(ids))]


@both
@pairs
@clients
@pytest.mark.parametrize("script", ["text", "length", "call", "calls"])
def test_what_was_said_is_what_is_heard(relay, script, client, upstream, stream):
    check(ASK[client](relay, f"{PROVIDERS[upstream]}/{script}", stream), script, client, upstream)


@both
@pairs
@clients
def test_a_limit_is_the_librarys_own_error(relay, client, upstream, stream):
    kinds = {"anthropic": anthropic.RateLimitError, "gemini": genai_errors.ClientError, "ollama": ollama.ResponseError}
    with pytest.raises(kinds.get(client, openai.RateLimitError)) as caught:
        ASK[client](relay, f"{PROVIDERS[upstream]}/limited", stream)
    error = caught.value
    assert getattr(error, "status_code", None) == 429 or error.code == 429
    assert scripted.LIMITED in (error.error if client == "ollama" else error.message)
    if client != "ollama":  # whose library drops the head
        # The provider's, or, while the key still rests for its `cooldown.max_ms`, when weir would ask again.
        assert error.response.headers["retry-after"] in (scripted.RETRY_AFTER, "1")


@pairs
@clients
def test_a_cut_stream_is_an_error(relay, client, upstream):
    kinds = {"anthropic": anthropic.APIError, "gemini": genai_errors.APIError, "ollama": ollama.ResponseError}
    with pytest.raises(kinds.get(client, openai.APIError)):
        ASK[client](relay, f"{PROVIDERS[upstream]}/cut", True)


@pairs
@clients
def test_an_error_in_a_stream_is_told(relay, client, upstream):
    kinds = {"anthropic": anthropic.APIError, "gemini": genai_errors.APIError, "ollama": ollama.ResponseError}
    with pytest.raises(kinds.get(client, openai.APIError), match=re.escape(scripted.BROKEN)):
        ASK[client](relay, f"{PROVIDERS[upstream]}/broken", True)


def test_silence_is_waited_out(relay):
    """All at once, for the sake of the time; weir sends pings meanwhile."""

    def ask(pair):
        check(ASK[pair[0]](relay, f"{PROVIDERS[pair[1]]}/silent", True), "silent", *pair)

    with ThreadPoolExecutor(25) as pool:
        list(pool.map(ask, itertools.product(CLIENTS, CLIENTS)))
