"""Real agents through weir: each is asked to read a note, has to call a tool for it, and prints what the tool said.

Every agent runs once before each protocol that a provider may speak; which one it is depends on the client's key alone,
so that agents ask for the models they know. With `--hurt HOW` the first answer fails, and the agent has to try again:
HOW is a status, `cut` or `broken` (an error in the middle of the stream).
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "sdk"))

import conftest
from fake_provider import FakeProvider
from model import COMMAND, TOLD, Model

MODULES = HERE / "node_modules"
UPSTREAMS = {"chat": "/v1", "responses": "/v1", "anthropic": "", "gemini": "", "ollama": ""}
DEMO = "demo"  # weir's own provider, which is asked for the call in so many words
NOTE = 'the heron 🐦 is "grey" \\ 7141'
PROMPT = "Read note.txt with a tool and tell me what it says."
TIMEOUT_S = 120


def native(pattern):
    return next(MODULES.glob(pattern))


def claude(url, key, home, prompt):
    given = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_AUTH_TOKEN": key, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    asked = ["-p", prompt, "--model", "claude-sonnet-4-5", "--allowedTools", "Bash(cat:*)"]
    return [native("@anthropic-ai/claude-code-linux-*/claude"), *asked], given


def codex(url, key, home, prompt):
    (home / ".codex").mkdir()
    (home / ".codex/config.toml").write_text(f"""
model = "gpt-5.1-codex"
model_provider = "weir"
analytics.enabled = false
[model_providers.weir]
name = "weir"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "WEIR_KEY"
""")
    # The sandbox is the agent's own and needs more of the kernel than a container gives.
    asked = ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", prompt]
    return [MODULES / ".bin/codex", *asked], {"WEIR_KEY": key}


def gemini(url, key, home, prompt):
    settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False}}
    (home / ".gemini").mkdir()
    (home / ".gemini/settings.json").write_text(json.dumps(settings))
    given = {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": key, "GEMINI_CLI_TRUST_WORKSPACE": "true"}
    return [MODULES / ".bin/gemini", "--yolo", "--model", "gemini-2.5-pro", "-p", prompt], given


def opencode(url, key, home, prompt):
    provider = {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": f"{url}/v1", "apiKey": key}, "models": {"m": {"tool_call": True}}}
    settings = {"provider": {"weir": provider}, "autoupdate": False, "share": "disabled"}
    # Word by word: it puts what holds a space in quotation marks.
    return [native("opencode-linux-*/bin/opencode"), "run", "-m", "weir/m", *prompt.split(" ")], {"OPENCODE_CONFIG_CONTENT": json.dumps(settings)}


AGENTS = {"claude": claude, "codex": codex, "gemini": gemini, "opencode": opencode}
SHELL = {"claude": "Bash", "codex": "exec_command", "gemini": "run_shell_command", "opencode": "bash"}


def configuration(fake):
    providers = {name: {"protocol": name, "base_url": fake.url + version, "keys": ["sk-up"], "models": ["model"]} for name, version in UPSTREAMS.items()}
    return {
        "clients": {name: {"key": f"sk-client-{name}", "route": name} for name in [*UPSTREAMS, DEMO]},
        "providers": {**providers, DEMO: {"protocol": "demo"}},
        "routes": {**{name: {"to": [f"{name}/model"]} for name in UPSTREAMS}, DEMO: {"to": ["demo/demo"]}},
        "default_routes": {},
        "default_route": "chat",
    }


def run(agent, upstream, url, folder):
    """Whether it printed the note, its exit code, and the seconds it took."""
    home, work = folder / "home", folder / "work"
    for made in (home, work):
        made.mkdir(parents=True)
    (work / "note.txt").write_text(NOTE + "\n")
    asked = {"cmd" if agent == "codex" else "command": COMMAND, "description": "Read a note"}
    prompt = PROMPT if upstream != DEMO else f"{PROMPT} demo:tool={SHELL[agent]} {json.dumps(asked)}"
    command, given = AGENTS[agent](url, f"sk-client-{upstream}", home, prompt)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", "NO_COLOR": "1", "LANG": "C.UTF-8", **given}
    start = time.monotonic()
    with open(folder / "stdout", "wb") as out, open(folder / "stderr", "wb") as err:
        process = subprocess.Popen([str(word) for word in command], cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
        try:
            code = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # some are a wrapper around another
            code = process.wait()
    told = (folder / "stdout").read_text(errors="replace")
    good = code == 0 and NOTE in (told if upstream == DEMO else told.partition(TOLD)[2])
    return good, code, time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(prog="scripts/agents", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hurt", metavar="HOW", help="what befalls the first answer")
    parser.add_argument("agents", metavar="AGENT", nargs="*", help=", ".join(AGENTS))
    given = parser.parse_args()
    fake = FakeProvider(Model)
    folder = Path(tempfile.mkdtemp(prefix="weir-agents-"))
    driver = "epoll" if conftest.ring_refusal() else "io_uring"
    process, url = conftest.start(driver, folder, fake, **configuration(fake))
    failed = 0
    for agent in given.agents or AGENTS:
        for upstream in [*UPSTREAMS, DEMO] if not given.hurt else UPSTREAMS:
            fake.requests.clear()
            fake.server.hurts = [given.hurt] if given.hurt else []
            good, code, seconds = run(agent, upstream, url, folder / agent / upstream)
            asked = json.dumps(fake.requests, default=repr, indent=1, ensure_ascii=False)
            (folder / agent / upstream / "requests.json").write_text(asked)
            failed += not good
            print(f"{'ok    ' if good else 'FAILED'} {agent:9} before {upstream:9} {seconds:5.1f} s, {len(fake.requests)} requests, exit {code}", flush=True)
    process.terminate()
    process.wait(conftest.HANG)
    fake.stop()
    if failed:
        print(f"{failed} failed; what they said and were told: {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
