import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.llamacpp.abilities import abilities_of
from roundhouse.core.inference import Capability
from roundhouse.library.gguf import Scalar

PLAIN = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
TALKER = {Capability.CHAT, Capability.COMPLETION, Capability.EMBEDDING, Capability.JSON_SCHEMA}
EYES: dict[str, Scalar] = {"general.architecture": "clip", "clip.has_vision_encoder": True}
EARS: dict[str, Scalar] = {"general.architecture": "clip", "clip.has_audio_encoder": True}


def with_template(template: str, **further: Scalar) -> dict[str, Scalar]:
    """The header of a model that chats by *template*."""
    return {"general.architecture": "llama", "tokenizer.chat_template": template, **further}


@pytest.mark.parametrize(
    ("template", "added"),
    [
        (PLAIN, set()),
        (PLAIN + "{% if tools %}{{ tools | tojson }}{% endif %}", {Capability.TOOLS}),
        (PLAIN + "{%- if tools is defined -%}x{%- endif -%}", {Capability.TOOLS}),
        ("You have no tools. " + PLAIN + "{{ 'tools' }}{# tools #}", set()),
        (PLAIN + "{% if enable_thinking is false %}<think></think>{% endif %}", {Capability.THINKING}),
        (PLAIN + "{% if add_generation_prompt %}assistant:<think>\n{% endif %}", {Capability.THINKING}),
        (PLAIN + "{{ '[THINK]' }}", {Capability.THINKING}),
        (PLAIN + "{{ 'Reasoning: ' + reasoning_effort }}", {Capability.THINKING}),
        (PLAIN + "{{ messages[0].reasoning_content }}", {Capability.THINKING}),
        (PLAIN + "{% generation %}{{ tools }}{% endgeneration %}", {Capability.TOOLS}),
        (PLAIN + "{% if tools %}{{ ` }}", set()),
        ("x" * (1 << 20) + "{{ tools }}", set()),
    ],
)
def test_the_template_tells(template: str, added: set[Capability]) -> None:
    """What it uses, not what it is about; one that cannot be read tells nothing."""
    assert TALKER | added == abilities_of(with_template(template), None)


def test_a_template_of_its_own_for_tools_tells_too() -> None:
    """llama.cpp takes it when a request brings tools."""
    header = with_template(PLAIN, **{"tokenizer.chat_template.tool_use": "{{ tools }}"})
    assert Capability.TOOLS in abilities_of(header, None)


@pytest.mark.parametrize(("projector", "sees"), [(None, False), (EYES, True), (EARS, False), ({}, False)])
def test_only_eyes_see(projector: dict[str, Scalar] | None, *, sees: bool) -> None:
    """Without a projector, or with one that only hears, there is no vision."""
    assert sees == (Capability.VISION in abilities_of(with_template(PLAIN), projector))


@pytest.mark.parametrize(
    ("architecture", "pooling", "expected"),
    [
        ("bert", None, {Capability.EMBEDDING}),
        ("bert", 2, {Capability.EMBEDDING}),
        ("bert", 4, {Capability.RERANK}),
        ("qwen3", 3, {Capability.EMBEDDING}),
        ("qwen3", 4, {Capability.RERANK}),
        ("qwen3", 0, TALKER),
        ("qwen3", "4", TALKER),
    ],
)
def test_the_pooling_tells(architecture: str, pooling: Scalar | None, expected: set[Capability]) -> None:
    """A file that says how it embeds, or that it ranks, was made for that."""
    header = with_template(PLAIN) | {"general.architecture": architecture}
    header |= {} if pooling is None else {f"{architecture}.pooling_type": pooling}
    assert expected == abilities_of(header, EYES if expected == TALKER else None) - {Capability.VISION}


def test_without_a_template_it_only_writes_on() -> None:
    """It cannot know where a turn ends, whatever lies beside it."""
    header: dict[str, Scalar] = {"general.architecture": "llama"}
    assert {Capability.COMPLETION, Capability.EMBEDDING} == abilities_of(header, EYES)


@given(st.text(alphabet="{}%#-'\"`tools \n|()", max_size=200), st.dictionaries(st.text(), st.integers() | st.text()))
def test_no_template_is_too_odd(template: str, further: dict[str, Scalar]) -> None:
    """Whatever a file says, it is at least what it seems."""
    assert abilities_of({**further, **with_template(template or "x")}, further) >= TALKER
