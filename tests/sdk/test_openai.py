"""The openai library: Chat, its streams and tools, Responses, and the paths beside them."""

import asyncio
import json

import openai
import pytest

TEXT = 'Grüße, 世界 🦀: "quoted" \\ and\nlines'


@pytest.fixture
def client(relay):
    with openai.OpenAI(base_url=f"{relay.url}/v1", api_key=relay.key, max_retries=0, timeout=20) as client:
        yield client


def asked(text=TEXT):
    return [{"role": "user", "content": text}]


def test_chat(client, relay):
    answer = client.chat.completions.create(model="gpt-4o", messages=asked())
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 7)
    assert relay.fake.requests[-1][3] == {"model": "gpt-4o", "messages": asked()}


def test_chat_stream(client):
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=asked(), stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks), "nobody asked for usage"


def test_chat_stream_with_usage(client):
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=asked(), stream=True, stream_options=options))
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == 18
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == TEXT


def test_chat_tool_call(client):
    tools = [{"type": "function", "function": {"name": "say", "parameters": {"type": "object"}}}]
    answer = client.chat.completions.create(model="gpt-4o", messages=asked(), tools=tools)
    assert json.loads(answer.choices[0].message.tool_calls[0].function.arguments) == {"text": TEXT}
    arguments = ""
    for chunk in client.chat.completions.create(model="gpt-4o", messages=asked(), tools=tools, stream=True):
        for call in chunk.choices[0].delta.tool_calls or []:
            arguments += call.function.arguments
    assert json.loads(arguments) == {"text": TEXT}


def test_a_large_request(client):
    text = TEXT * 20_000
    assert client.chat.completions.create(model="gpt-4o", messages=asked(text)).choices[0].message.content == text


def test_streams_side_by_side(relay):
    async def one(client, i):
        stream = await client.chat.completions.create(model="gpt-4o", messages=asked(f"{i} {TEXT}"), stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=f"{relay.url}/v1", api_key=relay.key, max_retries=0, timeout=20) as client:
            return await asyncio.gather(*(one(client, i) for i in range(64)))

    assert asyncio.run(all_of_them()) == [f"{i} {TEXT}" for i in range(64)]


def test_a_stream_left_early(client):
    with client.chat.completions.create(model="gpt-4o", messages=asked(TEXT * 100), stream=True) as stream:
        next(iter(stream))
    assert client.chat.completions.create(model="gpt-4o", messages=asked()).choices[0].message.content == TEXT


def test_responses(client):
    for question in (TEXT, asked()):
        answer = client.responses.create(model="gpt-5", input=question)
        assert answer.output_text == TEXT and answer.usage.input_tokens == 11


def test_responses_stream(client):
    with client.responses.stream(model="gpt-5", input=TEXT) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == TEXT


def test_responses_over_a_websocket(weir):
    client = openai.OpenAI(base_url=weir.url + "/v1", api_key=weir.key, max_retries=0)
    with client.responses.connect() as connection:
        previous = None
        for _ in range(2):
            connection.send({"type": "response.create", "model": "gpt-5", "input": TEXT, "previous_response_id": previous})
            said = ""
            for event in connection:
                said += event.delta if event.type == "response.output_text.delta" else ""
                if event.type == "response.completed":
                    break
            previous = event.response.id
            assert TEXT in said
    # The provider, who is asked by HTTP, hears what was said before.
    assert [len(body["input"]) for *_, body in weir.fake.requests] == [1, 3]


def test_paths_beside_chat(client):
    assert client.completions.create(model="gpt-4o", prompt=TEXT).choices[0].text == TEXT
    assert client.embeddings.create(model="gpt-4o", input=TEXT).data[0].embedding == [0.5, -0.25]
    assert client.images.generate(model="gpt-4o", prompt=TEXT).data[0].b64_json
    assert client.moderations.create(model="gpt-4o", input=TEXT).results[0].flagged is False
    assert client.audio.speech.create(model="gpt-4o", voice="alloy", input=TEXT).read() == b"RIFF" + TEXT.encode()


def test_an_upload(client):
    sound = bytes(range(256)) * 400
    answer = client.audio.transcriptions.create(model="gpt-4o", file=("sound.wav", sound))
    size, model = answer.text.split(" bytes, model ")
    assert int(size) > len(sound) and model == "gpt-4o"


def test_errors(client):
    for model, error in [
        ("fail-400", openai.BadRequestError),
        ("fail-422", openai.UnprocessableEntityError),
        ("fail-429", openai.RateLimitError),
        ("fail-500", openai.InternalServerError),
    ]:
        for stream in (False, True):
            with pytest.raises(error) as caught:
                client.chat.completions.create(model=model, messages=asked(), stream=stream)
            assert caught.value.status_code == int(model.removeprefix("fail-"))
            assert caught.value.body["message"]


def test_a_wrong_key(weir):
    client = openai.OpenAI(base_url=f"{weir.url}/v1", api_key="sk-wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="gpt-4o", messages=asked())
    assert weir.fake.requests == []


def test_an_unknown_path(client, weir):
    with pytest.raises(openai.NotFoundError):
        client.get("/nothing/here", cast_to=object)


def test_models(client, weir):
    names = [model.id for model in client.models.list()]
    assert "gpt-4o" in names and "claude-x" in names
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"


def test_the_demo_provider(client, weir):
    answer = client.chat.completions.create(model="demo", messages=asked())
    assert answer.choices[0].message.content and answer.choices[0].finish_reason == "stop"
    chunks = list(client.chat.completions.create(model="demo", messages=asked(), stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert weir.fake.requests == []
