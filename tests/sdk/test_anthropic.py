"""The anthropic library: Messages, its streams, token counts, models and errors."""

import anthropic
import pytest

TEXT = 'Grüße, 世界 🦀: "quoted" \\ and\nlines'


@pytest.fixture(params=["api_key", "auth_token"])
def client(relay, request):
    """The key as x-api-key, and as a bearer token."""
    with anthropic.Anthropic(base_url=relay.url, max_retries=0, timeout=20, **{request.param: relay.key}) as client:
        yield client


def asked(text=TEXT):
    return {"model": "claude-x", "max_tokens": 100, "messages": [{"role": "user", "content": text}]}


def test_message(client):
    answer = client.messages.create(**asked())
    assert answer.content[0].text == TEXT and answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 7)


def test_stream(client):
    with client.messages.stream(**asked()) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == final.content[0].text == TEXT
    assert (final.usage.input_tokens, final.usage.output_tokens) == (11, 7)


def test_what_goes_up(client, relay):
    client.messages.create(**asked(), extra_headers={"anthropic-beta": "a-2026-01-01,b"}, extra_query={"beta": "true"})
    _, target, headers, body = relay.fake.requests[-1]
    headers = {name.lower(): value for name, value in headers.items()}
    assert target == "/v1/messages?beta=true"
    assert headers["anthropic-beta"] == "a-2026-01-01,b"
    assert headers["anthropic-version"] == client.default_headers["anthropic-version"]
    assert body == asked()


def test_count_tokens(client):
    question = asked()
    del question["max_tokens"]
    assert client.messages.count_tokens(**question).input_tokens == 11


def test_errors(client):
    for model, error in [
        ("fail-400", anthropic.BadRequestError),
        ("fail-429", anthropic.RateLimitError),
        ("fail-529", anthropic.APIStatusError),
    ]:
        with pytest.raises(error) as caught:
            client.messages.create(**{**asked(), "model": model})
        assert caught.value.status_code == int(model.removeprefix("fail-"))
        assert caught.value.body["type"] == "error"


def test_a_wrong_key(weir):
    client = anthropic.Anthropic(base_url=weir.url, api_key="sk-wrong", max_retries=0)
    with pytest.raises(anthropic.AuthenticationError):
        client.messages.create(**asked())
    assert weir.fake.requests == []


def test_models(client, weir):
    names = [model.id for model in client.models.list(limit=1000)]
    assert "claude-x" in names
    assert client.models.retrieve("claude-x").type == "model"
