"""One upstream that speaks all five protocols and says what the model's name asks for, streamed and not.

`SCRIPTS` is what is meant; the functions below say it in each protocol's documented form, by hand, so that weir's
codecs are judged by something that is not theirs.
"""

import json
import time
from urllib.parse import urlsplit

import fake_provider
from fake_provider import anthropic_error, gemini_model, ollama_error, openai_error

TEXT = ["Grüße, 世", '界 🦀: "quo', 'ted" \\ and\n', "lines\t</done>"]
THOUGHT = ["Let me ", 'see: "ä" 🤔\n', "yes."]
CALLS = [("get_weather", {"city": 'Zürich "ZH"', "days": 3}), ("say", {"words": ["a\\b", "\n🦀"], "loud": True})]
# Tokens: of the prompt, those of it that came from a cache and went into it, of the answer, those of it that were thought.
INPUT, CACHED, WRITTEN, OUTPUT, THOUGHTS = 50, 20, 5, 30, 12
RETRY_AFTER = "7"
LIMITED = 'slow down: "ä"'
BROKEN = 'out of "memory": ä'
SILENCE_S = 1.2
SEAL = "c2VhbA=="  # of reasoning, which only its vendor can read

# What is said, and why it ends; `cut` ends without its end, `broken` with an error, and `silent` rests in its middle.
SCRIPTS = {
    "text": {"text": TEXT, "thought": THOUGHT, "calls": [], "stop": "stop"},
    "length": {"text": TEXT, "thought": [], "calls": [], "stop": "length"},
    "call": {"text": [], "thought": THOUGHT, "calls": CALLS[:1], "stop": "calls"},
    "calls": {"text": TEXT[:1], "thought": [], "calls": CALLS, "stop": "calls"},
    "silent": {"text": TEXT, "thought": [], "calls": [], "stop": "stop"},
    "cut": {"text": TEXT, "thought": [], "calls": [], "stop": None},
    "broken": {"text": TEXT, "thought": [], "calls": [], "stop": None},
}
ALL = [*SCRIPTS, "limited"]
STREAMED_ONLY = ["silent", "cut", "broken"]


def call_id(i):
    return f"call_{i}xyz"


def arguments(call):
    return json.dumps(call[1])


def split(text):
    """Fragments that part escapes in the middle."""
    return fake_provider.pieces(text)


def data(value):
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def named(events):
    for i, event in enumerate(events):
        # Both ways in which a provider may write what is not ASCII.
        yield f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=i % 2 == 0)}\n\n"


# Chat


def chat_usage():
    return {
        "prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT,
        "prompt_tokens_details": {"cached_tokens": CACHED}, "completion_tokens_details": {"reasoning_tokens": THOUGHTS},
    }  # fmt: skip


def chat_call(i, call, arguments):
    return {"id": call_id(i), "type": "function", "function": {"name": call[0], "arguments": arguments}}


CHAT_STOP = {"stop": "stop", "length": "length", "calls": "tool_calls"}


def chat(model, said, _stream):
    message = {"role": "assistant", "content": "".join(said["text"]) or None}
    if said["thought"]:
        message["reasoning_content"] = "".join(said["thought"])
    if said["calls"]:
        message["tool_calls"] = [chat_call(i, call, arguments(call)) for i, call in enumerate(said["calls"])]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": CHAT_STOP[said["stop"]]}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": chat_usage()}


def chat_stream(model, said):
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}

    def chunk(delta, reason=None):
        return data({**base, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]})

    yield chunk({"role": "assistant", "content": ""})
    for piece in said["thought"]:
        yield chunk({"reasoning_content": piece})
    for piece in said["text"]:
        yield chunk({"content": piece})
    for i, call in enumerate(said["calls"]):
        yield chunk({"tool_calls": [{"index": i, **chat_call(i, call, "")}]})
        for piece in split(arguments(call)):
            yield chunk({"tool_calls": [{"index": i, "function": {"arguments": piece}}]})
    if said["stop"]:
        yield chunk({}, CHAT_STOP[said["stop"]])
        yield data({**base, "choices": [], "usage": chat_usage()})
        yield "data: [DONE]\n\n"


# Responses


def responses_items(said):
    items = []
    if said["thought"]:
        summary = [{"type": "summary_text", "text": "".join(said["thought"])}]
        items.append({"id": "rs_1", "type": "reasoning", "summary": summary, "encrypted_content": SEAL})
    if said["text"]:
        content = [{"type": "output_text", "text": "".join(said["text"]), "annotations": [], "logprobs": []}]
        items.append({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content})
    for i, call in enumerate(said["calls"]):
        own = {"call_id": call_id(i), "name": call[0], "arguments": arguments(call)}
        items.append({"id": f"fc_{i}", "type": "function_call", "status": "completed", **own})
    return items


