"""OpenAI's requests in Google's words."""

import json
from typing import Any

import pytest

from roundhouse.backends.kinds.gemini.asking import asked
from roundhouse.backends.kinds.gemini.models import known
from roundhouse.core.errors import SchemaError
from roundhouse.core.inference import Operation

USER = {"role": "user", "content": "hi"}
HI = {"role": "user", "parts": [{"text": "hi"}]}
PIXEL = "data:image/png;base64,AAAA"


def made(model: str = "gemini-2.5-flash", operation: Operation = Operation.CHAT, **fields: Any) -> dict[str, Any]:
    """What is sent for these fields."""
    body = {"model": "auto", **({"messages": [USER]} if operation is Operation.CHAT else {}), **fields}
    heeded = known(model)
    found: dict[str, Any] = json.loads(asked(operation, json.dumps(body).encode(), heeded.thinker, heeded.hearer)[0])
    return found


def config(model: str = "gemini-2.5-flash", **fields: Any) -> dict[str, Any]:
    """What is said about how to answer."""
    found: dict[str, Any] = made(model, **fields).get("generationConfig", {})
    return found


def contents(*messages: dict[str, Any], model: str = "gemini-2.5-flash") -> list[dict[str, Any]]:
    """What is said by whom."""
    found: list[dict[str, Any]] = made(model, messages=list(messages))["contents"]
    return found


def parts_of(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    """What one message of the user is made of."""
    found: list[dict[str, Any]] = contents({"role": "user", "content": list(parts)})[0]["parts"]
    return found


def function(name: str = "look", **fields: Any) -> dict[str, Any]:
    """A tool."""
    return {"type": "function", "function": {"name": name, **fields}}


def test_the_plainest_request_says_nothing_more() -> None:
    """Google's own defaults hold."""
    assert {"contents": [HI]} == made()


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("temperature", 0.5, {"temperature": 0.5}),
        ("top_p", 0.9, {"topP": 0.9}),
        ("top_k", 40, {"topK": 40}),
        ("seed", 7, {"seed": 7}),
        ("n", 2, {"candidateCount": 2}),
        ("presence_penalty", 1, {"presencePenalty": 1}),
        ("frequency_penalty", -1, {"frequencyPenalty": -1}),
        ("max_tokens", 5, {"maxOutputTokens": 5}),
        ("max_completion_tokens", 6, {"maxOutputTokens": 6}),
        ("stop", "end", {"stopSequences": ["end"]}),
        ("stop", ["a", "b"], {"stopSequences": ["a", "b"]}),
        ("stop", [], {}),
        ("logprobs", True, {"responseLogprobs": True}),
        ("logprobs", False, {}),
        ("response_format", {"type": "text"}, {}),
        ("response_format", {"type": "json_object"}, {"responseMimeType": "application/json"}),
        ("media_resolution", "MEDIA_RESOLUTION_LOW", {"mediaResolution": "MEDIA_RESOLUTION_LOW"}),
        ("thinking_config", {"thinkingBudget": 5}, {"thinkingConfig": {"thinkingBudget": 5}}),
        ("temperature", None, {}),
    ],
)
def test_each_parameter_has_its_word(field: str, value: Any, expected: dict[str, Any]) -> None:
    """As Google's reference has them."""
    assert expected == config(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user", "me"),
        ("metadata", {"room": "shed"}),
        ("store", True),
        ("service_tier", "auto"),
        ("prompt_cache_key", "x"),
        ("prediction", {"type": "content", "content": "x"}),
        ("stream_options", {"include_usage": True}),
        ("parallel_tool_calls", True),
        ("modalities", ["text"]),
        ("logit_bias", {}),
        ("functions", []),
        ("min_p", None),
        ("best_of", 1),
    ],
)
def test_what_changes_nothing_is_dropped(field: str, value: Any) -> None:
    """Bookkeeping, hints, and what happens anyway."""
    assert {"contents": [HI]} == {name: made for name, made in made(**{field: value}).items() if made}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("logit_bias", {"50256": -100}),
        ("min_p", 0.1),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "alloy"}),
        ("functions", [{"name": "x"}]),
        ("web_search_options", {"a": 1}),
        ("verbosity", "low"),
        ("best_of", 2),
        ("reasoning_effort", "maximal"),
        ("stop", ["1", "2", "3", "4", "5", "6"]),
        ("tool_choice", "sometimes"),
        ("n", 0),
        ("nobody_knows", 1),
    ],
)
def test_what_would_change_the_answer_is_refused_by_its_name(field: str, value: Any) -> None:
    """Dropping it would be a lie."""
    with pytest.raises(SchemaError, match=rf"\b{field}\b"):
        made(tools=[function()], **{field: value})


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b'{"messages":1}', b'{"messages":[1]}', b'{"messages":[]}', b"{}", b'{"messages":[{}]}',
        b"[" * 100_000, b'{"messages":[{"role":"user","content":"hi"}],"n":"two"}',
        b'{"messages":[{"role":"user","content":"hi"}],"extra_body":{"google":1}}',
        b'{"messages":[{"role":"nobody","content":"hi"}]}',
        b'{"messages":[{"role":"user","content":[{"type":"smell"}]}]}',
        b'{"messages":[{"role":"tool","tool_call_id":"x","content":"hi"}]}',
        b'{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"x","arguments":"[1"}}]}]}',
        b'{"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"custom","custom":{"name":"x"}}]}',
        b'{"messages":[{"role":"user","content":"hi"}],"response_format":{"type":"grammar"}}',
        b'{"messages":[{"role":"user","content":[{"type":"file","file":{}}]}]}',
        b'{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-abc"}}]}]}',
        b'{"messages":[{"role":"user","content":"hi"}],"tools":[{"function":{"name":"x"}}],"tool_choice":{"type":"custom"}}',
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(body: bytes) -> None:
    """With an error of ours, whatever it is."""
    heeded = known("gemini-3-pro")
    with pytest.raises(SchemaError):
        asked(Operation.CHAT, body, heeded.thinker, heeded.hearer)


