"""What a client library sends is what the provider is told: images, calls and their results, and reasoning in the next turn."""

import base64
import json

import anthropic
import ollama
import openai
import pytest
from google import genai
from google.genai import types as genai_types

import scripted_provider as scripted
from conftest import HANG
from test_translation import NAMES, PROVIDERS, SCHEMA, clients, pairs, relay  # noqa: F401
from understood import UNDERSTOOD

SYSTEM, FIRST, SECOND, LAST = "Be brief: ä", 'What is "here"?', "Let me look. 🦀", "And\nnow?"
PNG = base64.b64encode(bytes(range(256))).decode()
RESULTS = ['sunny, "21°"', "a\\b"]
CALLS = [(name, arguments, f"call_{i}") for i, (name, arguments) in enumerate(scripted.CALLS)]
MEANT = [
    ("system", SYSTEM), ("user", FIRST), ("image", "image/png", PNG), ("assistant", SECOND),
    *[("call", name, arguments, None) for name, arguments, _ in CALLS],
    *[("result", i, result) for i, result in enumerate(RESULTS)],
    ("user", LAST),
]  # fmt: skip


class Chat:
    """A library as its user has it: `first` is the conversation of `MEANT` so far as nothing has been called yet, `asked`
    sends a list of turns, `answered` is how its user keeps an answer, and `results` how they answer its calls."""

    first = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": [{"type": "text", "text": FIRST}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]},
    ]
    called = [{"role": "assistant", "content": SECOND, "tool_calls": [{"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}} for name, arguments, id in CALLS]}]
    last = [{"role": "user", "content": LAST}]

    def asked(relay, model, turns):
        with openai.OpenAI(base_url=f"{relay.url}/v1", api_key=relay.key, max_retries=0, timeout=HANG) as client:
            tools = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in NAMES]
            return client.chat.completions.create(model=model, messages=turns, tools=tools, reasoning_effort="low")

    def answered(answer):
        return [answer.choices[0].message.model_dump(exclude_none=True)]

    def results(ids):
        return [{"role": "tool", "tool_call_id": id, "content": result} for id, result in zip(ids, RESULTS)]

    def ids(answer):
        return [call.id for call in answer.choices[0].message.tool_calls]


class Responses:
    first = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": [{"type": "input_text", "text": FIRST}, {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}]},
    ]
    called = [{"role": "assistant", "content": SECOND}, *[{"type": "function_call", "call_id": id, "name": name, "arguments": json.dumps(arguments)} for name, arguments, id in CALLS]]
    last = [{"role": "user", "content": LAST}]

    def asked(relay, model, turns):
        with openai.OpenAI(base_url=f"{relay.url}/v1", api_key=relay.key, max_retries=0, timeout=HANG) as client:
            tools = [{"type": "function", "name": name, "parameters": SCHEMA, "strict": False} for name in NAMES]
            return client.responses.create(model=model, input=turns, tools=tools, reasoning={"effort": "low", "summary": "auto"}, include=["reasoning.encrypted_content"], store=False)

    def answered(answer):
        return [item.model_dump(exclude_none=True) for item in answer.output]

    def results(ids):
        return [{"type": "function_call_output", "call_id": id, "output": result} for id, result in zip(ids, RESULTS)]

    def ids(answer):
        return [item.call_id for item in answer.output if item.type == "function_call"]


class Anthropic:
    first = [{"role": "user", "content": [{"type": "text", "text": FIRST}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]}]
    called = [{"role": "assistant", "content": [{"type": "text", "text": SECOND}, *[{"type": "tool_use", "id": id, "name": name, "input": arguments} for name, arguments, id in CALLS]]}]
    last = [{"role": "user", "content": LAST}]

    def asked(relay, model, turns):
        with anthropic.Anthropic(base_url=relay.url, api_key=relay.key, max_retries=0, timeout=HANG) as client:
            tools = [{"name": name, "input_schema": SCHEMA} for name in NAMES]
            thinking = {"type": "enabled", "budget_tokens": 1024}
            return client.messages.create(model=model, max_tokens=4096, system=SYSTEM, messages=turns, tools=tools, thinking=thinking)

    def answered(answer):
        return [{"role": "assistant", "content": answer.content}]

    def results(ids):
        return [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": result} for id, result in zip(ids, RESULTS)]}]

    def ids(answer):
        return [block.id for block in answer.content if block.type == "tool_use"]


class Gemini:
    first = [{"role": "user", "parts": [{"text": FIRST}, {"inline_data": {"mime_type": "image/png", "data": base64.b64decode(PNG)}}]}]
    called = [{"role": "model", "parts": [{"text": SECOND}, *[{"function_call": {"name": name, "args": arguments}} for name, arguments, _ in CALLS]]}]
    last = [{"role": "user", "parts": [{"text": LAST}]}]

    def asked(relay, model, turns):
        client = genai.Client(api_key=relay.key, http_options=genai_types.HttpOptions(base_url=relay.url, timeout=HANG * 1000))
        functions = [{"name": name, "parameters_json_schema": SCHEMA} for name in NAMES]
        config = {"system_instruction": SYSTEM, "tools": [{"function_declarations": functions}], "thinking_config": {"include_thoughts": True, "thinking_budget": 1024}}
        return client.models.generate_content(model=model, contents=turns, config=config)

    def answered(answer):
        return [answer.candidates[0].content]

    def results(ids):
        return [{"role": "user", "parts": [{"function_response": {"name": name, "response": {"output": result}}} for (name, _, _), _, result in zip(CALLS, ids, RESULTS)]}]

    def ids(answer):
        return answer.function_calls


class Ollama:
    first = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": FIRST, "images": [PNG]}]
    called = [{"role": "assistant", "content": SECOND, "tool_calls": [{"function": {"name": name, "arguments": arguments}} for name, arguments, _ in CALLS]}]
    last = [{"role": "user", "content": LAST}]

    def asked(relay, model, turns):
        client = ollama.Client(host=relay.url, headers={"authorization": f"Bearer {relay.key}"}, timeout=HANG)
        tools = [{"type": "function", "function": {"name": name, "description": "d", "parameters": SCHEMA}} for name in NAMES]
        return client.chat(model=model, messages=turns, tools=tools, think=True)

    def answered(answer):
        return [answer.message]

    def results(ids):
        return [{"role": "tool", "tool_name": name, "content": result} for (name, _, _), _, result in zip(CALLS, ids, RESULTS)]

    def ids(answer):
        return answer.message.tool_calls


LIBRARIES = {"chat": Chat, "responses": Responses, "anthropic": Anthropic, "gemini": Gemini, "ollama": Ollama}


def told(relay, upstream):
    """The last request, as the provider reads it."""
    return list(UNDERSTOOD[upstream](relay.fake.requests[-1][3]))


@pairs
@clients
def test_what_was_asked_is_what_the_provider_is_told(relay, client, upstream):  # noqa: F811
    library = LIBRARIES[client]
    ids = [id for _, _, id in CALLS]
    library.asked(relay, f"{PROVIDERS[upstream]}/text", [*library.first, *library.called, *library.results(ids), *library.last])
    assert told(relay, upstream) == MEANT


@pairs
@clients
def test_reasoning_goes_back_to_its_vendor_as_it_was(relay, client, upstream):  # noqa: F811
    library = LIBRARIES[client]
    model = f"{PROVIDERS[upstream]}/call"
    answer = library.asked(relay, model, library.first)
    library.asked(relay, model, [*library.first, *library.answered(answer), *library.results(library.ids(answer))])
    said = told(relay, upstream)
    thought = [part for part in said if part[0] == "thought"]
    calls = [part for part in said if part[0] == "call"]
    assert [(name, arguments) for _, name, arguments, _ in calls] == scripted.CALLS[:1]
    assert said[-1] == ("result", 0, RESULTS[0])
    whole = "".join(scripted.THOUGHT)
    if client == "ollama" and upstream != "ollama":  # whose library keeps nothing that it does not know
        assert not thought and not calls[0][3]
    elif upstream in ("responses", "anthropic"):
        assert thought == [("thought", whole, scripted.SEAL)]
    elif upstream == "gemini":
        assert calls[0][3] == scripted.SEAL
    elif upstream == "ollama":
        assert thought == [("thought", whole, None)]
