"""A provider of all five protocols with answers shaped like recorded ones; it repeats what the user said.

The repeated text makes a mixed-up answer visible. `requests` holds what arrived: (method, target, headers, body).
A model named `fail-STATUS` is answered with that status in the protocol's own error shape.
"""

import base64
import json
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

INPUT, OUTPUT = 11, 7  # tokens of every answer


def pieces(text):
    """The text as a provider would stream it: a few characters at a time."""
    return [text[i : i + 5] for i in range(0, len(text), 5)] or [""]


def spoken(messages):
    """The text of the last message, be it a string or a list of parts."""
    content = messages[-1].get("content", "") if messages else ""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    retry_after = "1"  # seconds, of a 429

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve(None)

    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        raw = self.rfile.read(length)
        self.serve(json.loads(raw) if "json" in self.headers.get("content-type", "json") and raw else raw)

    def serve(self, body):
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        path = urlsplit(self.path).path
        for ending, answer in ANSWERS.items():
            if path.endswith(ending) or (ending.startswith(":") and ending in path):
                return answer(self, path, body)
        self.whole({"error": {"message": f"no such path: {path}"}}, 404)

    def whole(self, value, status=200, kind="application/json"):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.send_header("x-request-id", "req_upstream")
        if status == 429:
            self.send_header("retry-after", self.retry_after)
        self.end_headers()
        self.wfile.write(data)

    def stream(self, frames, kind="text/event-stream", whole=True):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for frame in frames:
            data = frame.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def failed(self, model, shape):
        """Answers a model that is named after a failure; false for any other."""
        if not model.startswith("fail-"):
            return False
        status = int(model.removeprefix("fail-"))
        self.whole(shape(status, f"made to fail with {status}"), status)
        return True


def data(value):
    return f"data: {json.dumps(value)}\n\n"


def named(value):
    return f"event: {value['type']}\n{data(value)}"


# Chat and the other OpenAI paths


def openai_error(status, message):
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


def chat(provider, _path, body):
    model = body["model"]
    if provider.failed(model, openai_error):
        return
    usage = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}
    text = spoken(body["messages"])
    base = {"id": "chatcmpl-9", "created": 1700000000, "model": model, "system_fingerprint": "fp_1"}
    if not body.get("stream"):
        message = {"role": "assistant", "content": text, "refusal": None}
        if body.get("tools"):
            call = {"name": body["tools"][0]["function"]["name"], "arguments": json.dumps({"text": text})}
            message = {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}
        reason = "tool_calls" if body.get("tools") else "stop"
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return provider.whole({**base, "object": "chat.completion", "choices": [choice], "usage": usage})

    def chunk(delta, reason=None):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return data({**base, "object": "chat.completion.chunk", "choices": [choice]})

    def frames():
        yield chunk({"role": "assistant", "content": ""})
        if body.get("tools"):
            name = body["tools"][0]["function"]["name"]
            yield chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}]})
            for piece in pieces(json.dumps({"text": text})):
                yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
            yield chunk({}, "tool_calls")
        else:
            for piece in pieces(text):
                yield chunk({"content": piece})
            yield chunk({}, "stop")
        if body.get("stream_options", {}).get("include_usage"):
            yield data({**base, "object": "chat.completion.chunk", "choices": [], "usage": usage})
        yield "data: [DONE]\n\n"

    provider.stream(frames())


def completions(provider, _path, body):
    choice = {"index": 0, "text": body["prompt"], "logprobs": None, "finish_reason": "stop"}
    provider.whole({"id": "cmpl-1", "object": "text_completion", "created": 1, "model": body["model"], "choices": [choice]})


def embeddings(provider, _path, body):
    vector = [0.5, -0.25]
    if body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<2f", *vector)).decode()
    row = {"object": "embedding", "index": 0, "embedding": vector}
    provider.whole({"object": "list", "data": [row], "model": body["model"], "usage": {"prompt_tokens": INPUT, "total_tokens": INPUT}})


def images(provider, _path, body):
    provider.whole({"created": 1, "data": [{"b64_json": base64.b64encode(body["prompt"].encode()).decode()}]})


def speech(provider, _path, body):
    provider.whole(b"RIFF" + body["input"].encode(), kind="audio/wav")


def transcriptions(provider, _path, body):
    model = body.split(b'name="model"')[1].split()[0].decode()
    provider.whole({"text": f"{len(body)} bytes, model {model}"})


def moderations(provider, _path, body):
    result = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
    provider.whole({"id": "modr-1", "model": body["model"], "results": [result]})


# Responses


