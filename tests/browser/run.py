"""Drives the page at / in a headless Chromium, against real servers, and looks for what hinders people (axe).

    python3 tests/browser/run.py [WORD]    only the tests with this word in their name

after `make build`. The Python packages go into target/browser, and stay there; so does a picture of each state, to be looked at.
Chromium is the machine's own: `chromium`, `google-chrome`, or what CHROMIUM names.
"""
import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCRATCH = ROOT / "target/browser"
PICTURES = SCRATCH / "pictures"
MODEL = os.environ.get("QNTX_EMBED_TEST_MODEL", str(ROOT / "models/all-MiniLM-L6-v2"))
CORPUS = ROOT / "examples/corpus.jsonl"
KEY = "qntx_key-of-the-tests"
# It runs as root in places where a sandbox cannot be made, and calls nobody but the server.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


def in_environment():
    """Runs this program again in an environment that has the packages of requirements.txt."""
    requirements = HERE / "requirements.txt"
    wanted, stamp = requirements.read_text(), SCRATCH / "venv/installed.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(SCRATCH / "venv", clear=True, with_pip=True)
        subprocess.run([SCRATCH / "venv/bin/python", "-m", "pip", "install", "-q", "-r", requirements], check=True)
        stamp.write_text(wanted)
    python = SCRATCH / "venv/bin/python"
    os.execv(python, [python, __file__, *sys.argv[1:]])


if pathlib.Path(sys.prefix) != SCRATCH / "venv":
    in_environment()

from axe_playwright_python.sync_playwright import Axe  # noqa: E402
from playwright.sync_api import expect, sync_playwright  # noqa: E402


@contextlib.contextmanager
def server(*flags, binary=ROOT / "bin/qntx-embed"):
    """A server at a free port with an empty store; its end must be orderly, and its log without a crash."""
    with tempfile.TemporaryDirectory() as directory:
        log_path = pathlib.Path(directory) / "log"
        with open(log_path, "w") as log:
            running = subprocess.Popen([binary, "serve", "--listen", "127.0.0.1:0", "--model", MODEL, "--db", f"{directory}/test.db", *flags],
                                       stderr=log, cwd=ROOT)
        try:
            address = None
            while address is None and running.poll() is None:
                found = re.search(r"msg=listening address=(\S+)", log_path.read_text())
                address = found and found.group(1)
            assert address, f"the server did not start: {log_path.read_text()}"
            yield address
        finally:
            running.terminate()
            code = running.wait(30)
        text = log_path.read_text()
        assert code == 0 and "msg=panic" not in text, f"the server ended with {code}:\n{text}"


@contextlib.contextmanager
def page(browser, address, path="/", **options):
    """A page in a context of its own. What it writes to the console as an error, and what its policy stops, is a failure."""
    context = browser.new_context(**{"viewport": {"width": 1200, "height": 800}, **options})
    opened = context.new_page()
    problems = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" and "status of" not in message.text else None)
    opened.goto(address + path)
    yield opened
    context.close()
    assert not problems, problems


def picture(opened, name):
    """Keeps how it looks, and has axe look at it: in light, in dark and at a phone's width nobody may be hindered."""
    opened.wait_for_timeout(250)  # for transitions
    PICTURES.mkdir(parents=True, exist_ok=True)
    opened.screenshot(path=PICTURES / f"{name}.png")
    found = Axe().run(opened).response
    assert not found["violations"], f"{name}: " + "; ".join(
        f"{v['id']}: {v['help']} at {[n['html'] for n in v['nodes']][:3]}" for v in found["violations"])
    wide = opened.evaluate("document.documentElement.scrollWidth") - opened.viewport_size["width"]
    assert wide <= 0, f"{name} is {wide} pixels wider than its window"


def drop(opened, name, content):
    """Drops a file onto the page as a person does."""
    opened.evaluate("""([name, content]) => {
        const files = new DataTransfer();
        files.items.add(new File([content], name));
        for (const kind of ['dragenter', 'dragover', 'drop'])
            document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
    }""", [name, content])


def fill_store(address):
    subprocess.run([sys.executable, "-c", """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1] + "/api/embeddings/batch", open(sys.argv[2], "rb").read(), {"Content-Type": "application/x-ndjson"})
urllib.request.urlopen(request).read()""", address, CORPUS], check=True)


def looks(browser, address, name, act):
    """A state in light, in dark and on a phone."""
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    for suffix, options in [("", {}), ("-dark", {"color_scheme": "dark"}), ("-phone", phone)]:
        with page(browser, address, **options) as opened:
            act(opened)
            picture(opened, name + suffix)


