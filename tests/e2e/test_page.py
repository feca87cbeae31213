"""The first page in a real browser: what a person sees, presses and waits for."""

import asyncio
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from starlette.types import Receive, Scope, Send

from roundhouse.access.permissions import Role
from roundhouse.access.principal import LOCAL_USER, Principal
from roundhouse.api import create_api
from roundhouse.core.errors import AuthError
from roundhouse.core.views import BackendStatus, Found
from roundhouse.testing.management_service import InMemoryManagement, a_backend, a_model, a_request, a_route
from roundhouse.web import create_web

CHROMIUM = Path(os.environ.get("ROUNDHOUSE_TEST_CHROMIUM", "/usr/bin/chromium"))  # noqa: TID251 - no settings here
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]
REFRESH_MS = 5000
KEY = "rh-made-up"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]


@dataclass(frozen=True, slots=True)
class House:
    """A served house and what is in it."""

    url: str
    management: InMemoryManagement
    server: uvicorn.Server


def who(scope: Scope) -> Principal:
    """Whoever sits at this machine, unless there is a key."""
    keys = [value for name, value in scope["headers"] if name == b"authorization"]
    if keys and keys != [f"Bearer {KEY}".encode()]:
        raise AuthError
    return Principal("admin", Role.ADMIN) if keys else LOCAL_USER


