"""The google-genai library: generation, its streams, token counts, embeddings, models and errors."""

import pytest
from google import genai
from google.genai import errors, types

TEXT = 'Grüße, 世界 🦀: "quoted" \\ and\nlines'


def connect(relay, key, version=None):
    options = types.HttpOptions(base_url=relay.url, api_version=version, timeout=20_000)
    return genai.Client(api_key=key, http_options=options)


@pytest.fixture(params=[None, "v1beta", "v1"])
def client(relay, request):
    """The library's own version segment, and either of the two in use."""
    return connect(relay, relay.key, request.param)


def test_generate(client):
    answer = client.models.generate_content(model="gemini-x", contents=TEXT)
    assert answer.text == TEXT
    assert answer.usage_metadata.prompt_token_count == 11


def test_stream(client):
    parts = list(client.models.generate_content_stream(model="gemini-x", contents=TEXT))
    assert "".join(part.text for part in parts) == TEXT
    assert parts[-1].candidates[0].finish_reason == types.FinishReason.STOP


def test_count_tokens(client):
    assert client.models.count_tokens(model="gemini-x", contents=TEXT).total_tokens == 11


def test_embed(client):
    answer = client.models.embed_content(model="gemini-x", contents=TEXT)
    assert answer.embeddings[0].values == [0.5, -0.25]


def test_errors(client):
    for status in (400, 429, 500):
        with pytest.raises(errors.APIError) as caught:
            client.models.generate_content(model=f"fail-{status}", contents=TEXT)
        assert caught.value.code == status and caught.value.message


def test_a_wrong_key(weir):
    client = connect(weir, "sk-wrong")
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="gemini-x", contents=TEXT)
    assert caught.value.code == 401
    assert weir.fake.requests == []


def test_models(weir):
    client = connect(weir, weir.key, "v1beta")
    names = [model.name for model in client.models.list()]
    assert "models/gemini-x" in names
    assert client.models.get(model="gemini-x").name == "models/gemini-x"
