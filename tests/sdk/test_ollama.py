"""The ollama library: chat and generate, their streams, embeddings, what is listed, and errors."""

import ollama
import pytest

TEXT = 'Grüße, 世界 🦀: "quoted" \\ and\nlines'


@pytest.fixture(params=["", "/ollama"])
def client(relay, request):
    if relay.direct and request.param:
        pytest.skip("a path of weir's own")
    return ollama.Client(host=relay.url + request.param, headers={"authorization": f"Bearer {relay.key}"}, timeout=20)


def asked(text=TEXT):
    return [{"role": "user", "content": text}]


def test_chat(client):
    answer = client.chat(model="llama3", messages=asked())
    assert answer.message.content == TEXT and answer.done
    assert (answer.prompt_eval_count, answer.eval_count) == (11, 7)


def test_chat_stream(client):
    parts = list(client.chat(model="llama3", messages=asked(), stream=True))
    assert "".join(part.message.content for part in parts) == TEXT
    assert parts[-1].done and parts[-1].eval_count == 7


def test_generate(client):
    assert client.generate(model="llama3", prompt=TEXT).response == TEXT
    assert "".join(part.response for part in client.generate(model="llama3", prompt=TEXT, stream=True)) == TEXT


def test_embed(client):
    assert list(client.embed(model="llama3", input=TEXT).embeddings[0]) == [0.5, -0.25]


def test_show(client):
    assert client.show("llama3").modelinfo["general.architecture"]


def test_ps(client, weir):
    assert list(client.ps().models) == []


def test_errors(client):
    for status in (400, 500):
        with pytest.raises(ollama.ResponseError) as caught:
            client.chat(model=f"fail-{status}", messages=asked())
        assert caught.value.status_code == status and caught.value.error


def test_a_wrong_key(weir):
    client = ollama.Client(host=weir.url, headers={"authorization": "Bearer sk-wrong"})
    with pytest.raises(ollama.ResponseError) as caught:
        client.chat(model="llama3", messages=asked())
    assert caught.value.status_code == 401
    assert weir.fake.requests == []


def test_list(client, weir):
    names = [model.model for model in client.list().models]
    assert any(name.startswith("llama3") for name in names)


@pytest.mark.parametrize("model", ["openai|gpt-4o", "openai-responses|gpt-4o", "claude|claude-x", "google|gemini-x"])
def test_upstreams_of_other_protocols(weir, model):
    client = ollama.Client(host=weir.url, headers={"authorization": f"Bearer {weir.key}"}, timeout=20)
    answer = client.chat(model=model, messages=asked())
    assert answer.message.content == TEXT and (answer.prompt_eval_count, answer.eval_count) == (11, 7)
    parts = list(client.chat(model=model, messages=asked(), stream=True))
    assert "".join(part.message.content or "" for part in parts) == TEXT
    assert parts[-1].done and (parts[-1].prompt_eval_count, parts[-1].eval_count) == (11, 7)
    assert client.generate(model=model, prompt=TEXT).response == TEXT
    assert "".join(part.response or "" for part in client.generate(model=model, prompt=TEXT, stream=True)) == TEXT
    with pytest.raises(ollama.ResponseError) as caught:
        client.chat(model=f"{model.split('|')[0]}|fail-429", messages=asked())
    assert caught.value.status_code == 429
