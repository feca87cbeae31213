"""The first page and what goes out with it."""

import html
import re
from dataclasses import dataclass, field, replace

import httpx2
import pytest
from tests.unit.web.conftest import look_at

from roundhouse.access.permissions import Role
from roundhouse.access.principal import Principal
from roundhouse.core.errors import DiskError
from roundhouse.core.views import Found, Status
from roundhouse.testing.management_service import (
    InMemoryManagement,
    a_backend,
    a_model,
    a_request,
    a_route,
    a_transfer,
)
from roundhouse.web import create_web
from roundhouse.web.format import NOTHING

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


async def read(browser: httpx2.AsyncClient) -> str:
    """Read the first page as a person does: one line of text without tags."""
    answer = await browser.get("/")
    assert answer.status_code == 200, answer.text
    words = re.sub(r"<[^>]*>", " ", answer.text.partition("<body>")[2])
    return html.unescape(re.sub(r"\s+", " ", words))


async def test_an_empty_house_says_what_to_do(browser: httpx2.AsyncClient) -> None:
    """With nothing to show, every part names the exact command that fills it."""
    text = await read(browser)
    assert "Every stall is empty" in text
    assert "roundhouse pull hf:" in text
    assert "Nothing else was found on the usual ports: Ollama 11434" in text
    assert (
        'No request yet. The first one shows up here, with the reasons for its route: roundhouse chat auto "hello"'
        in text
    )


async def test_how_to_use_it(browser: httpx2.AsyncClient) -> None:
    """The lines of Python and curl hold the address of this very server."""
    text = await read(browser)
    assert 'base_url="http://127.0.0.1:8484/v1"' in text
    assert "curl http://127.0.0.1:8484/v1/chat/completions" in text