def test_system_messages_stand_beside() -> None:
    """All of them, whatever they are called."""
    sent = made(messages=[{"role": "system", "content": "a"}, USER, {"role": "developer", "content": "b"}])
    assert {"parts": [{"text": "a"}, {"text": "b"}]} == sent["systemInstruction"]
    assert [HI] == sent["contents"]


def test_a_gemma_hears_them_from_the_user() -> None:
    """It has no word for them; nor has a conversation of nothing else."""
    system = {"role": "system", "content": "be kind"}
    assert [{"role": "user", "parts": [{"text": "be kind"}, {"text": "hi"}]}] == contents(system, USER, model="gemma-3")
    assert [{"role": "user", "parts": [{"text": "be kind"}]}] == contents(system)


def test_who_speaks_twice_is_one() -> None:
    """And who says nothing is nobody: an empty content is refused."""
    said = contents(USER, {"role": "assistant", "content": ""}, {"role": "user", "content": "there"})
    assert [{"role": "user", "parts": [{"text": "hi"}, {"text": "there"}]}] == said


def test_a_refusal_was_said_too() -> None:
    """It is what the model answered."""
    said = contents(USER, {"role": "assistant", "content": None, "refusal": "no"})
    assert {"role": "model", "parts": [{"text": "no"}]} == said[1]


def test_no_tools_are_none() -> None:
    """An empty list of them is nothing to choose from."""
    assert {"contents": [HI]} == made(tools=[], tool_choice="auto")


