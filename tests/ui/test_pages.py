"""Every page over the mock's data: both themes, both languages, both widths; words, keyboard, labels, bounds."""

import random
import re
from pathlib import Path

import pytest

from conftest import ENGLISH, PAGES, ROOT, go, log_in, shot
from mock import Mock, row

WEB = ROOT / "src/control/web"
AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
LOOKS = [("light", "en-US", 1360, 860), ("dark", "zh-CN", 1360, 860), ("light", "zh-CN", 390, 844), ("dark", "en-US", 390, 844)]


def violations(page):
    """What axe-core finds, where it is installed (npm ci in this folder)."""
    if not AXE.exists():
        return []
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found]


@pytest.mark.parametrize("theme,lang,width,height", LOOKS)
def test_every_page_stands(open_page, mock, theme, lang, width, height):
    page = open_page(mock.url, width, height, theme, lang)
    log_in(page, "mock")
    for name in PAGES:
        go(page, name)
        page.wait_for_selector(f'nav a[aria-current="page"][href="#/{name}"]', state="attached")
        page.wait_for_selector("main h1")
        page.wait_for_function("() => !document.querySelector('main .loading')")
        if name in ("overview", "usage"):
            page.wait_for_selector(".chart canvas")
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{name} is {over} px wider than the window"
        unnamed = page.evaluate("""() => [...document.querySelectorAll('button, a, input, select, textarea')]
            .filter((one) => one.offsetParent && !(one.getAttribute('aria-label') || one.textContent.trim() || (one.labels && one.labels.length)))
            .map((one) => one.outerHTML.slice(0, 120))""")
        assert not unnamed, f"{name}: {unnamed}"
        twice = page.evaluate(
            "() => { const ids = [...document.querySelectorAll('[id]')].map((one) => one.id); return ids.filter((id, at) => ids.indexOf(id) !== at) }"
        )
        assert not twice, f"{name}: {twice}"
        reached = violations(page)
        assert not reached, f"{name}: {reached}"
        english = page.evaluate(ENGLISH) if lang == "zh-CN" else []
        assert not english, f"{name}: {english}"
        shot(page, f"{name}-{theme}-{lang[:2]}-{width}")


def sources():
    return [path for path in WEB.rglob("*.js") if "vendor" not in path.parts and path.name != "words.js"]


def words():
    text = (WEB / "words.js").read_text()
    found = re.findall(r"^  (\w+): \[((?:'(?:[^'\\]|\\.)*'|,|\s)+)\],$", text, re.M)
    table = {name: re.findall(r"'((?:[^'\\]|\\.)*)'", both) for name, both in found}
    assert len(table) == len(found) == len(re.findall(r"^  \w+: \[", text, re.M)), "a key stands twice, or a row has another form"
    return table


def test_every_word_is_in_both_languages():
    # Names, and words that are the same in both.
    same = {"published_names", "step_by_map", "step_by_rule", "step_by_scene", "step_by_scene_default", "step_nearest", "step_route", "step_scene"}
    for name, both in words().items():
        # A third is the English of one.
        assert len(both) in (2, 3) and all(text.strip() for text in both), name
        english, chinese, one = both[0], both[1], both[-1] if len(both) == 3 else both[0]
        assert name in same or re.search(r"[\u4e00-\u9fff]", chinese), f"{name}: {chinese!r}"
        assert not re.search(r"[\u4e00-\u9fff]", english), f"{name}: {english!r}"
        places = [set(re.findall(r"\{\w+\}", text)) for text in (english, chinese, one)]
        assert places[0] == places[1] == places[2], f"{name}: not the same places"


def test_every_word_that_is_used_is_there_and_every_one_there_is_used():
    table, used, begun, all_text = words(), set(), set(), ""
    for path in sources():
        text = path.read_text()
        all_text += text
        used |= set(re.findall(r"\bt\('(\w+)'[,)]", text))
        begun |= set(re.findall(r"\b(?:t|word)\('(\w+_)' \+", text))
    assert not used - set(table), used - set(table)
    for prefix in begun:
        assert any(name.startswith(prefix) for name in table), prefix
    idle = [
        name
        for name in table
        if name not in used and not name.startswith(tuple(begun)) and not re.search(rf"\b{name}\b", all_text)
    ]
    assert not idle, idle