async def test_models(browser: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """Each model shows where it stands and who serves it; those of the library come first."""
    management.catalog += [a_model("gpt", local=False), a_model("acme/tiny:Q4_K_M", loaded=True), a_model("zeta:F16")]
    text = await read(browser)
    assert "3 models, 1 in memory" in text
    assert "1 acme/tiny:Q4_K_M in memory llama · Q4_K_M 1.54B 32k 1.04 GiB local 2 zeta:F16 on disk" in text
    assert "3 gpt remote" in text


async def test_what_is_special_about_a_model_stands_beside_it(
    browser: httpx2.AsyncClient, management: InMemoryManagement
) -> None:
    """Pinned, in quarantine, or waiting for somebody to accept its licence."""
    management.catalog.append(replace(a_model("tiny"), pinned=True, quarantined=True, license_state="needed"))
    text = await read(browser)
    assert all(words in text for words in ("pinned", "in quarantine", "licence not accepted"))


async def test_noise_is_called_noise(browser: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """Nobody takes the bundled model for a real one."""
    management.catalog.append(replace(a_model("roundhouse/noise"), source="bundled"))
    assert "roundhouse/noise only makes noise" in await read(browser)


async def test_estimated_tokens_are_called_so(browser: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """A count that no backend made is not shown as a fact."""
    management.records.append(replace(a_request(), estimated=True))
    assert "about 412 in, 96 out" in await read(browser)


async def test_a_backend_that_became_slow_says_so(browser: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """It answers, and not as it did."""
    management.runtimes = [replace(a_backend("cloud"), degraded=("acme/tiny",))]
    assert "cloud answers, slowly" in await read(browser)


async def test_backends_and_what_was_found(browser: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """A backend that is down says why, in words; what was found but is no backend is told too."""
    management.runtimes.append(a_backend("cloud", ok=False))
    management.discovered.append(Found("ollama", "ollama", "http://127.0.0.1:11434", "Ollama 0.14.2.", ("a", "b")))
    text = await read(browser)
    assert "1 of 2 backends answer" in text
    assert f"cloud down openai-compatible https://cloud.example.com/v1 1 {NOTHING} connection refused" in text
    assert "ollama (ollama) answers at http://127.0.0.1:11434 with 2 models. Ollama 0.14.2." in text


def presses(page: str) -> dict[str, str]:
    """What each button asks of the API, by what it says."""
    found = re.findall(r'data-do="([^"]*)"[^>]*aria-label="([^"]*)"', page)
    return {label: html.unescape(asked) for asked, label in found}


async def test_what_was_found_can_be_kept_and_what_was_added_removed(
    browser: httpx2.AsyncClient, management: InMemoryManagement
) -> None:
    """Nothing else can: what somebody wrote stands in a file of his."""
    found = replace(a_backend("ollama"), url="http://127.0.0.1:11434", configured=False)
    management.runtimes += [found, replace(a_backend("box"), added=True), a_backend("cloud")]
    page = (await browser.get("/")).text
    assert {
        "Keep ollama": "POST /api/v1/backends",
        "Remove box": "DELETE /api/v1/backends/box",
    } == presses(page)
    assert """data-body='{"name": "ollama"}'""" in page
    assert "roundhouse backends add ollama" in page


async def test_a_runtime_that_is_no_backend_can_be_added(
    browser: httpx2.AsyncClient, management: InMemoryManagement
) -> None:
    """By a name that is free, with its kind and its address; without the script by a command."""
    management.runtimes.append(a_backend("vllm"))
    management.discovered.append(Found("vllm", "vllm", "http://127.0.0.1:8000", ""))
    page = (await browser.get("/")).text
    assert {"Add vllm-2": "POST /api/v1/backends"} == presses(page)
    assert """data-body='{"kind": "vllm", "name": "vllm-2", "url": "http://127.0.0.1:8000"}'""" in page
    assert "roundhouse backends add vllm-2 --kind vllm --url http://127.0.0.1:8000" in page


async def test_a_house_without_backends_says_what_to_do(
    browser: httpx2.AsyncClient, management: InMemoryManagement
) -> None:
    """And does not shine green."""
    management.runtimes.clear()
    page = (await browser.get("/")).text
    assert "roundhouse backends add box --url" in page
    assert "Start Ollama, LM Studio" in page
    assert "lamp-ok" not in page


async def test_who_may_not_look_around_is_not_said_to_have_found_nothing() -> None:
    """Nobody looked."""

    class Blind(InMemoryManagement):
        async def status(self) -> Status:
            return replace(await super().status(), looks_around=False)

    async with look_at(Blind(runtimes=[])) as client:
        text = await read(client)
    assert "discovery.enabled is false" in text
    assert "appears here by itself" not in text


@pytest.mark.parametrize(("role", "may"), [(Role.USER, False), (Role.ADMIN, True)])
async def test_a_key_is_only_asked_of_those_who_need_one(
    management: InMemoryManagement,
    role: Role,
    may: bool,  # noqa: FBT001 - a row of the table
) -> None:
    """Behind a proxy that knows who asks, a press is enough."""
    app = create_web(management, lambda _: Principal("ada", role))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8484") as client:
        assert may == ("data-may" in (await client.get("/")).text)


async def test_transfers(browser: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """What is on its way shows how far it is; what failed shows why; what is done is a model."""
    failed = replace(a_transfer("hf:x/y:Q8_0", state="failed"), id="t-2")
    management.pulls += [a_transfer(), failed, replace(a_transfer("hf:old/one", state="done"), id="t-3")]
    text = await read(browser)
    assert "acme/tiny:Q4_K_M downloading 38.1 MiB of 95.4 MiB , 23.8 MiB/s, 2.4 s left" in text
    assert "E_VERIFY: the bytes are not the bytes that were promised" in text
    assert "old/one" not in text


async def test_requests_with_their_routes(browser: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """A request shows who answered, its attempts, and each candidate with its score and reasons."""
    management.records.append(a_request("r-1"))
    management.remembered["r-1"] = a_route("r-1")
    text = await read(browser)
    assert "3 min ago ok auto → local/acme/tiny:Q4_K_M 412 in, 96 out 1.84 s free" in text
    assert "1 local/acme/tiny:Q4_K_M 93 residency 30 latency 24 price 20 errors 10 load 9 in memory, free" in text
    assert "Refused local/acme/embed:F16 it cannot chat" in text


async def test_a_route_that_is_forgotten(browser: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """When the candidates are gone the page says so, and how to ask again."""
    management.records.append(a_request("r-1", model=None, outcome="E_NOROUTE"))
    text = await read(browser)
    assert "E_NOROUTE" in text
    assert (
        "No candidates are on record for this request. Who would serve it now: roundhouse route explain -m auto" in text
    )


async def test_nothing_that_others_wrote_becomes_markup(
    browser: httpx2.AsyncClient, management: InMemoryManagement
) -> None:
    """Names and messages from hubs, backends and clients are text."""
    management.catalog.append(replace(a_model(), name=EVIL, architecture=EVIL))
    management.runtimes.append(replace(a_backend("cloud"), detail=EVIL, url=EVIL, ok=False))
    management.runtimes += [replace(a_backend(EVIL), configured=False), replace(a_backend(EVIL), added=True)]
    management.discovered.append(Found(EVIL, EVIL + "'", EVIL, EVIL))
    management.pulls.append(
        replace(a_transfer(state="failed"), model=EVIL, error={"code": EVIL, "message": EVIL, "hint": EVIL})
    )
    management.records.append(replace(a_request("r-1"), requested=EVIL, outcome=EVIL, id=EVIL))
    page = (await browser.get("/")).text
    assert "<img" not in page
    assert "<script>" not in page


async def test_nothing_is_inline_and_nothing_comes_from_elsewhere(browser: httpx2.AsyncClient) -> None:
    """The policy allows what this server serves, and the page needs nothing else."""
    answer = await browser.get("/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?! src=\"/static/)|(?:src|href)=\"(?![/#])", answer.text)


async def test_a_page_is_small(browser: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """A house of thousands is as quick to look at as one of ten: under 150 KB with style and script."""
    management.catalog += [a_model(f"acme/model-{number:05}:Q4_K_M") for number in range(3000)]
    management.records += [a_request(f"r-{number}") for number in range(100)]
    management.remembered |= {f"r-{number}": a_route() for number in range(100)}
    page = await browser.get("/")
    assets = [await browser.get(path) for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)]
    total = sum(len(answer.content) for answer in (page, *assets))
    assert total < 150_000
    assert "and 2950 more" in page.text


async def test_assets_may_be_kept_for_ever(browser: httpx2.AsyncClient) -> None:
    """Style, script and icon have names that change with their content, and their right types."""
    paths = re.findall(r'(?:href|src)="(/static/[^"]+)"', (await browser.get("/")).text)
    answers = [await browser.get(path) for path in paths]
    assert {answer.headers["content-type"].partition(";")[0] for answer in answers} == {
        "image/svg+xml", "text/css", "text/javascript",
    }  # fmt: skip
    assert all("immutable" in answer.headers["cache-control"] for answer in answers)


async def test_the_page_that_asks_for_a_key_has_its_style(browser: httpx2.AsyncClient) -> None:
    """Whoever is not known sees a page that says so, and nothing of the house; assets are nobody's secret."""
    key = {"x-api-key": "wrong"}
    answer = await browser.get("/", headers=key)
    assert (answer.status_code, "not known here" in answer.text, "Models" in answer.text) == (401, True, False)
    (style,) = re.findall(r'href="(/static/style[^"]+)"', answer.text)
    assert (await browser.get(style, headers=key)).status_code == 200


async def test_a_foreign_host_gets_nothing(browser: httpx2.AsyncClient) -> None:
    """Also not the assets."""
    (style,) = re.findall(r'href="(/static/style[^"]+)"', (await browser.get("/")).text)
    for path in ("/", style):
        assert (await browser.get(path, headers={"host": "evil.example"})).status_code == 403


@pytest.mark.parametrize("path", ["/nothing", "/static/", "/static/../app.py", "/static/style.css", "/%00"])
async def test_unknown_page(browser: httpx2.AsyncClient, path: str) -> None:
    """An address that does not exist is a page that says so."""
    answer = await browser.get(path)
    assert (answer.status_code, "no page at this address" in answer.text) == (404, True)
    assert "made-up" in answer.text


async def test_a_page_can_only_be_looked_at(browser: httpx2.AsyncClient) -> None:
    """Nothing here changes anything."""
    answer = await browser.post("/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@dataclass
class Broken(InMemoryManagement):
    """A house whose state cannot be told."""

    error: Exception = field(default_factory=RuntimeError)

    async def status(self) -> Status:
        """Fail."""
        raise self.error


async def test_a_failure_is_a_page_too() -> None:
    """An error of ours shows its sentence and its hint."""
    async with look_at(Broken(error=DiskError("the disk is read-only", hint="check the mount"))) as browser:
        answer = await browser.get("/")
    assert (answer.status_code, "check the mount" in answer.text) == (507, True)


async def test_a_fault_of_ours_tells_nothing_of_its_inside() -> None:
    """An error that nobody expected is a 500 with an id."""
    async with look_at(Broken(error=RuntimeError("secret detail"))) as browser:
        answer = await browser.get("/")
    assert (answer.status_code, "secret" in answer.text, "made-up" in answer.text) == (500, False, True)
