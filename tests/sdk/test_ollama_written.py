"""What weir writes for clients of Ollama, which Rust holds it to, read by the ollama library."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import ollama
import pytest

GOLDEN = Path(__file__).parent.parent / "golden" / "ollama"


@pytest.fixture
def client():
    """A client of a server that answers with a golden file: the one that the model names."""

    class Golden(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            name = next(path.name for path in GOLDEN.iterdir() if f'"{path.name}"' in body)
            data = (GOLDEN / name).read_bytes()
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Golden)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield ollama.Client(host=f"http://127.0.0.1:{server.server_port}", trust_env=False)
    server.shutdown()
    server.server_close()


def calls(messages):
    return [(call.function.name, dict(call.function.arguments)) for message in messages for call in message.tool_calls or []]


EXPECTED = [("get_weather", {"city": "Toronto", "days": 1.5}), ("now", {})]


def test_a_stream(client):
    parts = list(client.chat(model="written_stream.ndjson", messages=[], stream=True))
    assert "".join(part.message.thinking or "" for part in parts) == "Two calls."
    assert "".join(part.message.content or "" for part in parts) == "Let me see."
    assert calls(part.message for part in parts) == EXPECTED
    last = parts[-1]
    assert [part.done for part in parts] == [False] * 5 + [True]
    assert (last.done_reason, last.prompt_eval_count, last.eval_count, last.total_duration) == ("stop", 169, 15, 0)


def test_an_answer(client):
    answer = client.chat(model="written_answer.json", messages=[])
    assert (answer.model, answer.message.thinking, answer.message.content) == ("alias", "Two calls.", "Let me see.")
    assert calls([answer.message]) == EXPECTED and answer.done and answer.eval_count == 15


def test_a_completion(client):
    parts = list(client.generate(model="written_generate.ndjson", prompt="x", stream=True))
    assert "".join(part.response for part in parts) == "A happy cartoon."
    assert parts[0].thinking == "I see." and parts[-1].done_reason == "length"


def test_an_error_in_a_stream(client):
    parts = client.chat(model="stream_error.ndjson", messages=[], stream=True)
    assert next(parts).message.content == "Hé"
    with pytest.raises(ollama.ResponseError, match="CUDA error"):
        list(parts)
