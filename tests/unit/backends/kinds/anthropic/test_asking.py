import json
from base64 import b64encode
from typing import Any

import pytest

from roundhouse.backends.kinds.anthropic.asking import asked
from roundhouse.backends.kinds.anthropic.config import Policy, policy_of
from roundhouse.backends.kinds.anthropic.nature import Nature, nature_by_name
from roundhouse.core.errors import SchemaError

HELLO = [{"role": "user", "content": "hello"}]
OLDER, NEWER = nature_by_name("claude-sonnet-4-5"), nature_by_name("claude-opus-5")
TOOL = {"type": "function", "function": {"name": "add", "description": "adds", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
PICTURE = b64encode(b"\x89PNG").decode()


def sent(nature: Nature = OLDER, policy: Policy | None = None, **body: object) -> dict[str, Any]:
    """What Anthropic gets for a body."""
    made = asked(json.dumps({"messages": HELLO, **body}).encode(), nature, policy or Policy())
    result: dict[str, Any] = json.loads(made.body("m", stream=False))
    return result


def turns(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    """What Anthropic gets for messages."""
    found: list[dict[str, Any]] = sent(messages=messages)["messages"]
    return found


def text(said: str) -> dict[str, Any]:
    """A block of text."""
    return {"type": "text", "text": said}


def test_the_least_is_model_limit_and_messages() -> None:
    """Nothing is said that nobody asked for."""
    expected = {"model": "m", "max_tokens": 32_000, "messages": [{"role": "user", "content": [text("hello")]}]}
    assert {**expected, "stream": False} == sent()


@pytest.mark.parametrize("role", ["system", "developer"])
def test_the_system_stands_apart(role: str) -> None:
    """Wherever it spoke, in the order in which it did."""
    body = sent(messages=[{"role": role, "content": "one"}, *HELLO, {"role": role, "content": [text("two")]}])
    assert ([text("one"), text("two")], 1) == (body["system"], len(body["messages"]))


def test_turns_of_one_speaker_are_one() -> None:
    """They alternate there."""
    said = turns(*HELLO, {"role": "user", "content": "again"}, {"role": "assistant", "content": "yes"}, *HELLO)
    assert [("user", 2), ("assistant", 1), ("user", 1)] == [(turn["role"], len(turn["content"])) for turn in said]


def test_calls_have_objects_and_their_results_are_one_turn() -> None:
    """All results come first in the turn after the calls, whatever else is said there."""
    second = {**CALL, "id": "call_2"}
    results = [{"role": "tool", "tool_call_id": name, "content": "2"} for name in ("call_1", "call_2")]
    said = turns(*HELLO, {"role": "assistant", "tool_calls": [CALL, second]}, *HELLO, *results)
    assert [("tool_use", {"a": 1}), ("tool_use", {"a": 1})] == [(b["type"], b["input"]) for b in said[1]["content"]]
    assert ["call_1", "call_2", None] == [block.get("tool_use_id") for block in said[2]["content"]]


def test_tools_that_are_only_mentioned_are_offered_and_not_called() -> None:
    """Anthropic refuses a conversation whose tools it does not know."""
    result = {"role": "tool", "tool_call_id": "call_1", "content": "2"}
    body = sent(messages=[*HELLO, {"role": "assistant", "tool_calls": [CALL]}, result])
    assert [{"name": "add", "input_schema": {"type": "object"}}] == body["tools"]
    assert {"type": "none"} == body["tool_choice"]


def test_ids_of_other_providers_are_made_fit() -> None:
    """In the call and in its result alike."""
    call = {**CALL, "id": "functions.add:0"}
    said = turns(*HELLO, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": call["id"]})
    assert "functions_add_0" == said[1]["content"][0]["id"] == said[2]["content"][0]["tool_use_id"]


def test_what_says_nothing_is_left_out() -> None:
    """Anthropic refuses empty text."""
    said = turns(*HELLO, {"role": "assistant", "content": ""}, {"role": "user", "content": [text(" \n"), text("a")]})
    assert [{"role": "user", "content": [text("hello"), text("a")]}] == said


def test_a_beginning_of_the_answer_does_not_end_in_white_space() -> None:
    """It would be refused."""
    assert [text("The")] == turns(*HELLO, {"role": "assistant", "content": "The "})[1]["content"]


def test_thoughts_go_back_before_everything_else() -> None:
    """Those that are signed, as they came; others were somebody else's."""
    thoughts = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "thinking", "thinking": "unsigned"},
        {"type": "redacted_thinking", "data": "x"},
    ]
    said = turns(*HELLO, {"role": "assistant", "content": "a", "thinking_blocks": thoughts})
    assert [thoughts[0], thoughts[2], text("a")] == said[1]["content"]


def test_pictures_are_sent_or_fetched_there() -> None:
    """From the request itself, or from an https address."""
    urls = [f"data:image/jpg;base64,{PICTURE}", "https://pictures.test/a.png"]
    parts = [{"type": "image_url", "image_url": {"url": url, "detail": "high"}} for url in urls]
    sources = [block["source"] for block in turns({"role": "user", "content": parts})[0]["content"]]
    expected = [
        {"type": "base64", "media_type": "image/jpeg", "data": PICTURE},
        {"type": "url", "url": "https://pictures.test/a.png"},
    ]
    assert expected == sources


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (
            {"file_data": "data:application/pdf;base64,QQ==", "filename": "a.pdf"},
            {"type": "base64", "media_type": "application/pdf", "data": "QQ=="},
        ),
        ({"file_data": "data:text/markdown;base64,QQ=="}, {"type": "text", "media_type": "text/plain", "data": "A"}),
        ({"file_data": "data:image/png;base64,QQ=="}, {"type": "base64", "media_type": "image/png", "data": "QQ=="}),
        ({"file_url": "https://a.test/b.pdf"}, {"type": "url", "url": "https://a.test/b.pdf"}),
        ({"file_id": "file_1"}, {"type": "file", "file_id": "file_1"}),
    ],
)
def test_files_are_documents(file: dict[str, str], source: dict[str, str]) -> None:
    """PDF as it is, text as text, a picture as a picture."""
    block = turns({"role": "user", "content": [{"type": "file", "file": file}]})[0]["content"][0]
    assert (source, file.get("filename")) == (block["source"], block.get("title"))


