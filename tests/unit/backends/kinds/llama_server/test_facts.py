"""What llama-server tells, read without one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.backends.kinds.llama_server.facts import Entry, Meta, Modalities, Modes, Props, Settings, Status, Told
from roundhouse.core.inference import Capability, Deployment, Residency


def told(entry: Entry | None = None, props: Props | None = None, modes: Modes | None = None) -> Deployment:
    """The deployment of that."""
    return Told(entry or Entry("tiny"), props, modes or Modes()).deployment("it", None, local=True)


@pytest.mark.parametrize(
    ("ftype", "quantization"),
    [
        ("Q4_K - Medium", "Q4_K_M"),
        ("Q4_K - Medium (guessed)", "Q4_K_M"),
        ("(guessed) Q5_K - Small", "Q5_K_S"),
        ("Q2_K - Medium", "Q2_K"),
        ("all F32", "F32"),
        ("BF16", "BF16"),
        ("IQ2_XXS - 2.0625 bpw", "IQ2_XXS"),
        ("MXFP4 MoE", "MXFP4"),
        ("unknown, may not work", None),
        ("", None),
    ],
)
def test_a_quantisation_is_called_as_everybody_calls_it(ftype: str, quantization: str | None) -> None:
    """Llama.cpp has words of its own for mixes."""
    assert quantization == told(props=Props(model_ftype=ftype)).traits.quantization


def test_an_older_one_tells_its_quantisation_by_its_file() -> None:
    """The name of the file is what there is."""
    assert "Q8_0" == told(props=Props(model_path="/models/tiny-Q8_0.gguf")).traits.quantization


def test_the_context_of_a_slot_beats_that_of_the_weights() -> None:
    """Only what is served counts."""
    props = Props(default_generation_settings=Settings(2048), total_slots=4)
    one = told(Entry("tiny", meta=Meta(n_ctx=8192, n_ctx_train=131_072)), props)
    assert (2048, 131_072) == (one.context, one.traits.context_max)


@pytest.mark.parametrize(
    ("template", "caps", "able"),
    [
        ("{{ tools }}", None, True),
        ("{{ messages }}", None, False),
        ("{{ tools }}", {"supports_tools": False, "supports_tool_calls": False}, False),
        ("{{ messages }}", {"supports_tools": True}, True),
        (None, None, False),
    ],
)
def test_tools_only_where_the_template_has_words_for_them(
    template: str | None,
    caps: dict[str, object] | None,
    able: bool,  # noqa: FBT001
) -> None:
    """What it says of its template beats a look at the text."""
    props = Props(chat_template=template, chat_template_caps=caps)
    assert able == (Capability.TOOLS in told(props=props).capabilities)


@pytest.mark.parametrize("sees", [True, False])
def test_vision_is_what_it_says(sees: bool) -> None:  # noqa: FBT001
    """A projector was loaded, or not."""
    props = Props(modalities=Modalities(vision=sees))
    assert sees == (Capability.VISION in told(props=props).capabilities)


def test_a_ranker_ranks_and_does_nothing_else() -> None:
    """It embeds as well, but into one number."""
    assert {Capability.RERANK} == told(props=Props(), modes=Modes(embeds=True, ranks=True)).capabilities


def test_one_that_was_started_to_embed_may_chat_as_well() -> None:
    """Nothing keeps it from that."""
    can = told(Entry("tiny", meta=Meta(n_embd=64)), Props(), Modes(embeds=True))
    assert can.capabilities >= {Capability.CHAT, Capability.EMBEDDING}
    assert 64 == can.traits.dimension


@pytest.mark.parametrize(
    ("entry", "props", "residency"),
    [
        (Entry("tiny", meta=Meta()), Props(), Residency.LOADED),
        (Entry("tiny", meta=Meta()), Props(is_sleeping=True), Residency.COLD),
        (Entry("tiny"), None, Residency.COLD),
        (Entry("tiny", status=Status("loading")), None, Residency.COLD),
        (Entry("tiny", meta=Meta(), status=Status("loaded")), None, Residency.UNKNOWN),
    ],
)
def test_residency(entry: Entry, props: Props | None, residency: Residency) -> None:
    """In memory is what answers for its settings and does not sleep."""
    assert residency == told(entry, props).residency


@pytest.mark.parametrize(
    ("entry", "path", "repo"),
    [
        (Entry("owner/name:Q4_K_M", source="cache"), "", "owner/name"),
        (Entry("owner/name:Q4_K_M", source="models_dir"), "", None),
        (Entry("x"), "/c/models--owner--name/snapshots/abc/f.gguf", "owner/name"),
        (Entry("x"), "/models/f.gguf", None),
    ],
)
def test_the_repository_is_told_by_where_the_weights_lie(entry: Entry, path: str, repo: str | None) -> None:
    """Only the hub's own cache says so."""
    assert repo == told(entry, Props(model_path=path)).traits.repo


def test_a_path_is_called_by_its_file() -> None:
    """As llama-server lists what it was started with."""
    assert ("tiny", "/m/tiny.gguf") == ((one := told(Entry("/m/tiny.gguf"))).model, one.upstream)


COUNT = st.none() | st.integers()


@given(COUNT, COUNT, COUNT)
def test_no_count_is_less_than_one(tokens: int | None, slots: int | None, size: int | None) -> None:
    """Nobody would ever get one of no slots."""
    props = Props(default_generation_settings=Settings(tokens), total_slots=slots)
    one = told(Entry("tiny", meta=Meta(n_ctx=tokens, n_params=size, size=size)), props)
    counts = (one.context, one.traits.slots, one.traits.parameters, one.traits.memory)
    assert all(count is None or count > 0 for count in counts)