@pytest.fixture
def house() -> Iterator[House]:
    """Serve pages and API of a house in memory, over a real socket."""
    management = InMemoryManagement(catalog=[a_model("acme/tiny:Q4_K_M", loaded=True)])
    api, web = create_api(management, who), create_web(management, who)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (api if scope["path"].startswith("/api/") else web)(scope, receive, send)

    config = uvicorn.Config(app, port=0, lifespan="off", log_level="warning", ws="none", timeout_graceful_shutdown=1)
    server, listener = uvicorn.Server(config), config.bind_socket()
    listener.listen()  # the browser may come before the loop runs
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    yield House(f"http://127.0.0.1:{listener.getsockname()[1]}", management, server)
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium."""
    if not CHROMIUM.exists():
        reason = f"no browser at {CHROMIUM}"
        missing = pytest.fail if os.environ.get("ROUNDHOUSE_REQUIRE_SERVICES") == "1" else pytest.skip  # noqa: TID251
        missing(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open a tab whose clock the test owns, and which must not complain, about the policy or anything else."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    page = browser.new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.clock.install()
    yield page
    page.close()
    # What a test provokes itself: a server that went away, a key that is wrong.
    expected = ("ERR_CONNECTION_REFUSED", "status of 401")
    assert [text for text in complaints if not any(words in text for words in expected)] == []


def test_the_page_shows_the_house(page: Page, house: House) -> None:
    """Models, backends, and the lines that use them are there."""
    page.goto(house.url)
    expect(page.get_by_role("rowheader", name="acme/tiny:Q4_K_M")).to_be_visible()
    expect(page.get_by_role("img", name="1 of 1 models in memory")).to_be_visible()
    expect(page.get_by_text("from openai import OpenAI")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out(page: Page, house: House, width: int, scheme: str) -> None:
    """The page never scrolls sideways, on a phone or a screen, by day or night."""
    house.management.catalog.append(a_model("somebody/with-a-name-" + "x" * 80, local=False))
    house.management.records.append(a_request())
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(house.url)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_route_unfolds_from_the_keyboard(page: Page, house: House) -> None:
    """The reasons for a route are one key away."""
    house.management.records.append(a_request("r-1"))
    house.management.remembered["r-1"] = a_route("r-1")
    page.goto(house.url)
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("cloud/gpt-4o-mini")).to_be_visible()
    expect(page.get_by_text("it cannot chat")).to_be_visible()


def test_the_page_keeps_itself_fresh(page: Page, house: House) -> None:
    """A new request appears without a reload, and what was unfolded stays so."""
    house.management.records.append(a_request("r-1"))
    page.goto(house.url)
    page.locator("summary").click()
    page.evaluate("document.activeElement.blur()")
    house.management.records.append(a_request("r-2", model=None, outcome="E_NOROUTE"))
    page.clock.run_for(REFRESH_MS)
    expect(page.get_by_text("E_NOROUTE", exact=True)).to_be_visible()
    expect(page.locator("#r-r-1[open]")).to_be_visible()


def test_a_server_that_went_away_is_noticed(page: Page, house: House) -> None:
    """Old figures are marked as old."""
    page.goto(house.url)
    page.route("**/*", lambda route: route.abort("connectionrefused"))
    page.clock.run_for(REFRESH_MS)
    expect(page.get_by_role("status")).to_contain_text("No answer since")


def test_copying(page: Page, house: House) -> None:
    """The button copies exactly the line beside it."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(house.url)
    page.get_by_role("button", name="Copy: http://").click()
    expect(page.get_by_role("button", name="Copy: http://")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "http://127.0.0.1:8484/v1"


def test_without_javascript(browser: Browser, house: House) -> None:
    """Everything is readable and unfolds; only the buttons are missing, and a command stands for what they do."""
    house.management.records.append(a_request("r-1"))
    house.management.runtimes.append(found("ollama", 11434))
    page = browser.new_page(java_script_enabled=False)
    page.goto(house.url)
    page.locator("summary").click()
    expect(page.get_by_text("Attempts", exact=True)).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
    expect(page.get_by_text("roundhouse backends add ollama")).to_be_visible()
    page.close()


def found(name: str, port: int) -> BackendStatus:
    """A backend that nobody configured."""
    return replace(a_backend(name), kind=name, url=f"http://127.0.0.1:{port}", configured=False)


def test_what_was_found_is_kept_by_a_press(page: Page, house: House) -> None:
    """The key is asked for once, is in no storage, and the next press is enough."""
    house.management.runtimes += [found("ollama", 11434), found("lmstudio", 1234)]
    page.goto(house.url)
    page.get_by_role("button", name="Keep ollama").click()
    page.get_by_label("A key that may manage backends").fill(KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove ollama")).to_be_visible()
    page.get_by_role("button", name="Keep lmstudio").click()
    expect(page.get_by_role("button", name="Remove lmstudio")).to_be_visible()
    assert {"ollama", "lmstudio"} == {each.name for each in house.management.runtimes if each.added}
    assert 0 == page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length")
    assert "" == page.locator("#ask-key input").input_value()


def test_a_wrong_key_changes_nothing_and_is_asked_for_again(page: Page, house: House) -> None:
    """The reason stands beside the field."""
    house.management.runtimes.append(found("ollama", 11434))
    page.goto(house.url)
    page.get_by_role("button", name="Keep ollama").click()
    page.get_by_label("A key that may manage backends").fill("rh-wrong")
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    expect(page.get_by_label("A key that may manage backends")).to_be_visible()
    assert not any(each.added for each in house.management.runtimes)


def test_removing_is_asked_about_first(page: Page, house: House) -> None:
    """Who changes his mind has lost nothing."""
    house.management.runtimes += [replace(a_backend(name), added=True) for name in ("box", "rack")]
    page.goto(house.url)
    page.get_by_role("button", name="Remove box").click()
    expect(page.get_by_role("dialog")).to_contain_text("Roundhouse lets go of box")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("button", name="Remove box").click()
    page.get_by_label("A key that may manage backends").fill(KEY)
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("rowheader", name="box")).to_have_count(0)
    assert ["local", "rack"] == [each.name for each in house.management.runtimes]


def test_a_runtime_whose_name_is_taken_is_added_by_a_press(page: Page, house: House) -> None:
    """Under another name."""
    house.management.runtimes.append(a_backend("ollama"))
    house.management.discovered.append(Found("ollama", "ollama", "http://127.0.0.1:11434", "Ollama 0.14.2", ("a",)))
    page.set_extra_http_headers({"authorization": f"Bearer {KEY}"})  # as a proxy would that knows who asks
    page.goto(house.url)
    page.get_by_role("button", name="Add ollama-2").click()
    expect(page.get_by_role("rowheader", name="ollama-2")).to_be_visible()
