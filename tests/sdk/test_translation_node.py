"""The libraries for Node before every provider protocol: one program asks everything, each answer is a test here."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import scripted_provider as scripted
from test_translation import CLIENTS, HANG, PROVIDERS, Heard, check, relay  # noqa: F401

FOLDER = Path(__file__).parent / "node"
LIBRARIES = [*CLIENTS, "ai-chat", "ai-compatible", "ai-responses", "ai-anthropic", "ai-gemini", "ai-ollama"]


@pytest.fixture(scope="module")
def report(relay):  # noqa: F811
    """What each library heard: `{library: [(script, upstream, stream, heard)]}`."""
    if not (FOLDER / "node_modules/ai").is_dir():
        pytest.skip("the libraries for Node are not installed (npm was not there)")
    cases = [
        {"script": script, "client": library, "upstream": upstream, "stream": stream}
        for library in LIBRARIES
        for script in scripted.ALL
        for upstream in CLIENTS
        for stream in (False, True)
        if stream or script not in scripted.STREAMED_ONLY
    ]
    for i, case in enumerate(cases):
        # A key that was limited rests for the model that was asked: each such case has its own.
        case["model"] = f"{PROVIDERS[case['upstream']]}/{case['script']}" + (f"-{i}" if case["script"] == "limited" else "")
    environment = {"PATH": os.environ["PATH"], "RELAY": relay.url, "KEY": relay.key}
    command = [shutil.which("node"), "matrix.js"]
    done = subprocess.run(command, cwd=FOLDER, env=environment, input=json.dumps(cases), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    heard = json.loads(done.stdout)
    assert len(heard) == len(cases)
    return list(zip(cases, heard))


def judge(case, told):
    client = case["client"].removeprefix("ai-").replace("compatible", "chat")
    error = told.get("error")
    if case["script"] == "limited":
        assert error["status"] == 429 and scripted.LIMITED in error["message"].replace('\\"', '"')
    elif case["script"] == "cut":
        assert error and "grammar" not in error["message"]
    elif case["script"] == "broken":
        assert scripted.BROKEN in error["message"].replace('\\"', '"')
    else:
        assert not error
        told["calls"] = [tuple(call) for call in told["calls"]]
        if case["client"] == "ai-chat":  # which does not know reasoning that comes in the open
            told["thought"] = "".join(scripted.SCRIPTS[case["script"]]["thought"])
        check(Heard(**told), case["script"], client, case["upstream"])


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_was_said_is_what_is_heard(report, library):
    wrong = []
    for case, told in report:
        if case["client"] != library:
            continue
        try:
            judge(case, told)
        except Exception as why:
            wrong.append(f"{case['script']} from {case['upstream']}, {'stream' if case['stream'] else 'whole'}: {str(why).splitlines()[0] if str(why) else why!r}\n  {told}")
    assert not wrong, "\n".join(wrong)