def test_anthropics_own_blocks_go_through() -> None:
    """A client that knows them may use them."""
    block = {"type": "document", "source": {"type": "text", "data": "a"}, "citations": {"enabled": True}}
    assert [block] == turns({"role": "user", "content": [block]})[0]["content"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "http://pictures.test/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,QQ=="}},
        {"type": "image_url", "image_url": {"url": "data:image/png,raw"}},
        {"type": "image_url"},
        {"type": "file", "file": {"file_data": "data:application/zip;base64,QQ=="}},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,="}},
        {"type": "file", "file": {"file_url": "file:///etc/passwd"}},
        {"type": "file", "file": {}},
    ],
)
def test_content_that_cannot_be_sent_is_refused(part: dict[str, Any]) -> None:
    """With what it is about."""
    with pytest.raises(SchemaError, match="messages"):
        turns({"role": "user", "content": [part]})


@pytest.mark.parametrize(
    "message",
    [
        {"role": "function", "name": "add", "content": "2"},
        {"role": "tool", "content": "2"},
        {"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "add", "arguments": "{oh"}}]},
        {"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "add", "arguments": "[1]"}}]},
        {"role": "user", "content": 7},
    ],
)
def test_messages_that_cannot_be_sent_are_refused(message: dict[str, Any]) -> None:
    """Rather than changed."""
    with pytest.raises(SchemaError):
        turns(*HELLO, message)


@pytest.mark.parametrize(
    "messages", [None, [], [{"role": "user", "content": ""}], [{"role": "system", "content": "a"}]]
)
def test_somebody_has_to_say_something(messages: object) -> None:
    """Anthropic would refuse it as well."""
    with pytest.raises(SchemaError, match="messages"):
        sent(messages=messages)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2), ("best_of", 2), ("logprobs", True), ("top_logprobs", 3), ("modalities", ["text", "audio"]),
        ("audio", {"voice": "alloy"}), ("functions", [{"name": "f"}]), ("web_search_options", {}), ("suffix", "x"),
        ("stop", "\n"), ("stop", ["a", ""]), ("tool_choice", {"type": "allowed_tools"}), ("tool_choice", "never"),
        ("response_format", {"type": "grammar"}), ("response_format", {"type": "json_schema"}),
        ("reasoning_effort", "brutal"), ("tools", [{"type": "custom", "custom": {"name": "x"}}]),
    ],
)  # fmt: skip
def test_what_would_be_missed_is_refused_by_name(name: str, value: object) -> None:
    """The parameter is named."""
    with pytest.raises(SchemaError, match=name):
        sent(**{"tools": [TOOL], name: value})  # type: ignore[arg-type]


