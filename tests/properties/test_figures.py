"""What runtimes tell of themselves in figures, whatever they tell."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies.figures import durations, figures, traits

from roundhouse.backends.kinds.gemini import models as gemini
from roundhouse.backends.kinds.llama_server.facts import Entry, Props, Told
from roundhouse.backends.kinds.lmstudio.facts import Known, ListV0, ListV1, known_v0, known_v1
from roundhouse.backends.kinds.ollama import facts as ollama
from roundhouse.backends.wire import figures as believed
from roundhouse.backends.wire.figures import credible
from roundhouse.backends.wire.listing import read_list
from roundhouse.core.inference import Deployment
from roundhouse.core.runtimes import Traits
from roundhouse.serving.admission.gate import Gate
from roundhouse.serving.admission.rules import GateRules
from roundhouse.testing.backend import a_deployment
from roundhouse.testing.clock import FakeClock

_DIGITS = "9" * 400


def is_possible(one: Deployment) -> bool:
    """Whether every figure of it can be."""
    told = one.traits
    bounds = {
        (one.context, 1, believed.MOST_TOKENS),
        (told.context_max, 1, believed.MOST_TOKENS),
        (told.slots, 1, believed.MOST_SLOTS),
        (told.dimension, 1, believed.MOST_NUMBERS),
        (told.parameters, 1, believed.MOST_PARAMETERS),
        (told.memory, 1, believed.MOST_BYTES),
        (told.vram, 0, believed.MOST_BYTES),
        (told.size, 1, believed.MOST_BYTES),
        (told.load_s, 0, believed.LONGEST_S),
    }
    return all(figure is None or least <= figure <= most for figure, least, most in bounds)


@given(traits, figures)
def test_no_figure_that_cannot_be_reaches_those_who_choose(told: Traits, context: int | None) -> None:
    """It is as if nobody had told it; what can be stays as it was told."""
    one = replace(a_deployment(), traits=told, context=context)
    clean = credible(one)
    assert is_possible(clean)
    kept = [(one.context, clean.context), (told.slots, clean.traits.slots), (told.size, clean.traits.size)]
    assert all(after in (None, before) for before, after in kept)
    assert (clean is one) == is_possible(one)


@given(traits)
def test_a_gate_that_is_empty_lets_somebody_in_whatever_was_told(told: Traits) -> None:
    """A runtime that says that it has no slots would be left out for good."""
    gate = Gate("a", GateRules(), FakeClock().monotonic)
    assert gate.take(credible(replace(a_deployment(), traits=told))) is not None


def _lmstudio(told: list[Known]) -> Deployment:
    return replace(a_deployment(), context=told[0].context, traits=told[0].traits)


def _of_v1(n: Mapping[str, object]) -> Deployment:
    config = {"context_length": n["a"], "parallel": n["b"]}
    model = {
        "key": "it", "type": "llm", "loaded_instances": [{"id": "it", "config": config}], "size_bytes": n["c"],
        "max_context_length": n["d"], "params_string": f"{_DIGITS}B",
    }  # fmt: skip
    return _lmstudio(known_v1(msgspec.convert({"models": [model]}, ListV1)))


def _of_v0(n: Mapping[str, object]) -> Deployment:
    told = {"max_context_length": n["a"], "loaded_context_length": n["b"]}
    model = {"id": "it", "type": "llm", "state": "loaded", **told}
    return _lmstudio(known_v0(msgspec.convert({"data": [model]}, ListV0)))


def _of_llama_server(n: Mapping[str, object]) -> Deployment:
    meta = {"n_ctx": n["a"], "n_ctx_train": n["b"], "n_params": n["c"], "size": n["d"]}
    props = {"default_generation_settings": {"n_ctx": n["d"]}, "total_slots": n["b"]}
    entry = msgspec.convert({"id": "it", "meta": meta}, Entry)
    return Told(entry, msgspec.convert(props, Props)).deployment("a", None, local=True)


def _of_ollama(n: Mapping[str, object]) -> Deployment:
    header = {f"llama.{key}": msgspec.Raw(str(n[at] or 0).encode()) for key, at in zip(_HEADER, "abc", strict=True)}
    tag = ollama.Tag("it:latest", details=ollama.Details(parameter_size=f"{_DIGITS}T"), digest="ab")
    running = ollama.Running("it:latest", size=_count(n["b"]), size_vram=_count(n["c"]))
    known = ollama.Known(tag, ollama.Shown(model_info=header, capabilities=["embedding"]), running)
    return known.deployment("a", ollama.Limits(), local=True)


_HEADER = ("context_length", "parameter_count", "embedding_length")


def _count(told: object) -> int:
    return told if isinstance(told, int) else 0


def _of_gemini(n: Mapping[str, object]) -> Deployment:
    listed = gemini.Listed("models/it", _count(n["a"]), ["generateContent"])
    return gemini.deployments_of([listed], "a", (), local=False)[0]


def _of_a_list(n: Mapping[str, object]) -> Deployment:
    entry = {"id": "it", "meta": {"n_ctx": n["a"]}, "max_model_len": n["b"], "context_length": n["c"]}
    return replace(a_deployment(), context=read_list(msgspec.json.encode({"data": [entry]}))[0].context)


_READERS: tuple[Callable[[Mapping[str, object]], Deployment], ...] = (
    _of_v1, _of_v0, _of_llama_server, _of_ollama, _of_gemini, _of_a_list,
)  # fmt: skip


@given(st.sampled_from(_READERS), st.fixed_dictionaries(dict.fromkeys("abcd", figures)))
def test_every_kind_reads_any_figures(read: Callable[[Mapping[str, object]], Deployment], n: dict[str, object]) -> None:
    """None falls over what it is told, nor takes for its context what cannot be one."""
    one = read(n)
    assert one.context is None or 1 <= one.context <= believed.MOST_TOKENS
    assert is_possible(credible(one))


@given(durations, figures)
def test_no_load_takes_less_than_nothing_nor_for_ever(told: float | None, nanoseconds: int | None) -> None:
    """Whoever waits is told how long the last one took."""
    assert 0 <= (believed.seconds(told) or 0) <= believed.LONGEST_S
    assert 0 <= believed.of_nanoseconds(nanoseconds or 0) <= believed.LONGEST_S
