import pytest

from roundhouse.backends.kinds.mlx.abilities import abilities_of
from roundhouse.core.inference import Capability

CHAT, TOOLS, THINKING = Capability.CHAT, Capability.TOOLS, Capability.THINKING
#: The parts of real templates that matter here.
QWEN_2_5 = "{% if tools %}{{ tools }}{% endif %}<tool_call>{{ tool_call.name }}</tool_call>"
QWEN_3 = QWEN_2_5 + "{% if enable_thinking is false %}<think>{% endif %}"
QWEN_3_CODER = "{% if tools %}{% endif %}{{ '<tool_call>\\n<function=' }}"
MISTRAL = '{% if tools is not none %}[AVAILABLE_TOOLS]{% endif %}{{ "[TOOL_CALLS]" }}'
LLAMA_3_1 = "{% if tools is not none %}{{ tools | tojson }}{% endif %}<|python_tag|>"
GEMMA_2 = "{% for message in messages %}<start_of_turn>{{ message.content }}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "more"),
    [
        (QWEN_2_5, {TOOLS}),
        (QWEN_3, {TOOLS, THINKING}),
        (QWEN_3_CODER, {TOOLS}),
        (MISTRAL, {TOOLS}),
        # Its template takes tools, but mlx_lm does not know how it calls them.
        (LLAMA_3_1, set()),
        (GEMMA_2, set()),
        ("{% if", set()),
        ("[TOOL_CALLS]", set()),
    ],
)
def test_what_a_template_makes_of_a_model(template: str, more: set[Capability]) -> None:
    """Tools only where mlx_lm.server would make calls of what it says."""
    assert {Capability.COMPLETION, CHAT} | more == abilities_of(template)


def test_without_a_template_it_only_goes_on_writing() -> None:
    """It cannot know where a turn ends."""
    assert {Capability.COMPLETION} == abilities_of(None)