def test_an_empty_text_is_no_part() -> None:
    """It would be refused."""
    assert [{"text": "x"}] == parts_of({"type": "text", "text": ""}, {"type": "text", "text": "x"})


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "image_url", "image_url": {"url": PIXEL}}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
        ({"type": "input_image", "image_url": PIXEL}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
        (
            {"type": "image_url", "image_url": {"url": "https://h/a.jpg?x=1"}},
            {"fileData": {"fileUri": "https://h/a.jpg?x=1", "mimeType": "image/jpeg"}},
        ),
        (
            {"type": "video_url", "video_url": {"url": "https://h/watch"}},
            {"fileData": {"fileUri": "https://h/watch"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
        ),
        (
            {"type": "file", "file": {"file_data": "AAAA", "filename": "a.txt"}},
            {"inlineData": {"mimeType": "text/plain", "data": "AAAA"}},
        ),
        ({"type": "file", "file": {"file_id": "https://g/files/1"}}, {"fileData": {"fileUri": "https://g/files/1"}}),
    ],
)
def test_what_is_no_text_goes_along(part: dict[str, Any], expected: dict[str, Any]) -> None:
    """Pictures, films, sound and documents."""
    assert [expected] == parts_of(part)


@pytest.mark.parametrize("address", ["http://h/a.png", "file:///etc/passwd", "data:image/png,AAAA", "data:", "a.png"])
def test_an_address_that_nobody_could_open_is_refused(address: str) -> None:
    """Roundhouse opens none, and Google only some."""
    with pytest.raises(SchemaError, match="a picture or film must be"):
        parts_of({"type": "image_url", "image_url": {"url": address}})


def test_parallel_calls_get_their_results_in_one_content() -> None:
    """Google counts them; what is an object stays one, and text becomes one."""
    calls = [{"id": str(number), "function": {"name": f"f{number}", "arguments": '{"x":1}'}} for number in range(2)]
    said = contents(
        USER,
        {"role": "assistant", "content": "looking", "tool_calls": calls, "reasoning_content": "hm"},
        {"role": "tool", "tool_call_id": "1", "content": '{"found": [1]}'},
        {"role": "tool", "tool_call_id": "0", "content": [{"type": "text", "text": "{oops"}]},
    )
    called = [{"functionCall": {"name": f"f{number}", "args": {"x": 1}, "id": str(number)}} for number in range(2)]
    assert {"role": "model", "parts": [{"text": "looking"}, *called]} == said[1]
    responses = [("f1", "1", {"found": [1]}), ("f0", "0", {"output": "{oops"})]
    parts = [{"functionResponse": {"name": name, "id": id_, "response": what}} for name, id_, what in responses]
    assert {"role": "user", "parts": parts} == said[2]


def test_arguments_may_be_empty() -> None:
    """Clients write nothing where there are none."""
    said = contents(
        USER, {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": ""}}]}
    )
    assert {} == said[1]["parts"][0]["functionCall"]["args"]


@pytest.mark.parametrize(("model", "signed"), [("gemini-2.5-pro", False), ("gemini-3-pro", True), ("gemma-3", False)])
def test_only_newer_models_are_told_of_a_lost_signature(model: str, *, signed: bool) -> None:
    """And only at the first of several calls, where it would stand."""
    calls = [{"id": str(number), "function": {"name": "f", "arguments": "{}"}} for number in range(2)]
    parts = contents(USER, {"role": "assistant", "tool_calls": calls}, model=model)[1]["parts"]
    assert [signed, False] == ["thoughtSignature" in part for part in parts]


def test_the_signature_of_a_text_stands_on_its_last_part() -> None:
    """Where Google's own OpenAI dialect has it."""
    extra = {"google": {"thought_signature": "s"}}
    said = contents(USER, {"role": "assistant", "content": "hello", "extra_content": extra})
    assert [{"text": "hello", "thoughtSignature": "s"}] == said[1]["parts"]


def test_tools_are_functions_with_json_schema() -> None:
    """In the field that ignores what Google does not know; without parameters there is none."""
    schema = {"type": "object", "properties": {"a": {"type": "integer", "exclusiveMinimum": 0}}, "$schema": "x"}
    sent = made(tools=[function(description="d", parameters=schema, strict=True), function("stop", parameters=None)])
    declared = [{"name": "look", "description": "d", "parametersJsonSchema": schema}, {"name": "stop"}]
    assert [{"functionDeclarations": declared}] == sent["tools"]
    assert "toolConfig" not in sent


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", None),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "a"}}, {"mode": "ANY", "allowedFunctionNames": ["a"]}),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [function("b")]}},
            {"mode": "ANY", "allowedFunctionNames": ["b"]},
        ),
    ],
)
def test_which_tool_to_call_can_be_said(choice: object, expected: object) -> None:
    """As OpenAI says it."""
    sent = made(tools=[function("a"), function("b")], tool_choice=choice)
    assert expected == sent.get("toolConfig", {}).get("functionCallingConfig")


