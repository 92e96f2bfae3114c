"""The web UI over the real binary: what a person does with it, and that it holds what the API promises."""

import time

import pytest

from conftest import ENGLISH, HANG_MS, MARKUP, PASSWORD, UPSTREAM_KEY, go, log_in, shot


@pytest.fixture
def page(open_page, weir):
    # A refused request is an answer here; the browser says so on its console.
    page = open_page(weir.url, expected=["Failed to load resource"])
    log_in(page, PASSWORD)
    return page


def wait_for_text(page, text):
    page.wait_for_selector(f"text={text}")


def config_of(weir):
    return weir.path.read_text()


def until(true, what):
    deadline = time.monotonic() + HANG_MS / 1000
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_the_wrong_password_is_refused_and_the_right_one_lets_in(open_page, weir):
    page = open_page(weir.url, expected=["401", "429"])
    page.get_by_label("Admin password or token").fill("wrong")
    page.keyboard.press("Enter")
    wait_for_text(page, "This is not the password")
    time.sleep(1.1)  # wrong passwords are slowed
    log_in(page, PASSWORD)
    page.wait_for_selector(".side .link.open")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_selector("text=Log in to this relay")


def test_a_live_request_appears_and_its_trace_opens(page, weir):
    go(page, "requests")
    page.wait_for_selector("main h1:has-text('Requests')")
    page.wait_for_selector(".side .link.open")
    status, _, request = weir.ask("What does a weir do?")
    assert status == 200
    row = page.locator(f'tr:has(a[href="#/requests/{request}"])')
    row.wait_for()
    shot(page, "weir-live")
    row.locator("a").first.click()
    wait_for_text(page, request)
    wait_for_text(page, "Attempts")
    page.get_by_role("tab", name="Raw").click()
    wait_for_text(page, "What does a weir do?")
    shot(page, "weir-trace")


def test_a_trace_is_found_by_its_words(page, weir):
    status, _, request = weir.ask("A needle in a haystack")
    assert status == 200
    go(page, "traces?q=needle+in+a")
    page.locator(f'tr:has(a[href="#/traces/{request}"])').wait_for()
    assert page.locator("tbody tr").count() == 1
    page.locator("tbody tr a").first.click()
    page.wait_for_selector("h1:has-text('Trace')")
    page.wait_for_selector(".raws >> text=needle")
    shot(page, "weir-found-trace")


def test_what_a_key_came_to_is_told(page, weir):
    assert weir.ask("x", model="broken-3")[0] >= 500
    go(page, "providers")
    row = page.locator("section:has(h2:text-is('nobody')) tr:has(td:has-text('second'))")
    row.locator("text=/failed, last/").wait_for()
    assert "500" in row.inner_text()


def test_a_failing_request_says_why(page, weir):
    status, text, request = weir.ask("x", model="broken-1")
    assert status >= 500, text
    go(page, "requests?status=error")
    row = page.locator(f'tr:has(a[href="#/requests/{request}"])')
    row.wait_for()
    row.locator("a").first.click()
    page.wait_for_selector(".falls li")
    wait_for_text(page, "failed: no upstream served it")
    page.wait_for_selector("table.diff")
    shot(page, "weir-diff")
    assert UPSTREAM_KEY not in page.content()


def test_a_provider_is_added_and_goes_again(page, weir):
    go(page, "providers")
    page.get_by_role("button", name="Add provider").first.click()
    form = page.locator("dialog[open]")
    form.get_by_label("Name").fill("extra")
    form.get_by_label("Protocol").select_option("chat")
    form.get_by_label("Address").fill("http://127.0.0.1:9/v1")
    form.get_by_label("Keys").fill("sk-added-canary-31")
    form.get_by_role("button", name="Add").click()
    section = page.locator("section:has(h2:text-is('extra'))")
    section.wait_for()
    until(lambda: '"extra"' in config_of(weir), "the file has the provider")
    assert "// Answers from inside weir." in config_of(weir), "comments stay"
    assert "sk-added-canary-31" not in page.content()
    section.get_by_role("button", name="Delete provider extra").click()
    page.locator("dialog[open]").get_by_role("button", name="Delete").click()
    section.wait_for(state="detached")
    assert '"extra"' not in config_of(weir)


def test_a_key_is_disabled_and_enabled(page, weir):
    go(page, "providers")
    row = page.locator("section:has(h2:text-is('nobody')) tr:has(td:has-text('second'))")
    row.get_by_role("button", name="Disable").click()
    row.get_by_role("button", name="Enable").wait_for()
    row.locator(".pill:has-text('disabled')").wait_for()
    assert '"disabled": true' in config_of(weir)
    shot(page, "weir-disabled-key")
    row.get_by_role("button", name="Enable").click()
    row.get_by_role("button", name="Disable").wait_for()


