"""What a model of MLX can do at mlx_lm.server, told from its chat template. Pure; knows nothing about files.

mlx_lm.server takes tools for any model and drops them for one whose way of calling them it does not know; a template
whose marks are not among its own would get an answer that only looks like a call.
"""

from __future__ import annotations

from roundhouse.backends.wire.templates import read_template
from roundhouse.core.inference import Capability

_WRITER = frozenset({Capability.COMPLETION})
#: What mlx_lm tells ways of calling tools by: all of a line are in the template.
_CALLS = (
    ("<minimax:tool_call>",),
    ("<|tool_call>", "<tool_call|>"),
    ("<start_function_call>",),
    ("<longcat_tool_call>",),
    ("<arg_key>",),
    ("<|tool_list_start|>",),
    ("<|tool_call_start|>",),
    ("<tool_call>\\n<function=",),
    ("<tool_call>\n<function=",),
    ("<|tool_calls_section_begin|>",),
    ('<function name="', '<param name="'),
    ("[TOOL_CALLS]",),
    ("<tool_call>", "tool_call.name"),
)


def abilities_of(template: str | None) -> frozenset[Capability]:
    """What a model with that chat template can do; without one it cannot know where a turn ends."""
    if template is None:
        return _WRITER
    said = read_template(template)
    calls = said.takes_tools and any(all(mark in template for mark in way) for way in _CALLS)
    more = {Capability.TOOLS: calls, Capability.THINKING: said.thinks}
    return _WRITER | {Capability.CHAT} | {ability for ability, has_it in more.items() if has_it}
