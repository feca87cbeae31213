"""Whatever is sent to a running Roundhouse, the answer is a documented error of ours, never a 5xx, and it lives on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2
import pytest
from tests.e2e.conftest import Running

from roundhouse.cli.errors import classes

pytestmark = pytest.mark.slow

CHAT = {"model": "roundhouse/noise", "messages": [{"role": "user", "content": "hi"}]}
CODES = {error.code for error in classes()}


@dataclass(frozen=True, slots=True)
class Bad:
    """One request that should not be, and the status it should get."""

    status: int
    content: bytes
    path: str = "/v1/chat/completions"
    headers: Mapping[str, str] = field(default_factory=dict)


def changed(**fields: object) -> bytes:
    """A chat with other fields."""
    return json.dumps({**CHAT, **fields}).encode()


CASES = {
    "no json": Bad(422, b"{"),
    "no object": Bad(422, b"[]"),
    "empty": Bad(422, b""),
    "not utf-8": Bad(422, b'{"model": "\xff"}'),
    "nul": Bad(422, b"\0" * 100),
    "no model": Bad(422, b'{"messages": []}'),
    "unknown model": Bad(404, changed(model="gpt-99")),
    "odd model": Bad(422, changed(model="../../etc/passwd\0\u202e")),
    "model of another type": Bad(422, changed(model=7)),
    "messages of another type": Bad(422, changed(messages="hi")),
    "stream of another type": Bad(422, changed(stream="yes")),
    "max_tokens of another type": Bad(422, changed(max_tokens="many")),
    "10,000 nested arrays": Bad(422, b'{"model": "m", "messages": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"),
    "50 MB": Bad(413, changed(messages=[{"role": "user", "content": "x" * 50_000_000}])),
    "wrong key": Bad(401, changed(), headers={"authorization": "Bearer rh-00000000-" + "0" * 49}),
    "wrong x-api-key": Bad(401, changed(), headers={"x-api-key": "rh-' OR '1'='1"}),
    "foreign Host": Bad(403, changed(), headers={"host": "evil.example"}),
    "foreign Origin": Bad(403, changed(), headers={"origin": "https://evil.example"}),
    "unknown address": Bad(404, changed(), path="/v1/nothing"),
    "no /v1 in the address": Bad(404, changed(), path="/chat/completions"),
    "too long a context": Bad(422, changed(messages=[{"role": "user", "content": "word " * 40_000}])),
    "managing without a key": Bad(403, b'{"ref": "hf:a/b"}', path="/api/v1/transfers"),
}


@pytest.fixture(scope="module")
def url(one: Running) -> str:
    """Where it listens."""
    return one.url


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_bad_input_is_a_documented_error(url: str, case: Bad) -> None:
    """A status below 500, a code of the tree, a sentence, and a server that goes on."""
    headers = {"content-type": "application/json", **case.headers}
    answer = httpx2.post(f"{url}{case.path}", content=case.content, headers=headers, timeout=60)
    error = answer.json()["error"]
    assert (case.status, True, True) == (answer.status_code, error["code"] in CODES, bool(error["message"]))
    assert httpx2.get(f"{url}/healthz").status_code == 200


def test_a_get_where_only_post_is_possible(url: str) -> None:
    """The envelope is the same for a wrong method."""
    answer = httpx2.get(f"{url}/v1/chat/completions")
    assert (405, "E_NOTFOUND") == (answer.status_code, answer.json()["error"]["code"])


def test_after_all_that_it_still_answers(url: str) -> None:
    """Nothing of the above is remembered."""
    answer = httpx2.post(f"{url}/v1/chat/completions", json={**CHAT, "max_tokens": 2}, timeout=60)
    assert answer.status_code == 200, answer.text