# The tests: each gets the browser, and the address of a server that has the example corpus.

def searches_as_one_types(browser, address):
    def act(opened):
        opened.fill("#q", "how do I stop the pump")
        expect(opened.locator("#results li").first).to_contain_text("pump")
    looks(browser, address, "search", act)
    with page(browser, address) as opened:
        expect(opened.locator("#idle")).to_be_visible()
        expect(opened.locator("#state")).to_contain_text("279 texts")
        opened.keyboard.type("how do I stop the pump")  # the field has the focus from the start
        expect(opened.locator("#results li").first).to_contain_text("pump")
        expect(opened.locator("#results mark").first).to_have_text(re.compile("^(pump|stop)s?$", re.I))
        expect(opened.locator("#took")).to_have_text(re.compile(r"^\d+ results? in \d+ ms \(embedding [\d.]+, search [\d.]+\)$"))
        scores = [float(score) for score in opened.locator(".score b").all_text_contents()]
        assert scores == sorted(scores, reverse=True) and scores[0] > 0.5, scores
        share = opened.locator(".bar i").first.evaluate("bar => bar.offsetWidth / bar.parentElement.offsetWidth")
        assert abs(share - scores[0]) < 0.03, (share, scores[0])
        opened.fill("#q", "qqqq zzzz xxxx")
        expect(opened.locator("#none")).to_be_visible()
        opened.fill("#q", "")
        expect(opened.locator("#idle")).to_be_visible()
        expect(opened.locator("#results li")).to_have_count(0)


def hybrid_counts_words_too(browser, address):
    with page(browser, address) as opened:
        opened.fill("#q", "panel A")
        opened.get_by_label("Hybrid").check()
        expect(opened.get_by_text("words #1", exact=True)).to_have_count(1)
        picture(opened, "hybrid")
        opened.get_by_label("Hybrid").uncheck()
        expect(opened.locator(".about", has_text="words #")).to_have_count(0)


def filters_narrow_the_search(browser, address):
    def act(opened):
        opened.fill("#q", "keeping the heart healthy")
        opened.click("summary")
        opened.fill("#type", "medicine")
        expect(opened.locator("#results li").first).to_be_visible()
        expect(opened.locator("#results .about span", has_text="manual /")).to_have_count(0)
    looks(browser, address, "filters", act)
    with page(browser, address) as opened:
        opened.fill("#q", "water")
        opened.click("summary")
        expect(opened.locator("#types option")).not_to_have_count(0)
        opened.fill("#filter", '["=", "source_type", "gardening"]')
        # The results from before stay until the new ones are there.
        expect(opened.locator("#results li").filter(has_not_text="gardening /")).to_have_count(0)
        expect(opened.locator("#results li")).not_to_have_count(0)
        expect(opened.locator("#filters-set")).to_have_text("1")
        opened.fill("#filter", '["=", "source_type"')
        expect(opened.locator("#search-error")).to_contain_text("no JSON")
        opened.fill("#filter", '["like", "source_type", "x"]')
        expect(opened.locator("#search-error")).to_contain_text("like")
        picture(opened, "filter-refused")
        opened.fill("#filter", "")
        opened.select_option("#limit", "50")
        opened.locator("#threshold").fill("-0.2")
        expect(opened.locator("#results li")).to_have_count(50)


def neighbours_of_a_result_are_found(browser, address):
    with page(browser, address) as opened:
        opened.fill("#q", "stop the pump")
        first = opened.locator("#results li").first
        text = first.locator(".text").inner_text()
        first.get_by_role("button", name="More like this").click()
        expect(opened.locator("#like-text")).to_have_text(text)
        expect(opened.locator("#results li").first.locator(".text")).not_to_have_text(text)
        picture(opened, "neighbours")
        opened.click("#like-end")
        expect(opened.locator("#like")).to_be_hidden()