def test_a_client_is_made_shown_once_and_used(page, weir):
    go(page, "clients")
    page.get_by_role("button", name="Create client").first.click()
    form = page.locator("dialog[open]")
    form.get_by_label("Name").fill("robot")
    form.get_by_role("button", name="Create").click()
    key = page.locator("[data-secret]").inner_text()
    assert key.startswith("sk-weir-")
    page.get_by_role("button", name="Done").click()
    page.wait_for_selector("[data-secret]", state="detached")
    assert key not in page.content() and key not in config_of(weir), "shown once, kept hashed"
    until(lambda: weir.ask("hello", key=key)[0] == 200, "the key works")
    go(page, "requests?client=robot")
    page.locator("tbody tr").first.wait_for()
    go(page, "clients")
    page.get_by_role("button", name="Delete client robot").click()
    page.locator("dialog[open]").get_by_role("button", name="Delete").click()
    page.wait_for_selector("td:has-text('robot')", state="detached")


def test_a_wrong_file_changes_nothing_and_shows_the_line(page, weir):
    before = config_of(weir)
    go(page, "settings/file")
    area = page.get_by_label("Configuration file")
    area.wait_for()
    text = area.input_value()
    area.fill(text.replace('"listen"', '"listne"', 1))
    line = text[: text.index('"listen"')].count("\n") + 1
    page.get_by_role("button", name=f"line {line}", exact=True).first.wait_for()
    page.wait_for_selector(f".numbers div.bad:nth-child({line})")
    assert page.get_by_role("button", name="Save").is_disabled()
    shot(page, "weir-wrong-file")
    assert config_of(weir) == before
    page.get_by_role("button", name="Revert").click()


def test_a_right_file_is_applied_and_a_backup_brings_the_old_one_back(page, weir):
    go(page, "settings/file")
    area = page.get_by_label("Configuration file")
    area.wait_for()
    before = config_of(weir)
    page.get_by_label("Search").fill("keep_days")
    page.locator(".form-place summary:has-text('usage')").wait_for()
    page.locator(".form-place .group:has(summary:has-text('usage')) input").first.fill("30")
    page.keyboard.press("Tab")
    until(lambda: '"keep_days": 30' in area.input_value(), "the form writes into the file")
    page.get_by_role("button", name="Save").click()
    until(lambda: '"keep_days": 30' in config_of(weir), "saved")
    assert "// Answers from inside weir." in config_of(weir), "comments stay"
    assert weir.path.stat().st_mode & 0o777 == 0o600
    go(page, "settings/backups")
    page.get_by_role("button", name="Compare").first.click()
    page.wait_for_selector("dialog[open] table.diff")
    shot(page, "weir-backup")
    page.locator("dialog[open]").get_by_role("button", name="Restore").click()
    page.get_by_role("dialog", name="Restore this file").get_by_role("button", name="Restore").click()
    until(lambda: config_of(weir) == before, "restored")


def test_two_people_edit_at_once_and_neither_loses_his_text(page, weir):
    go(page, "settings/file")
    area = page.get_by_label("Configuration file")
    area.wait_for()
    before = config_of(weir)
    mine = area.input_value().replace("Made by the tests", "Mine by the tests")
    area.fill(mine)
    page.evaluate(
        """async () => {
            const told = await (await fetch('/api/config')).json();
            const text = told.text.replace('Made by the tests', 'Theirs by the tests');
            const answer = await fetch('/api/config', { method: 'PUT', body: JSON.stringify({ text }),
                headers: { 'content-type': 'application/json', 'if-match': `"${told.etag}"` } });
            if (!answer.ok) throw new Error(await answer.text());
        }"""
    )
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector(".banner.warn:has-text('changed meanwhile')")
    assert "Theirs by the tests" in config_of(weir)
    assert area.input_value() == mine, "what is typed here stays"
    page.get_by_role("button", name="Load it").click()
    until(lambda: "Theirs by the tests" in area.input_value(), "the other's text is here")
    area.fill(area.input_value().replace("Theirs by the tests", "Made by the tests"))
    page.get_by_role("button", name="Save").click()
    until(lambda: config_of(weir) == before, "as it was")


def test_the_playground_streams_in_every_dialect(page, weir):
    go(page, "playground")
    page.get_by_label("Dialect").wait_for()
    for dialect in ["chat", "responses", "anthropic", "gemini", "ollama"]:
        page.get_by_label("Dialect").select_option(dialect)
        page.get_by_label("Message").fill(f"Hello in {dialect}")
        page.get_by_role("button", name="Send").click()
        page.wait_for_function(
            "() => { const told = document.querySelector('.told'); return told && told.textContent.includes('Total') }"
        )
        said = page.locator(".turns .assistant .said").last.inner_text()
        assert len(said) > 3, f"{dialect}: {said!r}"
        assert page.locator(".told .pill").inner_text() == "200", dialect
        page.get_by_role("tab", name="Wire events").click()
        assert page.locator(".wire li").count() > 2, dialect
        shot(page, f"weir-playground-{dialect}")
        page.get_by_role("tab", name="Conversation").click()
        page.get_by_role("button", name="Start over").click()