def responses(model, said, stream):
    details = {"input_tokens_details": {"cached_tokens": CACHED, "cache_write_tokens": 0}, "output_tokens_details": {"reasoning_tokens": THOUGHTS}}
    usage = {"input_tokens": INPUT, "output_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT, **details}
    short = said["stop"] == "length"
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "model": model, "error": None, "instructions": None,
        "metadata": {}, "tools": [], "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "top_p": 1.0,
        "status": "in_progress" if stream else "incomplete" if short else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if short and not stream else None,
        "output": [] if stream else responses_items(said), "usage": None if stream else usage,
    }  # fmt: skip


def responses_events(model, said):
    yield {"type": "response.created", "response": responses(model, said, True)}
    yield {"type": "response.in_progress", "response": responses(model, said, True)}
    for index, item in enumerate(responses_items(said)):
        at = {"item_id": item["id"], "output_index": index}
        added = {"type": "response.output_item.added", "output_index": index}
        if item["type"] == "reasoning":
            yield {**added, "item": {**item, "summary": []}}
            at["summary_index"] = 0
            yield {"type": "response.reasoning_summary_part.added", **at, "part": {"type": "summary_text", "text": ""}}
            for piece in said["thought"]:
                yield {"type": "response.reasoning_summary_text.delta", **at, "delta": piece}
            yield {"type": "response.reasoning_summary_text.done", **at, "text": item["summary"][0]["text"]}
            yield {"type": "response.reasoning_summary_part.done", **at, "part": item["summary"][0]}
        elif item["type"] == "message":
            yield {**added, "item": {**item, "status": "in_progress", "content": []}}
            at["content_index"] = 0
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            yield {"type": "response.content_part.added", **at, "part": part}
            for piece in said["text"]:
                yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
            if not said["stop"]:
                return
            yield {"type": "response.output_text.done", **at, "text": item["content"][0]["text"], "logprobs": []}
            yield {"type": "response.content_part.done", **at, "part": item["content"][0]}
        else:
            yield {**added, "item": {**item, "status": "in_progress", "arguments": ""}}
            for piece in split(item["arguments"]):
                yield {"type": "response.function_call_arguments.delta", **at, "delta": piece}
            yield {"type": "response.function_call_arguments.done", **at, "arguments": item["arguments"]}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    ending = "incomplete" if said["stop"] == "length" else "completed"
    yield {"type": f"response.{ending}", "response": responses(model, said, False)}


def responses_stream(model, said):
    return named({**event, "sequence_number": i} for i, event in enumerate(responses_events(model, said)))


# Anthropic

ANTHROPIC_STOP = {"stop": "end_turn", "length": "max_tokens", "calls": "tool_use", None: None}


def anthropic(model, said, stream):
    content = []
    if said["thought"]:
        content.append({"type": "thinking", "thinking": "".join(said["thought"]), "signature": SEAL})
    if said["text"]:
        content.append({"type": "text", "text": "".join(said["text"])})
    for i, call in enumerate(said["calls"]):
        content.append({"type": "tool_use", "id": call_id(i), "name": call[0], "input": call[1]})
    usage = {"input_tokens": INPUT - CACHED - WRITTEN, "cache_creation_input_tokens": WRITTEN, "cache_read_input_tokens": CACHED}
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": model, "stop_sequence": None,
        "content": [] if stream else content, "stop_reason": None if stream else ANTHROPIC_STOP[said["stop"]],
        "usage": {**usage, "output_tokens": 1 if stream else OUTPUT},
    }  # fmt: skip


def anthropic_events(model, said):
    yield {"type": "message_start", "message": anthropic(model, said, True)}
    for index, block in enumerate(anthropic(model, said, False)["content"]):
        start, deltas = {
            "thinking": ({"thinking": "", "signature": ""}, [{"type": "thinking_delta", "thinking": p} for p in said["thought"]]),
            "text": ({"text": ""}, [{"type": "text_delta", "text": p} for p in said["text"]]),
            "tool_use": ({"input": {}}, [{"type": "input_json_delta", "partial_json": p} for p in ["", *split(json.dumps(block.get("input")))]]),
        }[block["type"]]
        if block["type"] == "thinking":
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        yield {"type": "content_block_start", "index": index, "content_block": {**block, **start}}
        yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        if not said["stop"]:
            return
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": ANTHROPIC_STOP[said["stop"]], "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": OUTPUT}}
    yield {"type": "message_stop"}


def anthropic_stream(model, said):
    return named(anthropic_events(model, said))


# Gemini


def gemini_answer(model, parts, stop=None):
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
    usage = {"promptTokenCount": INPUT, "totalTokenCount": INPUT}
    if stop:
        candidate["finishReason"] = "MAX_TOKENS" if stop == "length" else "STOP"
        answer = {"candidatesTokenCount": OUTPUT - THOUGHTS, "thoughtsTokenCount": THOUGHTS}
        usage = {**usage, "cachedContentTokenCount": CACHED, **answer, "totalTokenCount": INPUT + OUTPUT}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model, "responseId": "g1"}