def test_no_word_stands_in_a_template():
    """Text between tags is a word of the table; the exceptions are names and marks."""
    known = {
        "weir",
        "p99",
        "CSV",
        "JSON",
        "Prometheus",
        "OpenAPI",
        "Ctrl+Enter",
        "API",
        "English",
        "traces",
        "bodies",
        "errors",
        "api",
        "openapi",
        "json",
        "metrics",
        "health",
        "s",
    }
    for path in sources():
        for template in re.findall(r"html`((?:[^`\\]|\\.)*)`", path.read_text()):
            bare = re.sub(r"\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", "", template)
            for text in re.findall(r">([^<>${}]*)<", bare):
                loose = [word for word in re.findall(r"[A-Za-z]{2,}", text) if word not in known]
                assert not loose, f"{path.name}: {text.strip()!r}"


def test_the_modules_of_text_keep_what_they_should(open_page, mock):
    """The comparison and the cutter of streams, on cases that a page does not meet each day."""
    page = open_page(mock.url)
    told = page.evaluate("""async () => {
        const { sideBySide } = await import('/assets/dev/diff.js');
        const { cutter } = await import('/assets/dev/dialects.js');
        const wrong = [];
        for (let n = 0; n < 400; n++) {
            const text = () => Array.from({ length: Math.random() * 12 | 0 }, () => 'abc'[Math.random() * 3 | 0]).join('\\n');
            const a = text(), b = text(), rows = sideBySide(a, b, true);
            if (rows.filter((row) => row.a).map((row) => row.left).join('\\n') !== a || rows.filter((row) => row.b).map((row) => row.right).join('\\n') !== b) wrong.push(['diff', a, b]);
        }
        const stream = 'event: x\\r\\ndata: {"n":1}\\r\\n\\r\\ndata: {"n":\\ndata: 2}\\n\\ndata: [DONE]\\n\\n';
        for (let step = 1; step < 9; step++) {
            const cut = cutter(true), events = [];
            for (let at = 0; at < stream.length; at += step) events.push(...cut.feed(stream.slice(at, at + step)));
            events.push(...cut.end());
            if (JSON.stringify(events.map((event) => event.data && event.data.n)) !== '[1,2,null]') wrong.push(['events', step, events]);
        }
        return wrong;
    }""")
    assert not told, told


def test_the_keyboard_reaches_everything(open_page, mock):
    page = open_page(mock.url)
    log_in(page, "mock")
    go(page, "overview")
    page.wait_for_selector("main h1")
    page.reload()
    page.wait_for_selector("main h1")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    go(page, "requests")
    page.wait_for_selector("tr.opens")
    page.get_by_role("button", name="Live").click()
    # The list is asked for anew behind the click: the row is waited for, then focused and pressed.
    page.locator("tr.opens a").first.press("Enter")
    page.wait_for_selector("h1:has-text('Request')")
    go(page, "settings/about")
    page.wait_for_selector("[role=tab][data-tab=about][aria-selected=true]")
    page.focus("[role=tab][data-tab=about]")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("[role=tab][data-tab=file][aria-selected=true]")
    go(page, "clients")
    page.get_by_role("button", name="Create client").first.click()
    page.wait_for_selector("dialog[open]")
    for _ in range(20):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        ), "the focus left the dialog"
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")


def test_a_chart_tells_its_values_to_the_pointer_and_to_the_keys(open_page, mock):
    page = open_page(mock.url)
    log_in(page, "mock")
    go(page, "usage?period=week&by=model")
    page.wait_for_selector(".chart canvas")
    assert page.locator(".tip").count() == 0
    page.locator("figure").first.focus()
    page.keyboard.press("End")
    last = page.locator(".tip strong").inner_text()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("last => document.querySelector('.tip strong').textContent !== last", arg=last)
    assert re.search(r"\$\d", page.locator(".tip dd").last.inner_text())
    shot(page, "chart-tip")
    page.keyboard.press("Escape")
    page.wait_for_selector(".tip", state="detached")
    place = page.locator(".chart canvas").first.bounding_box()
    page.mouse.move(place["x"] + place["width"] * 0.7, place["y"] + 40)
    page.wait_for_selector(".tip.right")


def test_the_first_client_asks_before_it_closes_the_relay(open_page):
    with Mock() as mock:
        mock.server.state.clients.clear()
        page = open_page(mock.url)
        log_in(page, "mock")
        go(page, "clients")
        page.get_by_role("button", name="Create client").first.click()
        form = page.locator("dialog[open]")
        form.locator(".warning", has_text="401").wait_for()
        form.get_by_label("Name").fill("ci")
        shot(page, "first-client")
        form.get_by_role("button", name="Create").click()
        assert not mock.server.state.clients, "not before it is agreed to"
        form.get_by_label("Programs without a client key may stop working").check()
        form.get_by_role("button", name="Create").click()
        page.wait_for_selector("text=only programs with a client key are served")
        assert mock.server.state.clients["ci"]["closes_access"] is True


