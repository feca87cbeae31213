"""README's first screen, on a clone that nobody prepared: `make up`, then the openai SDK."""

import subprocess

import httpx2
import openai
import pytest
from tests.e2e.conftest import Running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500), pytest.mark.xdist_group("clone")]


@pytest.fixture
def client(make_up: Running) -> openai.OpenAI:
    """The SDK as README shows it."""
    return openai.OpenAI(base_url=f"{make_up.url}/v1", api_key="none")


def test_up_says_where_it_listens_and_that_the_model_is_noise(make_up: Running) -> None:
    """The first screen gives the address, tells the truth about the bundled model, and names the next command."""
    words = make_up.log.read_text()
    assert make_up.url in words
    assert "only makes noise" in words
    assert "pull hf:" in words


def test_chat(client: openai.OpenAI) -> None:
    """A whole chat answer comes from the real llama.cpp."""
    answer = client.chat.completions.create(
        model="roundhouse/noise", messages=[{"role": "user", "content": "hello"}], max_tokens=8
    )
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


def test_streamed_chat(client: openai.OpenAI) -> None:
    """A streamed answer comes in pieces and ends with a finish reason."""
    pieces = list(
        client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "hello"}], max_tokens=8, stream=True
        )
    )
    assert len(pieces) > 2
    assert pieces[-1].choices[0].finish_reason in {"stop", "length"}


def test_embeddings(client: openai.OpenAI) -> None:
    """The SDK's default (base64) comes back as floats."""
    answer = client.embeddings.create(model="roundhouse/noise", input=["hello", "engine"])
    assert [len(item.embedding) for item in answer.data] == [64, 64]


def test_the_command_of_the_first_screen(make_up: Running) -> None:
    """`roundhouse chat` of the clone's own command answers."""
    done = make_up.cli("chat", "roundhouse/noise", "hello")
    assert (done.returncode, bool(done.stdout.strip())) == (0, True), done.stderr


def test_page(make_up: Running) -> None:
    """The first page names the model that is there."""
    page = httpx2.get(make_up.url)
    assert page.status_code == 200
    assert "roundhouse/noise" in page.text


def test_sigterm_drains_and_exits(make_up: Running) -> None:
    """SIGTERM ends a second instance of the clone's command in less than five seconds."""
    home = make_up.home.parent / "second"
    env = make_up.env | {"ROUNDHOUSE_HOME": str(home)}
    from_clone = subprocess.Popen([make_up.command, "up", "--port", "0"], env=env, stderr=subprocess.PIPE)
    assert from_clone.stderr is not None
    for line in from_clone.stderr:
        if b"http://127.0.0.1:" in line:
            break
    from_clone.terminate()
    assert from_clone.wait(timeout=5) == 0
    from_clone.stderr.close()
