"""What is told from headers, against what the real llama.cpp finds when it has loaded them."""

import os
from pathlib import Path

import aiohttp
import pytest

from roundhouse.backends.llamacpp.abilities import abilities_of
from roundhouse.backends.llamacpp.child import Child
from roundhouse.backends.llamacpp.config import ChildConfig
from roundhouse.core.inference import Capability
from roundhouse.library.gguf import read_header
from roundhouse.testing.noise import write_noise

pytestmark = pytest.mark.slow

ENVIRON = dict(os.environ)  # noqa: TID251 - scrubbed on the way
KEY = {"Authorization": "Bearer key"}
PLAIN = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n"
    "{% for call in message.tool_calls or [] %}<tool_call>{{ call | tojson }}</tool_call>{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


@pytest.mark.parametrize(
    "template",
    [
        PLAIN,
        "{% if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools>{% endif %}" + PLAIN,
        "You have no tools. " + PLAIN + "{# tools #}{{ 'tools' }}",
        "{%- if not tools is defined %}{% set tools = none %}{% endif %}{% if tools is not none %}"
        "{% for t in tools %}{{ t | tojson(indent=4) }}{% endfor %}{% endif %}" + PLAIN,
    ],
)
async def test_tools_are_declared_where_llama_cpp_sees_them(tmp_path: Path, template: str) -> None:
    """Reading the template says the same as rendering it."""
    path = write_noise(tmp_path / "noise.gguf", {"tokenizer.chat_template": template})
    child = await Child.start(ChildConfig(str(path), "noise", 512, 1, "key", os.getpid(), threads=1), ENVIRON, 60)
    async with aiohttp.ClientSession() as session, session.get(f"{child.address}/props", headers=KEY) as answer:
        found = (await answer.json())["chat_template_caps"]["supports_tools"]
    await child.stop()
    assert found == (Capability.TOOLS in abilities_of(read_header(path).metadata, None))