def test_what_may_not_be_called_is_not_offered() -> None:
    """Google only limits names together with the duty to call one."""
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [function("b")]}}
    sent = made(tools=[function("a"), function("b")], tool_choice=allowed)
    assert [{"functionDeclarations": [{"name": "b"}]}] == sent["tools"]


def test_one_call_at_a_time_can_only_be_promised_of_one_tool() -> None:
    """Google has no word for it."""
    assert "tools" in made(tools=[function()], parallel_tool_calls=False)
    with pytest.raises(SchemaError, match="parallel_tool_calls"):
        made(tools=[function("a"), function("b")], parallel_tool_calls=False)


def test_a_schema_of_the_answer_keeps_its_constants() -> None:
    """As an enum of one, for Google does not know ``const``; a property of that name is none."""
    schema = {
        "type": "object",
        "properties": {"const": {"const": "a"}, "b": {"enum": [{"const": 1}]}},
        "anyOf": [{"const": 2}],
    }
    made_of = {
        "type": "object",
        "properties": {"const": {"enum": ["a"]}, "b": {"enum": [{"const": 1}]}},
        "anyOf": [{"enum": [2]}],
    }
    form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    assert {"responseMimeType": "application/json", "responseJsonSchema": made_of} == config(response_format=form)


def test_a_schema_has_a_bottom() -> None:
    """Nobody can make us dig for ever."""
    schema: dict[str, Any] = {"const": 1}
    for _ in range(200):
        schema = {"items": schema}
    with pytest.raises(SchemaError, match="nested"):
        made(tools=[function(parameters=schema)])


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        ("gemini-2.5-pro", "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-flash", "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        ("gemini-2.5-flash", "xhigh", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-3-flash-preview", "none", {"thinkingLevel": "minimal"}),
        ("gemini-3.1-pro-preview", "minimal", {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-flash-latest", "high", {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemma-3-27b-it", "high", None),
    ],
)
def test_how_long_to_think_is_said_as_the_model_takes_it(model: str, effort: str, expected: object) -> None:
    """By the table of Google's own OpenAI dialect."""
    assert expected == config(model, reasoning_effort=effort).get("thinkingConfig")


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        ({"effort": "low"}, {"thinkingBudget": 1024, "includeThoughts": True}),
        ({"effort": "low", "exclude": True}, {"thinkingBudget": 1024}),
        ({"max_tokens": 99}, {"thinkingBudget": 99, "includeThoughts": True}),
        ({"enabled": True}, {"includeThoughts": True}),
        ({"enabled": False}, {"thinkingBudget": 0}),
        ({}, None),
    ],
)
def test_so_is_the_other_way_to_say_it(reasoning: dict[str, Any], expected: object) -> None:
    """OpenRouter's."""
    assert expected == config(reasoning=reasoning).get("thinkingConfig")


def test_googles_own_words_go_along() -> None:
    """At the top, or where its OpenAI dialect has them."""
    settings = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]
    assert settings == made(safety_settings=settings)["safetySettings"]
    assert settings == made(extra_body={"google": {"safetySettings": settings}})["safetySettings"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prompt": ["a", "b"]}, "one prompt at a time"),
        ({"prompt": [1, 2]}, "not what it should be"),
        ({"prompt": ""}, "no prompt"),
        ({"prompt": "x", "suffix": "y"}, "suffix"),
        ({"prompt": "x", "echo": True}, "echo"),
        ({"prompt": "x", "logprobs": 3}, "logprobs"),
    ],
)
def test_a_completion_that_google_cannot_do_is_refused(fields: dict[str, Any], words: str) -> None:
    """It only knows chats."""
    with pytest.raises(SchemaError, match=words):
        made(operation=Operation.COMPLETION, **fields)


def test_a_completion_may_be_a_list_of_one() -> None:
    """As some clients write it."""
    assert [HI] == made(operation=Operation.COMPLETION, prompt=["hi"], echo=False)["contents"]