def test_what_is_recorded_is_chosen_on_the_page_of_traces(open_page):
    with Mock() as mock:
        page = open_page(mock.url)
        log_in(page, "mock")
        go(page, "traces")
        page.wait_for_selector(".recorded .pill:has-text('those that fail')")
        page.get_by_role("button", name="What is recorded").first.click()
        form = page.locator("dialog[open]")
        form.get_by_label("Share of all, %").fill("2.5")
        form.get_by_label("ci").check()
        form.get_by_role("button", name="Save").click()
        page.wait_for_selector(".recorded .pill:has-text('2.5%')")
        page.wait_for_selector(".recorded .pill:has-text('ci')")
        assert '"sample": 0.025' in mock.server.state.text
        page.locator("tbody tr a").first.click()
        page.wait_for_selector("h1:has-text('Trace')")
        page.wait_for_selector("table.diff")
        page.get_by_role("link", name="Traces").last.click()
        page.wait_for_selector("h1:has-text('Traces')")


def test_theme_and_language_are_switched_and_kept(open_page, mock):
    page = open_page(mock.url)
    log_in(page, "mock")
    ground = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = ground()
    page.get_by_role("button", name="Theme: as the system").click()
    page.get_by_role("button", name="Theme: light").click()
    assert ground() != light
    page.get_by_role("button", name="中文").click()
    page.wait_for_selector("h1:has-text('总览')")
    page.reload()
    page.wait_for_selector("h1:has-text('总览')")
    assert ground() != light and page.evaluate("document.documentElement.lang") == "zh-CN"


def test_a_fast_relay_does_not_grow_the_page(open_page):
    """5,000 requests a second: what is listed is bounded, what is not listed is counted, memory stays."""
    with Mock(rate=5000, rows=[row(1_800_000_000_000, random.Random(1)) for _ in range(5)]) as mock:
        page = open_page(mock.url)
        log_in(page, "mock")
        go(page, "requests")
        page.wait_for_selector("text=more went by too fast")
        nodes = lambda: page.evaluate("document.querySelectorAll('*').length")
        page.wait_for_timeout(1500)
        first = nodes()
        page.wait_for_timeout(2500)
        assert page.locator("tbody tr").count() <= 101
        assert nodes() <= first * 1.15 + 50, (first, nodes())


def test_what_others_write_is_text(open_page):
    """Names, prompts and errors with markup in them are shown, and do nothing."""
    canary = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>\'"`${1}'
    rows = [
        {
            **row(1_800_000_000_000 + at, random.Random(at)),
            "model_asked": canary,
            "model_sent": canary + "2",
            "client": canary,
            "provider": canary,
            "key": canary,
            "route": canary,
            "scene": canary,
            "dropped": [canary],
            "endpoint": canary,
            "traced": True,
            "attempts": 1,
        }
        for at in range(3)
    ]
    with Mock(rows=rows, rate=1) as mock:
        state = mock.server.state
        state.providers["openai"]["keys"][1]["last_error"] = {"unix_ms": 1, "status": 500, "model": canary, "message": canary}
        state.providers["openai"]["models"] = [canary]
        state.clients["alice"].update(models=[canary], route=canary)
        state.routes["coding"]["models"] = {canary: canary}
        state.text = state.text.replace("The relay of the team.", canary)
        page = open_page(mock.url, expected=["Failed to load resource"])
        log_in(page, "mock")
        for name in [
            *PAGES,
            "requests/" + rows[0]["id"],
            "traces/" + rows[0]["id"],
            "usage?by=client",
            "settings/about",
            "connect?client=" + canary.replace("<", "%3C").replace('"', "%22"),
            "requests?q=" + canary.replace("<", "%3C"),
        ]:
            go(page, name)
            page.wait_for_selector("main h1")
            page.wait_for_function("() => !document.querySelector('main .loading')")
            assert page.evaluate("window.pwned") is None, name
            assert page.evaluate("document.querySelectorAll('img, main script').length") == 0, name
        go(page, "requests/" + rows[0]["id"])
        page.wait_for_selector("text=onerror")


def test_a_lost_session_leads_to_the_login(open_page, mock):
    page = open_page(mock.url, expected=["401"])
    log_in(page, "mock")
    page.context.clear_cookies()
    go(page, "clients")
    page.wait_for_selector("form >> text=Log in to this relay")
    page.get_by_label("Admin password or token").fill("wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=This is not the password")