def the_map_shows_texts_and_places_another(browser, address):
    def act(opened):
        opened.click("nav a[href='#map']")
        expect(opened.locator("#map-state")).to_have_text("279 texts", timeout=30_000)
        with opened.expect_response(lambda response: "/map/place" in response.url) as placed:
            opened.fill("#place-q", "the pump leaks oil")
        assert placed.value.status == 200
    looks(browser, address, "map", act)
    with page(browser, address, "/#map") as opened:
        expect(opened.locator("#legend li")).to_have_count(16)
        opened.get_by_label("Cluster").check()
        expect(opened.locator("#legend li").first).to_have_text("Cluster 1")
        picture(opened, "map-clusters")
        # The keyboard alone: to a point, and to its neighbours.
        opened.focus("#canvas")
        opened.keyboard.press("ArrowRight")
        expect(opened.locator("#tip-text")).to_be_visible()
        read = opened.locator("#tip-text").inner_text()
        expect(opened.locator("#map-said")).to_contain_text(read)
        picture(opened, "map-tip")
        opened.keyboard.press("+")
        opened.keyboard.press("0")
        opened.keyboard.press("Enter")
        expect(opened.locator("#like-text")).to_have_text(read)
        expect(opened.locator("#results li").first).to_be_visible()
    with page(browser, address, "/#map") as opened:
        expect(opened.locator("#legend li")).to_have_count(16)
        box = opened.locator("#canvas").bounding_box()
        tip = opened.locator("#tip-text")
        for step in range(400):  # over the map in lines, until there is a point under the mouse
            opened.mouse.move(box["x"] + box["width"] * (0.3 + 0.02 * (step % 20)), box["y"] + box["height"] * (0.1 + 0.04 * (step // 20)))
            opened.wait_for_timeout(20)
            if tip.is_visible():
                break
        expect(tip).to_be_visible()
        read = tip.inner_text()
        opened.mouse.down()
        opened.mouse.up()
        expect(opened.locator("#like-text")).to_have_text(read)


def sentences_are_compared(browser, address):
    def act(opened):
        opened.click("nav a[href='#compare']")
        expect(opened.locator("tbody td")).to_have_count(25)
    looks(browser, address, "compare", act)
    with page(browser, address, "/#compare") as opened:
        opened.fill("#sentences", "cat\nkitten\n\ncarburettor\n")
        expect(opened.locator("tbody td")).to_have_count(9)
        cells = [float(text) for text in opened.locator("tbody td").all_text_contents()]
        assert cells[0] == cells[4] == cells[8] == 1 and cells[1] == cells[3] == 0.79 and cells[2] < 0.4, cells  # README has cat and kitten
        opened.fill("#sentences", "\n".join(f"sentence {i}" for i in range(20)))
        expect(opened.locator("#compare-state")).to_contain_text("the first 12 of 20")
        opened.fill("#sentences", "one")
        expect(opened.locator("#compare-state")).to_contain_text("Two sentences or more")


def a_dropped_file_is_found_and_mapped(browser, _):
    with server() as address:
        looks(browser, address, "empty", lambda opened: expect(opened.locator("#empty")).to_be_visible())
        with page(browser, address, "/#map") as opened:
            expect(opened.locator("#map-empty")).to_be_visible()
            picture(opened, "map-empty")
            # Straight after it the map is there, without a reload.
            drop(opened, "corpus.jsonl", CORPUS.read_text())
            expect(opened.locator("#import-state")).to_contain_text("Done: 279 texts added.", timeout=60_000)
            expect(opened.locator("#map-state")).to_have_text("279 texts", timeout=30_000)
            picture(opened, "dropped")
            opened.click("nav a[href='#search']")
            opened.fill("#q", "how do I stop the pump")
            expect(opened.locator("#results li").first).to_contain_text("pump")
            expect(opened.locator("#state")).to_contain_text("279 texts")
            # Again: nothing changes. And lines of text, with blank ones and another kind of line end.
            opened.click("#import-stop")
            expect(opened.locator("#import")).to_be_hidden()
            drop(opened, "corpus.jsonl", CORPUS.read_text())
            expect(opened.locator("#import-state")).to_contain_text("Done: 279 there already.", timeout=60_000)
            drop(opened, "notes.txt", "The zebra crossed the motorway at dusk.\r\n\r\n  \nNobody saw <b>the</b> zebra.")
            expect(opened.locator("#import-state")).to_contain_text("Done: 2 texts added.")
            opened.fill("#q", "zebra crossing a road")
            expect(opened.locator("#results li").first).to_contain_text("notes.txt / 1")
            # Markup is text.
            opened.fill("#q", "nobody saw the zebra")
            expect(opened.locator("#results li").first.locator(".text")).to_have_text("Nobody saw <b>the</b> zebra.")
            assert opened.locator("#results b").count() == opened.locator("#results .score").count()


def what_is_wrong_with_a_file_is_told(browser, _):
    with server() as address, page(browser, address) as opened:
        lines = ['{"text": "no source is needed"}', '{"text": 5}', "no JSON", '{"text": "", "source_id": "x"}', '{"text": "fine", "colour": 1}']
        drop(opened, "mixed.jsonl", "\n".join(lines))
        expect(opened.locator("#import-state")).to_have_text("Done: 1 text added, 4 refused.")
        errors = opened.locator("#import-errors li").all_text_contents()
        assert [error.split(":")[0] for error in errors] == ["Line 2", "Line 3", "Line 4", "Line 5"], errors
        picture(opened, "refused")
        opened.evaluate("""() => {
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array([104, 105, 10, 255, 254])], 'latin.txt'));
            document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }));
        }""")
        expect(opened.locator("#import-errors")).to_contain_text("not UTF-8")
        drop(opened, "nothing.txt", "\n\n")
        expect(opened.locator("#import-state")).to_contain_text("The file has no texts.")
        # By a button and the keyboard too.
        with opened.expect_file_chooser() as chooser:
            opened.focus("#add")
            opened.keyboard.press("Enter")
        chooser.value.set_files([{"name": "chosen.txt", "mimeType": "text/plain", "buffer": b"A heron waits in the reeds."}])
        expect(opened.locator("#import-state")).to_have_text("Done: 1 text added.")


def a_large_file_shows_how_far_it_is_and_can_be_stopped(browser, _):
    with server() as address, page(browser, address) as opened:
        text = "\n".join(f"Line {i}: a sentence about matter number {i * 7919 % 10007}, which is like no other." for i in range(4000))
        drop(opened, "large.txt", text)
        value = 0
        while value < 0.02:  # the policy forbids what wait_for_function does
            opened.wait_for_timeout(20)
            value = opened.evaluate("document.getElementById('import-bar').value")
        assert value < 1
        picture(opened, "adding")
        opened.click("#import-stop")
        expect(opened.locator("#import-state")).to_contain_text("Stopped: ")


def a_key_is_asked_for(browser, _):
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as keys:
        keys.write(f'[[key]]\nname = "tests"\nsha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}"\nrole = "read"\n')
        keys.flush()
        with server("--keys", keys.name) as address, page(browser, address) as opened:
            expect(opened.locator("#key-dialog")).to_be_visible()
            picture(opened, "key")
            opened.fill("#key", "wrong")
            opened.keyboard.press("Enter")
            expect(opened.locator("#key-error")).to_contain_text("not one of this server's")
            opened.fill("#key", KEY)
            opened.keyboard.press("Enter")
            expect(opened.locator("#view-search")).to_be_visible()
            opened.reload()
            expect(opened.locator("#view-search")).to_be_visible()
            # This one may not write.
            drop(opened, "notes.txt", "A text.")
            expect(opened.locator("#import-errors")).to_contain_text("may read")
            opened.get_by_role("button", name="Key").click()
            opened.keyboard.press("Escape")
            expect(opened.locator("#key-dialog")).to_be_hidden()


def a_build_without_the_library_says_so(browser, _):
    with server(binary=SCRATCH / "qntx-embed-stub") as address:
        looks(browser, address, "stub", lambda opened: expect(opened.locator("#notice-title")).to_have_text("This build has no native library"))


def a_server_that_has_gone_is_noticed(browser, _):
    with server() as address:
        context = browser.new_context()
        opened = context.new_page()
        opened.goto(address)
        expect(opened.locator("#empty")).to_be_visible()
    opened.fill("#q", "anybody there")
    expect(opened.locator("#search-error")).to_contain_text("does not answer")
    context.close()


TESTS = [searches_as_one_types, hybrid_counts_words_too, filters_narrow_the_search, neighbours_of_a_result_are_found,
         the_map_shows_texts_and_places_another, sentences_are_compared, a_dropped_file_is_found_and_mapped, what_is_wrong_with_a_file_is_told,
         a_large_file_shows_how_far_it_is_and_can_be_stopped, a_key_is_asked_for, a_build_without_the_library_says_so,
         a_server_that_has_gone_is_noticed]


def main():
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        print("skipped: the page in a browser, because there is no Chromium: install it (on Debian: apt-get install chromium), or name it by CHROMIUM")
        return
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    failed = 0
    chosen = [test for test in TESTS if word in test.__name__]
    with sync_playwright() as playwright, server() as address:
        fill_store(address)
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for test in chosen:
            try:
                test(browser, address)
                print(f"ok      {test.__name__}", flush=True)
            except Exception as error:  # one that fails must not hide the others
                failed += 1
                print(f"FAILED  {test.__name__}: {error}", flush=True)
        browser.close()
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not chosen else 0)


main()
