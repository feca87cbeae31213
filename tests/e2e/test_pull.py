"""From a hub to the disk to a real llama.cpp to the openai SDK, with the installed command."""

import asyncio
import hashlib
import json
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import openai
import pytest
from tests.e2e.conftest import ROOT, Running, clean_env, start, stop, wait_for

from roundhouse.testing.gguf import a_gguf
from roundhouse.testing.hub import Hub
from roundhouse.testing.hub_faults import FaultKind
from roundhouse.testing.program import free_port
from roundhouse.testing.registry_push import OLLAMA, Layer, push

pytestmark = pytest.mark.slow

NOISE = ROOT / "src" / "roundhouse" / "assets" / "noise.gguf"
FULL = os.environ.get("ROUNDHOUSE_FAULTS") == "full"  # noqa: TID251 - steers the tests, not the product
KILLS = 20 if FULL else 3
MIB = 1 << 20


def test_a_model_from_a_hub_chats_streams_and_embeds(hub: Hub, up: Callable[..., Running], database_url: str) -> None:
    """What `pull` registered is served at once, under the name that `pull` printed, on either database."""
    hub.add("tiny/noise-GGUF", {"noise-F16.gguf": NOISE})
    running = up(downloads__endpoint=hub.endpoint, storage__database_url=database_url)
    pulled = running.cli("pull", "hf:tiny/noise-GGUF", "--json")
    assert pulled.returncode == 0, pulled.stderr
    model = json.loads(pulled.stdout)["model"]
    assert model == "tiny/noise-GGUF:F16"
    client = openai.OpenAI(base_url=f"{running.url}/v1", api_key="none")
    prompt: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
    assert client.chat.completions.create(model=model, messages=prompt, max_tokens=4).choices[0].message.content
    assert list(client.chat.completions.create(model=model, messages=prompt, max_tokens=4, stream=True))
    assert len(client.embeddings.create(model="tiny/noise-GGUF", input="hello").data[0].embedding) == 64


def test_a_model_from_a_registry_chats(docker_registry: str, up: Callable[..., Running]) -> None:
    """Pushed to a real one as `ollama push` does, pulled by host, owner, name and tag, and served."""
    layers = [Layer(f"{OLLAMA}license", b"Apache License"), Layer(f"{OLLAMA}model", NOISE.read_bytes())]
    asyncio.run(push(docker_registry, "tiny/noise", "f16", layers))
    running = up()
    pulled = running.cli(
        "pull", f"ollama:{docker_registry.removeprefix('http://')}/tiny/noise:f16", "--accept-license", "--json"
    )
    assert pulled.returncode == 0, pulled.stderr
    client = openai.OpenAI(base_url=f"{running.url}/v1", api_key="none")
    prompt: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
    answer = client.chat.completions.create(model="tiny/noise:f16", messages=prompt, max_tokens=4)
    assert answer.choices[0].message.content
    shown = json.loads(running.cli("models", "show", "tiny/noise", "--json").stdout)
    assert ["noise.gguf", "license"] == [file["name"] for file in shown["files"]]


def test_a_wrong_digest_is_refused_and_nothing_is_registered(hub: Hub, up: Callable[..., Running]) -> None:
    """Bytes that are not the promised ones end with exit code 6, and no model."""
    hub.add("tiny/wrong-GGUF", {"wrong-Q4_K_M.gguf": a_gguf(bytes(1 << 20))})
    fault = hub.plant(FaultKind.WRONG_BYTES, times=100)
    running = up(downloads__endpoint=hub.endpoint)
    pulled = running.cli("pull", "hf:tiny/wrong-GGUF")
    assert (fault.fired > 0, pulled.returncode) == (True, 6), pulled.stderr
    assert "E_VERIFY" in pulled.stderr
    listed = json.loads(running.cli("models", "ls", "--json").stdout)
    assert ["roundhouse/noise"] == [model["name"] for model in listed["models"]]


@pytest.mark.timeout(60 + 30 * KILLS)
def test_kill_9_of_the_server_during_a_pull(hub: Hub, tmp_path: Path) -> None:
    """Every pull that a SIGKILL interrupts is finished by the next start, with the right bytes."""
    dice = random.Random(20_26)
    hub.bytes_per_s = 24 * MIB
    right = interrupted = 0
    for number in range(KILLS):
        content = a_gguf(dice.randbytes(24 * MIB))
        hub.add(f"tiny/model-{number}", {f"model-{number}-Q4_K_M.gguf": content})
        right += _pull_through_a_kill(hub, tmp_path / f"home-{number}", number, dice.uniform(0.05, 0.9))
        interrupted += 1
        digest = hashlib.sha256(content).hexdigest()
        blob = tmp_path / f"home-{number}" / "library" / "blobs" / f"sha256-{digest}"
        assert digest == hashlib.sha256(blob.read_bytes()).hexdigest()
    print(f"kill -9 of the server during a pull: {interrupted} kills, {right} right digests")
    assert (KILLS, KILLS) == (interrupted, right)


def _pull_through_a_kill(hub: Hub, home: Path, number: int, share: float) -> bool:
    """Start a pull, kill the server after *share* of its bytes, start again, wait for the end; whether it verifies."""
    running = _up(hub, home)
    transfer = json.loads(running.cli("pull", f"hf:tiny/model-{number}", "--detach", "--json").stdout)["id"]
    before = hub.bytes_sent
    wait_for(lambda: hub.bytes_sent - before > share * 24 * MIB, 30, running.log.read_text)
    os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait()
    (home / "run" / "server.json").unlink()
    again = _up(hub, home)

    def state() -> str:
        listed = json.loads(again.cli("downloads", "ls", "--json").stdout)["transfers"]
        return str(next(each["state"] for each in listed if each["id"] == transfer))

    wait_for(lambda: state() in {"done", "failed"}, 60, again.log.read_text)
    verified = again.cli("models", "verify", f"tiny/model-{number}", "--json")
    stop(again)
    return verified.returncode == 0 and state_is_done(verified.stdout)


def state_is_done(output: str) -> bool:
    """Whether `models verify --json` said that all bytes are right."""
    return bool(json.loads(output)["ok"])


def _up(hub: Hub, home: Path) -> Running:
    env = clean_env(home) | {"ROUNDHOUSE_DOWNLOADS__ENDPOINT": hub.endpoint}
    return start([str(ROOT / ".venv/bin/roundhouse"), "up", "--port", str(free_port())], ROOT, home, env, seconds=60)


def test_what_is_browsed_can_be_pulled(hub: Hub, up: Callable[..., Running]) -> None:
    """The reference that `models browse` shows for a variant is one that `pull` takes."""
    hub.add("tiny/noise-GGUF", {"noise-F16.gguf": NOISE}, license="apache-2.0")
    running = up(downloads__endpoint=hub.endpoint)
    browsed = running.cli("models", "browse", "noise", "--owner", "tiny", "--json")
    assert browsed.returncode == 0, browsed.stderr
    (offer,) = json.loads(browsed.stdout)["offers"]
    (variant,) = offer["variants"]
    assert (NOISE.stat().st_size, True, "apache-2.0") == (variant["size"], variant["fits"], offer["license"])
    pulled = running.cli("pull", variant["ref"], "--json")
    assert "tiny/noise-GGUF:F16" == json.loads(pulled.stdout)["model"]