def test_explain_names_the_targets(page, weir):
    go(page, "routes")
    page.locator("form input[placeholder=Model]").fill("broken-2")
    page.get_by_role("button", name="Explain").click()
    page.wait_for_selector(".tries li:has-text('nobody')")
    page.locator("svg.chain").first.wait_for()
    shot(page, "weir-explain")


def test_what_comes_from_the_server_is_said_in_chinese(open_page, weir):
    """Help of the file from the schema, steps of a decision, problems of the file, and what could not be had."""
    assert weir.ask(model="broken-3")[0] == 500
    page = open_page(weir.url, lang="zh-CN", expected=["404"])
    log_in(page, PASSWORD)
    go(page, "routes")
    page.locator("form input[placeholder=模型]").fill("nobody/broken(high)")
    page.get_by_role("button", name="解释").click()
    for step in ("名称中的供应商", "名称要求推理：high"):
        page.wait_for_selector(f".steps li:has-text('{step}')")
    go(page, "providers")
    page.wait_for_selector("td.health:has-text('返回 500：no,')")
    go(page, "requests/req_none")
    wait_for_text(page, "没有保留此 ID 的请求")
    go(page, "settings")
    page.wait_for_selector(".field:has-text('出站代理')")
    # Members that have no field are explained, and found.
    page.get_by_label("搜索", exact=True).fill("queue_ms")
    page.wait_for_selector("dl.reference dd:has-text('单个请求可等待多久')")
    shot(page, "weir-help-zh")
    editor = page.locator(".editor textarea")
    editor.fill(editor.input_value().replace('"cores": 1,', '"cores": 0, "drivr": "epoll",'))
    page.wait_for_selector(".problems li:has-text('超出范围：1 到 1024')")
    page.wait_for_selector(".problems li:has-text('未知成员，是否指 \"driver\"？')")
    page.get_by_role("button", name="还原").click()
    english = page.evaluate(ENGLISH)
    assert not english, english


def test_usage_and_overview_count_what_was_asked(page, weir):
    for _ in range(3):
        assert weir.ask("count me")[0] == 200
    go(page, "usage?period=today&by=provider")
    page.wait_for_selector("td:has-text('demo')")
    page.wait_for_selector(".chart canvas")
    go(page, "overview")
    page.wait_for_selector(".stats")
    page.wait_for_selector(".chart canvas")
    shot(page, "weir-overview")
    with page.expect_download() as download:
        go(page, "usage?period=today&by=provider")
        page.get_by_role("link", name="CSV").click()
    text = open(download.value.path()).read()
    assert "demo" in text and "requests" in text.splitlines()[0]


def test_markup_of_others_is_text(page, weir):
    weir.ask(MARKUP, model=MARKUP[:60])
    _, _, request = weir.ask(MARKUP, model="broken" + MARKUP[:60])
    for place in ["requests", f"requests/{request}", "overview", "usage?period=today", "usage?period=today&by=model"]:
        go(page, place)
        page.wait_for_selector("main h1")
        page.wait_for_function("() => !document.querySelector('main .loading')")
        assert page.evaluate("window.pwned") is None, place
        assert page.locator("main img").count() == 0, place


def test_every_setting_of_the_relay_is_in_the_form(page, weir):
    go(page, "settings/file")
    page.wait_for_selector(".form-place")
    schema = page.evaluate("fetch('/api/schema').then((answer) => answer.json())")
    shown = page.locator(".form-place").inner_text()
    for member in schema["properties"]:
        assert member == "$schema" or member in shown, member
    go(page, "settings/about")
    page.get_by_label("Level").select_option("debug")
    until(lambda: page.evaluate("fetch('/api/log').then((answer) => answer.json())")["level"] == "debug", "the level is changed")
    page.get_by_label("Level").select_option("info")
    shot(page, "weir-about")


def test_a_page_that_is_left_open_goes_on_by_itself_after_a_restart(page, weir):
    page.wait_for_selector(".side .link.open")
    assert weir.stop() == 0
    page.wait_for_selector(".banner:has-text('does not answer')")
    weir.start()
    page.wait_for_selector(".side .link.open")
    page.wait_for_selector(".banner:has-text('does not answer')", state="detached")
    assert page.locator("form:has-text('Log in to this relay')").count() == 0
    go(page, "requests")
    status, _, request = weir.ask("after the restart")
    assert status == 200
    page.locator(f'tr:has(a[href="#/requests/{request}"])').wait_for()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_selector("text=Log in to this relay")
