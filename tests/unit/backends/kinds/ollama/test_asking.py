import json
from base64 import b64encode
from typing import Any

import pytest

from roundhouse.backends.kinds.ollama.asking import Thinker, asked
from roundhouse.core.errors import SchemaError
from roundhouse.core.inference import Operation

HELLO = [{"role": "user", "content": "hello"}]
PICTURE = b64encode(b"\x89PNG").decode()


def sent(
    operation: Operation = Operation.CHAT, thinker: Thinker | None = None, window: int | None = None, **body: object
) -> dict[str, Any]:
    """What Ollama gets for a body."""
    whole = body if operation is not Operation.CHAT else {"messages": HELLO, **body}
    made = asked(operation, json.dumps(whole).encode(), thinker or Thinker())
    result: dict[str, Any] = json.loads(made.body("m", window, None, stream=False))
    return result


def test_options_have_ollamas_names() -> None:
    """Everything that steers the choice of tokens goes under ``options``."""
    body = sent(temperature=0.5, top_p=0.9, seed=7, stop="x", max_tokens=5, repetition_penalty=1.1, window=4096)
    expected = {
        "temperature": 0.5, "top_p": 0.9, "seed": 7, "stop": ["x"], "num_predict": 5, "repeat_penalty": 1.1,
        "num_ctx": 4096,
    }  # fmt: skip
    assert expected == body["options"]


def test_the_newer_limit_of_tokens_wins() -> None:
    """``max_completion_tokens`` replaced ``max_tokens``."""
    assert 3 == sent(max_tokens=9, max_completion_tokens=3)["options"]["num_predict"]


def test_null_is_as_good_as_nothing() -> None:
    """Clients send nulls for what they do not set."""
    assert "options" not in sent(temperature=None, stop=None, tools=None, response_format=None)


def test_nothing_is_to_be_cut_silently() -> None:
    """Ollama is asked to say so when a prompt does not fit, and to end rather than to forget the beginning."""
    body = sent()
    assert [False, False] == [body["truncate"], body["shift"]]


def test_the_context_of_ollamas_own_options_is_a_wish() -> None:
    """It is decided elsewhere, not sent on as it is."""
    made = asked(Operation.CHAT, json.dumps({"messages": HELLO, "options": {"num_ctx": 9000}}).encode(), Thinker())
    assert (9000, False) == (made.window, "num_ctx" in made.options)


def test_clients_cannot_move_a_model() -> None:
    """Ollama would load it anew for everybody."""
    assert {"temperature": 1} == sent(options={"temperature": 1, "num_gpu": 0, "seed": None})["options"]


def test_parts_become_text_and_bare_pictures() -> None:
    """Pictures stand beside the text, without the head of their address."""
    address = {"url": f"data:image/png;base64,{PICTURE}"}
    content = [{"type": "text", "text": "what is"}, {"type": "image_url", "image_url": address}]
    message = sent(messages=[{"role": "user", "content": content}])["messages"][0]
    assert {"role": "user", "content": "what is", "images": [PICTURE]} == message


@pytest.mark.parametrize("url", ["https://pictures.test/a.png", "file:///etc/passwd", "data:image/png,raw", "x,y"])
def test_no_picture_is_fetched(url: str) -> None:
    """Only what is in the request itself."""
    content = [{"type": "image_url", "image_url": {"url": url}}]
    with pytest.raises(SchemaError):
        sent(messages=[{"role": "user", "content": content}])


def test_tool_calls_have_objects_and_results_name_their_tool() -> None:
    """Arguments are objects there, and a result says which tool it is of."""
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    history = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
    ]
    first, second = sent(messages=history)["messages"]
    assert [{"id": "c1", "function": {"name": "add", "arguments": {"a": 1}}}] == first["tool_calls"]
    assert {"role": "tool", "content": "2", "tool_name": "add", "tool_call_id": "c1"} == second


def test_arguments_that_are_no_object_are_refused() -> None:
    """What would be a 500 there is a sentence here."""
    call = {"function": {"name": "add", "arguments": "{oh"}}
    with pytest.raises(SchemaError):
        sent(messages=[{"role": "assistant", "tool_calls": [call]}])


@pytest.mark.parametrize(
    ("choice", "names"),
    [("auto", ["a", "b"]), ("none", None), ({"type": "function", "function": {"name": "b"}}, ["b"])],
)
def test_a_choice_of_tool_is_an_offer_of_tools(choice: object, names: list[str] | None) -> None:
    """Ollama has no ``tool_choice``: what may not be called is not offered."""
    tools = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in "ab"]
    offered = sent(tools=tools, tool_choice=choice).get("tools")
    assert names == (offered and [tool["function"]["name"] for tool in offered])


def test_a_schema_is_the_format() -> None:
    """The schema itself, without what OpenAI wraps it in."""
    form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}}}
    assert [{"type": "object"}, "json"] == [
        sent(response_format=form)["format"],
        sent(response_format={"type": "json_object"})["format"],
    ]


@pytest.mark.parametrize(
    ("body", "thinker", "expected"),
    [
        ({"reasoning_effort": "high"}, Thinker(), None),
        ({"reasoning_effort": "high"}, Thinker(thinks=True), True),
        ({"reasoning_effort": "none"}, Thinker(thinks=True), False),
        ({"think": False}, Thinker(thinks=True), False),
        ({"reasoning": {"effort": "low"}}, Thinker(thinks=True, family="gptoss"), "low"),
        ({"reasoning_effort": "none"}, Thinker(thinks=True, family="gptoss"), "low"),
        ({}, Thinker(thinks=True), None),
    ],
)
def test_thinking_is_asked_for_in_the_models_words(body: dict[str, Any], thinker: Thinker, expected: object) -> None:
    """A switch, or a level where the family has levels; nothing where it cannot think."""
    assert expected == sent(thinker=thinker, **body).get("think")


def test_thoughts_of_former_turns_go_along() -> None:
    """Some models need them between tool calls."""
    history = [{"role": "assistant", "content": "4", "reasoning_content": "2+2"}, *HELLO]
    assert "2+2" == sent(messages=history)["messages"][0]["thinking"]


def test_a_developer_is_the_system() -> None:
    """Ollama does not know the newer name."""
    assert "system" == sent(messages=[{"role": "developer", "content": "be brief"}])["messages"][0]["role"]


def test_a_completion_goes_on_with_the_very_text() -> None:
    """No template around it."""
    body = sent(Operation.COMPLETION, prompt=["once"])
    assert ("once", True) == (body["prompt"], body["raw"])


def test_a_gap_is_filled_by_the_models_template() -> None:
    """Only that knows how the model marks a gap."""
    body = sent(Operation.COMPLETION, prompt="a", suffix="c")
    assert ("c", False) == (body["suffix"], "raw" in body)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (Operation.CHAT, {}),
        (Operation.CHAT, {"messages": []}),
        (Operation.CHAT, {"messages": "hello"}),
        (Operation.CHAT, {"messages": HELLO, "n": 2}),
        (Operation.CHAT, {"messages": HELLO, "max_tokens": "many"}),
        (Operation.CHAT, {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}),
        (Operation.COMPLETION, {"prompt": ["a", "b"]}),
        (Operation.COMPLETION, {"prompt": [1, 2]}),
        (Operation.COMPLETION, {}),
    ],
)
def test_what_ollama_has_no_word_for_is_refused(operation: Operation, body: dict[str, Any]) -> None:
    """Rather than dropped."""
    with pytest.raises(SchemaError):
        asked(operation, json.dumps(body).encode(), Thinker())
