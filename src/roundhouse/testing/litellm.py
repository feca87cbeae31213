"""A real LiteLLM proxy whose models are its own mocks, or another server's. Knows nothing about Roundhouse."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from roundhouse.testing.program import free_port, running

CHAT_MODEL, EMBEDDING_MODEL = "mock/chat", "mock/embedding"
#: Its mocks answer Anthropic's API in one piece whatever is asked for; this one it translates, streams and all.
RELAYED_MODEL = "relayed/echo"
SAYING = "the engine turns slowly"
VECTOR = (0.5, 0.25, -1.0)
KEY = "sk-mock"


@contextmanager
def litellm_proxy(
    python: Path, folder: Path, environ: Mapping[str, str], *, relaying: str | None = None
) -> Iterator[str]:
    """Run the proxy with the interpreter *python* that has it installed; gives its address.

    *relaying* is where a server speaks OpenAI's dialect whose model ``echo`` it is to offer as well.
    """
    models: dict[str, dict[str, object]] = {
        CHAT_MODEL: {"model": "openai/mock", "api_key": "none", "mock_response": SAYING},
        EMBEDDING_MODEL: {"model": "openai/mock-embedding", "api_key": "none", "mock_response": VECTOR},
    }
    if relaying is not None:
        models[RELAYED_MODEL] = {"model": "hosted_vllm/echo", "api_key": "none", "api_base": f"{relaying}/v1"}
    config = folder / "litellm.yaml"
    listed = [{"model_name": name, "litellm_params": parameters} for name, parameters in models.items()]
    # JSON is YAML.
    config.write_text(json.dumps({"model_list": listed, "general_settings": {"master_key": KEY}}), encoding="utf-8")
    port = free_port()
    command = [str(python), "-c", "from litellm import run_server; run_server()"]
    command += ["--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    # Its price list and its telemetry would be fetched over the network.
    offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    url = f"http://127.0.0.1:{port}"
    with running(
        command, f"{url}/health/liveliness", log=folder / "litellm.log", environ={**environ, **offline}, within_s=110.0
    ):
        yield url