def gemini_parts(said, join):
    for piece in join(said["thought"]):
        yield {"text": piece, "thought": True}
    for piece in join(said["text"]):
        yield {"text": piece}
    for i, (name, args) in enumerate(said["calls"]):
        # The first of parallel calls has it alone.
        yield {"functionCall": {"name": name, "args": args}, **({} if i else {"thoughtSignature": SEAL})}


def gemini(model, said, _stream):
    parts = gemini_parts(said, lambda pieces: ["".join(pieces)] if pieces else [])
    return gemini_answer(model, list(parts), said["stop"])


def gemini_stream(model, said):
    *first, last = gemini_parts(said, list)
    for part in first:
        yield data(gemini_answer(model, [part])).replace("\n\n", "\r\n\r\n")
    if said["stop"]:
        yield data(gemini_answer(model, [last], said["stop"])).replace("\n\n", "\r\n\r\n")


# Ollama


def ollama_line(model, message, said=None):
    line = {"model": model, "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": "", **message}, "done": said is not None}
    if said:
        counts = {"total_duration": 5, "load_duration": 1, "prompt_eval_count": INPUT, "prompt_eval_duration": 1, "eval_count": OUTPUT, "eval_duration": 1}
        line |= {"done_reason": "length" if said["stop"] == "length" else "stop", **counts}
    return line


def ollama_calls(said):
    return [{"function": {"name": name, "arguments": args}} for name, args in said["calls"]]


def ollama(model, said, _stream):
    message = {"content": "".join(said["text"])}
    if said["thought"]:
        message["thinking"] = "".join(said["thought"])
    if said["calls"]:
        message["tool_calls"] = ollama_calls(said)
    return ollama_line(model, message, said)


def ollama_stream(model, said):
    messages = [{"thinking": piece} for piece in said["thought"]] + [{"content": piece} for piece in said["text"]]
    messages += [{"tool_calls": [call]} for call in ollama_calls(said)]
    for message in messages:
        yield json.dumps(ollama_line(model, message), ensure_ascii=False) + "\n"
    if said["stop"]:
        yield json.dumps(ollama_line(model, {}, said)) + "\n"


def gemini_error(status, message):
    return {"error": {"code": status, "message": message, "status": "RESOURCE_EXHAUSTED" if status == 429 else "INTERNAL"}}


# In the middle of a stream


def failed_response(message, at=99):
    failed = {**responses("m", SCRIPTS["text"], True), "status": "failed", "error": {"code": "server_error", "message": message}}
    return named([{"type": "response.failed", "response": failed, "sequence_number": at}])


BREAKS = {
    chat_stream: lambda message, _=0: [data({"error": {"message": message, "type": "server_error", "param": None, "code": None}})],
    responses_stream: failed_response,
    anthropic_stream: lambda message, _=0: named([anthropic_error(500, message)]),
    gemini_stream: lambda message, _=0: [data(gemini_error(500, message))],
    ollama_stream: lambda message, _=0: [json.dumps(ollama_error(500, message)) + "\n"],
}


def with_silence(events):
    for i, event in enumerate(events):
        # Where all of them have begun and none has ended.
        time.sleep(SILENCE_S if i == 2 else 0)
        yield event


# The end of a path: how it answers whole, streamed, and with an error
SPOKEN = {
    "/chat/completions": (chat, chat_stream, openai_error),
    "/responses": (responses, responses_stream, openai_error),
    "/messages": (anthropic, anthropic_stream, anthropic_error),
    ":generateContent": (gemini, gemini_stream, gemini_error),
    ":streamGenerateContent": (gemini, gemini_stream, gemini_error),
    "/api/chat": (ollama, ollama_stream, ollama_error),
}


class Scripted(fake_provider.Provider):
    retry_after = RETRY_AFTER

    def serve(self, body):
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        path = urlsplit(self.path).path
        whole, stream, error = next(spoken for end, spoken in SPOKEN.items() if path.endswith(end))
        model = gemini_model(path) if ":" in path else body["model"]
        if model.startswith("limited"):
            return self.whole(error(429, LIMITED), 429)
        said = SCRIPTS[model]
        streamed = "streamGenerateContent" in path or body.get("stream", whole is ollama)
        if not streamed:
            return self.whole(whole(model, said, False))
        kind = "application/x-ndjson" if whole is ollama else "text/event-stream"
        events = stream(model, said)
        if model == "silent":
            events = with_silence(events)
        elif model == "broken":
            events = list(events)
            events += BREAKS[stream](BROKEN, len(events))
        self.stream(events, kind, whole=model != "cut")
