"""What a provider reads out of a request, in each protocol: a flat list that is the same whichever says it.

`(system | user | assistant, text)`, `(image, type, base64)`, `(thought, text, seal)`, `(call, name, arguments, seal)`
and `(result, number of the call, text)`; a result is tied to its call by what the protocol ties it with.
"""

import json

NO_SIGNATURE = "skip_thought_signature_validator"  # what Gemini wants to see on a call that it did not sign


def texts(content):
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def data_url(url):
    kind, data = url.removeprefix("data:").split(";base64,")
    return "image", kind, data


class Calls:
    """The calls seen so far, by their ids."""

    def __init__(self):
        self.ids = []

    def call(self, id, name, arguments, seal=None):
        self.ids.append(id)
        return "call", name, arguments, seal

    def result(self, id, text):
        return "result", self.ids.index(id), text


def chat(body):
    calls = Calls()
    for message in body["messages"]:
        role = {"developer": "system"}.get(message["role"], message["role"])
        content = message.get("content") or []
        if role == "tool":
            yield calls.result(message["tool_call_id"], texts(content))
            continue
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            yield (role, part["text"]) if part["type"] == "text" else data_url(part["image_url"]["url"])
        for call in message.get("tool_calls") or []:
            yield calls.call(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))


def responses(body):
    calls = Calls()
    if body.get("instructions"):
        yield "system", body["instructions"]
    for item in body["input"]:
        kind = item.get("type", "message")
        if kind == "function_call":
            yield calls.call(item["call_id"], item["name"], json.loads(item["arguments"]))
        elif kind == "function_call_output":
            yield calls.result(item["call_id"], texts(item["output"]))
        elif kind == "reasoning":
            yield "thought", texts(item["summary"]), item.get("encrypted_content")
        elif isinstance(item["content"], str):
            yield {"developer": "system"}.get(item["role"], item["role"]), item["content"]
        else:
            for part in item["content"]:
                is_image = part["type"] == "input_image"
                yield data_url(part["image_url"]) if is_image else ({"developer": "system"}.get(item["role"], item["role"]), part["text"])


def anthropic(body):
    calls = Calls()
    if body.get("system"):
        yield "system", texts(body["system"])
    for message in body["messages"]:
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if block["type"] == "text":
                yield message["role"], block["text"]
            elif block["type"] == "image":
                yield "image", block["source"]["media_type"], block["source"]["data"]
            elif block["type"] == "thinking":
                yield "thought", block["thinking"], block["signature"]
            elif block["type"] == "tool_use":
                yield calls.call(block["id"], block["name"], block["input"])
            elif block["type"] == "tool_result":
                yield calls.result(block["tool_use_id"], texts(block["content"]))


def gemini(body):
    calls = Calls()
    if body.get("systemInstruction"):
        yield "system", texts(body["systemInstruction"]["parts"])
    for content in body["contents"]:
        for part in content["parts"]:
            if part.get("thought"):
                yield "thought", part["text"], part.get("thoughtSignature")
            elif "text" in part:
                yield {"model": "assistant"}.get(content.get("role"), "user"), part["text"]
            elif "inlineData" in part:
                image = part["inlineData"]
                # Google's library writes the alphabet of URLs, and what is in a dictionary as its user does.
                data = image["data"].replace("-", "+").replace("_", "/")
                yield "image", image.get("mimeType") or image["mime_type"], data
            elif "functionCall" in part:
                call = part["functionCall"]
                seal = part.get("thoughtSignature")
                yield calls.call(call["name"], call["name"], call["args"], None if seal == NO_SIGNATURE else seal)
            elif "functionResponse" in part:
                result = part["functionResponse"]
                yield calls.result(result["name"], result["response"]["output"])


def ollama(body):
    calls = Calls()
    for message in body["messages"]:
        if message["role"] == "tool":
            yield calls.result(message["tool_name"], message["content"])
            continue
        if message.get("thinking"):
            yield "thought", message["thinking"], None
        if message.get("content"):
            yield message["role"], message["content"]
        for image in message.get("images") or []:
            yield "image", "image/png", image  # its type is not said
        for call in message.get("tool_calls") or []:
            yield calls.call(call["function"]["name"], call["function"]["name"], call["function"]["arguments"])


UNDERSTOOD = {"chat": chat, "responses": responses, "anthropic": anthropic, "gemini": gemini, "ollama": ollama}
