"""The texts of the Connect page, taken from the page as a person would copy them: those that can be are run against the
running relay, the others are read by what reads them."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from conftest import PASSWORD, ROOT, go, log_in, shot

# What a shell or a language would trip over, if it were not quoted.
MODEL = """it's "x" $HOME"""
NODE_MODULES = ROOT / "tests/sdk/node/node_modules"


@pytest.fixture(scope="module")
def texts(browser, weir):
    """By program: [title, text] of each part."""
    context = browser.new_context(viewport={"width": 1360, "height": 860}, locale="en-US")
    page = context.new_page()
    page.goto(weir.url)
    log_in(page, PASSWORD)
    go(page, "clients")
    page.get_by_role("button", name="Create client").first.click()
    page.locator("dialog[open]").get_by_label("Name").fill("connect")
    page.locator("dialog[open]").get_by_role("button", name="Create").click()
    key = page.locator("[data-secret]").inner_text()
    page.get_by_role("button", name="Done").click()
    go(page, "connect")
    page.get_by_label("Model").fill(MODEL)
    page.get_by_label("Client key").fill(key)
    found = {}
    for tab in page.get_by_role("tab").all():
        name = tab.inner_text()
        tab.click()
        page.wait_for_selector(f'[role=tabpanel][aria-label="{name}"]')
        found[name] = page.evaluate("""() => [...document.querySelectorAll('[role=tabpanel] > div')]
            .map((part) => [part.querySelector('h2').textContent, part.querySelector('pre').textContent])""")
    shot(page, "weir-connect")
    yield weir.relay, key, found
    page.evaluate("fetch('/api/clients/connect', { method: 'DELETE' })")
    context.close()


def run(command, folder, text=None, **environment):
    done = subprocess.run(
        command,
        input=text,
        cwd=folder,
        text=True,
        capture_output=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "NO_PROXY": "*", **environment},
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def last_asked(weir, key=None):
    """The newest exchange, as the API tells it."""
    import urllib.request

    asked = urllib.request.Request(f"{weir.url}/api/requests?limit=1", headers={"authorization": f"Bearer {PASSWORD}"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return json.load(answer)["requests"][0]


def test_every_program_of_the_issue_is_there(texts):
    wanted = {"Claude Code", "Codex", "Gemini CLI", "Cursor", "Cline", "Cherry Studio", "Open WebUI", "VS Code", "curl", "Python", "Node.js"}
    assert wanted <= set(texts[2])
    for program, parts in texts[2].items():
        assert parts, program


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_curl_is_answered(texts, weir, tmp_path):
    for title, text in texts[2]["curl"]:
        answer = json.loads(run(["bash", "-e"], tmp_path, text.replace("curl ", "curl -sS --fail-with-body ", 1)))
        assert {"choices", "content", "candidates"} & set(answer), f"{title}: {answer}"
        row = last_asked(weir)
        assert (row["model_asked"], row["client"], row["status"]) == (MODEL, "connect", 200), f"{title}: {row}"


def test_python_is_answered(texts, weir, tmp_path):
    parts = texts[2]["Python"]
    assert [title for title, _ in parts] == ["openai", "anthropic", "google-genai", "ollama"]
    for title, text in parts:
        said = run([sys.executable, "-"], tmp_path, text)
        assert len(said.strip()) > 3, f"{title}: {said!r}"
        row = last_asked(weir)
        assert (row["client"], row["status"]) == ("connect", 200), f"{title}: {row}"
        assert row["model_asked"] == MODEL, f"{title}: {row}"


@pytest.mark.skipif(not (shutil.which("node") and NODE_MODULES.exists()), reason="no libraries for Node")
def test_node_is_answered(texts, weir, tmp_path):
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    for place, (title, text) in enumerate(texts[2]["Node.js"]):
        (tmp_path / f"{place}.mjs").write_text(text)
        said = run(["node", f"{place}.mjs"], tmp_path)
        assert len(said.strip()) > 3, f"{title}: {said!r}"
        assert last_asked(weir)["client"] == "connect", title


def test_what_goes_into_a_shell_says_what_was_meant(texts, tmp_path):
    relay, key, found = texts
    programs = [("Claude Code", "claude"), ("Codex", "codex"), ("Gemini CLI", "gemini"), ("Open WebUI", "docker")]
    heard = {}
    for program, command in programs:
        [text] = [text for title, text in found[program] if command in text and not title.startswith("~")]
        # The program itself is played by one that says what it was given.
        told = run(["bash", "-e"], tmp_path, f'{command}() {{ env -0; printf "arg:%s\\0" "$@"; }}\n{text}\n')
        words = told.split("\0")
        heard[program] = dict(word.split("=", 1) for word in words if "=" in word and not word.startswith("arg:"))
        heard[program]["args"] = [word[4:] for word in words if word.startswith("arg:")]
    claude = heard["Claude Code"]
    assert (claude["ANTHROPIC_BASE_URL"], claude["ANTHROPIC_AUTH_TOKEN"], claude["ANTHROPIC_MODEL"]) == (relay, key, MODEL)
    assert heard["Codex"]["WEIR_KEY"] == key
    gemini = heard["Gemini CLI"]
    assert (gemini["GOOGLE_GEMINI_BASE_URL"], gemini["GEMINI_API_KEY"], gemini["args"]) == (relay, key, ["-m", MODEL])
    docker = heard["Open WebUI"]["args"]
    assert f"OPENAI_API_BASE_URL={relay}/v1" in docker and f"OPENAI_API_KEY={key}" in docker
    assert docker[:3] == ["run", "--network", "host"], "a container of its own network has another loopback"


def test_what_goes_into_a_file_is_read_as_it_was_meant(texts):
    relay, key, found = texts
    [toml] = [text for title, text in found["Codex"] if title.endswith(".toml")]
    codex = tomllib.loads(toml)
    own = codex["model_providers"][codex["model_provider"]]
    assert (codex["model"], own["base_url"], own["wire_api"], own["env_key"]) == (MODEL, f"{relay}/v1", "responses", "WEIR_KEY")
    told = {}
    for program, parts in found.items():
        for title, text in parts:
            if title.endswith(".json"):
                told[program] = json.loads(text)
    environment = told["Claude Code"]["env"]
    assert (environment["ANTHROPIC_BASE_URL"], environment["ANTHROPIC_AUTH_TOKEN"]) == (relay, key)
    assert told["OpenCode"]["provider"]["weir"]["options"] == {"baseURL": f"{relay}/v1", "apiKey": key}
    assert relay in told["VS Code"].values()


def test_what_is_typed_into_a_form_names_address_and_key(texts):
    relay, key, found = texts
    for program in ["Cursor", "Cline", "Cherry Studio"]:
        said = "\n".join(text for _, text in found[program])
        assert re.search(rf"{re.escape(relay)}(/v1)?$", said, re.M) and key in said and MODEL in said, program