def test_values_that_change_nothing_do_not_matter() -> None:
    """Clients send defaults."""
    assert sent() == sent(n=1, logprobs=False, top_logprobs=0, modalities=["text"], functions=[], audio=None)


def test_hints_are_dropped() -> None:
    """As in Anthropic's own layer for OpenAI's clients."""
    hints: dict[str, Any] = {
        "seed": 1, "logit_bias": {"5": 1}, "presence_penalty": 1, "frequency_penalty": 1, "store": True, "room": "shed",
        "metadata": {"room": "shed"}, "service_tier": "flex", "prediction": {}, "stream_options": {},
    }  # fmt: skip
    assert sent() == sent(**hints)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"temperature": 1.7}, {"temperature": 1.0}),
        ({"temperature": 0.3, "top_p": 0.5}, {"temperature": 0.3}),
        ({"temperature": 1, "top_p": 0.5}, {"top_p": 0.5}),
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"top_p": 1, "top_k": 7}, {"top_k": 7}),
    ],
)
def test_a_temperature_or_a_top_p(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Both are refused; between 0 and 1."""
    assert expected == {name: value for name, value in sent(**given).items() if name.startswith("t")}


def test_newer_models_take_no_temperature() -> None:
    """They refuse it."""
    assert sent(NEWER) == sent(NEWER, temperature=0.5, top_p=0.5, top_k=5)


def test_the_newer_limit_of_tokens_wins() -> None:
    """``max_completion_tokens`` replaced ``max_tokens``."""
    assert 3 == sent(max_tokens=9, max_completion_tokens=3)["max_tokens"]


def test_stops_are_a_list() -> None:
    """One text is one of them."""
    assert (["a"], ["a", "b"]) == (sent(stop="a")["stop_sequences"], sent(stop=["a", "b"])["stop_sequences"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"user": "u-1"}, "u-1"),
        ({"safety_identifier": "s", "user": "u"}, "s"),
        ({"metadata": {"user_id": "m"}, "user": "u"}, "m"),
        ({"user": "ann@example.test"}, None),
        ({"user": "+49 123 4567"}, None),
        ({"user": "x" * 300}, None),
    ],
)
def test_users_are_told_unless_it_is_an_address(given: dict[str, Any], expected: str | None) -> None:
    """Anthropic wants no mail addresses nor telephone numbers."""
    assert expected == sent(**given).get("metadata", {}).get("user_id")


def test_anthropics_own_words_go_through() -> None:
    """A client that knows them may use them."""
    own: dict[str, Any] = {"cache_control": {"type": "ephemeral"}, "container": "c", "service_tier": "standard_only"}
    assert own == {name: value for name, value in sent(**own).items() if name in own}


def marks(body: dict[str, Any]) -> list[object]:
    """Who is marked for the cache: tools, system, turns."""
    blocks = [*body.get("tools", []), *body.get("system", []), *(b for t in body["messages"] for b in t["content"])]
    return [block.get("cache_control", {}).get("ttl", "yes") if "cache_control" in block else None for block in blocks]


def test_marks_of_the_client_are_kept() -> None:
    """On parts, on messages, on tools and on results."""
    mark = {"cache_control": {"type": "ephemeral"}}
    history = [
        {"role": "system", "content": "a", **mark},
        {"role": "user", "content": [{**text("b"), **mark}]},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": [{**text("2"), **mark}]},
    ]
    body = sent(policy=policy_of("a", {"cache": "1h"}), messages=history, tools=[{**TOOL, **mark}])
    assert ["yes", "yes", "yes", None, "yes"] == marks(body)


@pytest.mark.parametrize(("cache", "mark"), [(True, "yes"), ("1h", "1h"), (False, None)])
def test_what_stays_the_same_is_marked(cache: str | bool, mark: str | None) -> None:  # noqa: FBT001 - as configured
    """The last tool, the last of the system's words, and the end."""
    history = [{"role": "system", "content": "a"}, *HELLO, {"role": "assistant", "content": "b"}, *HELLO]
    body = sent(policy=policy_of("a", {"cache": cache}), messages=history, tools=[TOOL, TOOL])
    assert [None, mark, mark, None, None, mark] == marks(body)


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"messages":[{}]}', b"[" * 5000, b'{"messages":"\\ud800"}', b""])
def test_what_is_no_body_is_refused(body: bytes) -> None:
    """Never with a foreign error."""
    with pytest.raises(SchemaError):
        asked(body, OLDER, Policy())