def responses(provider, _path, body):
    model = body["model"]
    if provider.failed(model, openai_error):
        return
    asked = body["input"]
    text = asked if isinstance(asked, str) else spoken(asked)
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    usage = {"input_tokens": INPUT, "output_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT, **details}
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}

    def response(status, output, usage=None):
        return {
            "id": "resp_1", "object": "response", "created_at": 1700000000, "status": status, "model": model, "output": output,
            "usage": usage, "error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "tools": [],
            "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "top_p": 1.0,
        }  # fmt: skip

    if not body.get("stream"):
        return provider.whole(response("completed", [item], usage))
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": []}
    events = [
        {"type": "response.created", "response": response("in_progress", [])},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "status": "in_progress", "content": []}},
        {"type": "response.content_part.added", **at, "part": empty},
        *({"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []} for piece in pieces(text)),
        {"type": "response.output_text.done", **at, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": response("completed", [item], usage)},
    ]
    provider.stream(named({**event, "sequence_number": i}) for i, event in enumerate(events))


# Anthropic


def anthropic_error(status, message):
    kinds = {400: "invalid_request_error", 429: "rate_limit_error", 529: "overloaded_error"}
    return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": message}}


def messages(provider, _path, body):
    model = body["model"]
    if provider.failed(model, anthropic_error):
        return
    text = spoken(body["messages"])
    start = {"input_tokens": INPUT, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    base = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "stop_sequence": None}
    if not body.get("stream"):
        content = [{"type": "text", "text": text}]
        return provider.whole({**base, "content": content, "stop_reason": "end_turn", "usage": {**start, "output_tokens": OUTPUT}})
    events = [
        {"type": "message_start", "message": {**base, "content": [], "stop_reason": None, "usage": start}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": p}} for p in pieces(text)),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": OUTPUT}},
        {"type": "message_stop"},
    ]
    provider.stream(map(named, events))


def count_tokens(provider, _path, _body):
    provider.whole({"input_tokens": INPUT})


# Gemini


def gemini_error(status, message):
    return {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}}


def gemini_parts(body):
    return "".join(part.get("text", "") for part in body["contents"][-1]["parts"])


def gemini_usage():
    return {"promptTokenCount": INPUT, "candidatesTokenCount": OUTPUT, "totalTokenCount": INPUT + OUTPUT}


def gemini_model(path):
    return path.rsplit("/", 1)[1].split(":")[0]


def gemini_answer(model, text, reason=None):
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "usageMetadata": gemini_usage(), "modelVersion": model, "responseId": "r1"}


def generate_content(provider, path, body):
    model = gemini_model(path)
    if not provider.failed(model, gemini_error):
        provider.whole(gemini_answer(model, gemini_parts(body), "STOP"))


def stream_generate_content(provider, path, body):
    model = gemini_model(path)
    if provider.failed(model, gemini_error):
        return
    *first, last = pieces(gemini_parts(body))
    values = [gemini_answer(model, piece) for piece in first] + [gemini_answer(model, last, "STOP")]
    provider.stream(f"data: {json.dumps(value)}\r\n\r\n" for value in values)


def gemini_count(provider, _path, _body):
    provider.whole({"totalTokens": INPUT})


def gemini_embed(provider, path, body):
    value = {"values": [0.5, -0.25]}
    many = path.endswith("batchEmbedContents")
    provider.whole({"embeddings": [value] * len(body["requests"])} if many else {"embedding": value})


# Ollama


def ollama_error(_status, message):
    return {"error": message}


def ollama(provider, path, body):
    model = body["model"]
    if provider.failed(model, ollama_error):
        return
    chat = path.endswith("/chat")
    text = spoken(body["messages"]) if chat else body["prompt"]
    base = {"model": model, "created_at": "2026-01-01T00:00:00Z"}
    counts = {"total_duration": 5, "load_duration": 1, "prompt_eval_count": INPUT, "prompt_eval_duration": 1, "eval_count": OUTPUT, "eval_duration": 1}

    def part(text, **more):
        return {**base, **({"message": {"role": "assistant", "content": text}} if chat else {"response": text}), **more}

    if body.get("stream") is False:
        return provider.whole(part(text, done=True, done_reason="stop", **counts))
    lines = [part(piece, done=False) for piece in pieces(text)] + [part("", done=True, done_reason="stop", **counts)]
    provider.stream((json.dumps(line) + "\n" for line in lines), "application/x-ndjson")


def ollama_embed(provider, _path, body):
    provider.whole({"model": body["model"], "embeddings": [[0.5, -0.25]], "prompt_eval_count": INPUT})


def ollama_show(provider, _path, _body):
    info = {"general.architecture": "llama", "llama.context_length": 8192}
    provider.whole({"details": {"family": "llama"}, "model_info": info, "capabilities": ["completion", "tools"]})


# Ends of paths, the longer ones first
ANSWERS = {
    "/messages/count_tokens": count_tokens,
    "/chat/completions": chat,
    "/completions": completions,
    "/embeddings": embeddings,
    "/images/generations": images,
    "/audio/speech": speech,
    "/audio/transcriptions": transcriptions,
    "/moderations": moderations,
    "/responses": responses,
    "/messages": messages,
    ":generateContent": generate_content,
    ":streamGenerateContent": stream_generate_content,
    ":countTokens": gemini_count,
    ":embedContent": gemini_embed,
    ":batchEmbedContents": gemini_embed,
    "/api/chat": ollama,
    "/api/generate": ollama,
    "/api/embed": ollama_embed,
    "/api/show": ollama_show,
}


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # the tests open many connections at once

    def handle_error(self, *_):
        """A connection that was ended under an answer: tests that leave early do that."""


class FakeProvider:
    """The server on a loopback port of its own, in a thread."""

    def __init__(self, provider=Provider):
        self.server = Server(("127.0.0.1", 0), provider)
        self.server.requests = []
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def requests(self):
        return self.server.requests

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.server.server_address[1]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
