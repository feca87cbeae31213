import msgspec
import pytest

from roundhouse.backends.kinds.ollama.facts import Details, Known, Limits, Running, Shown, Tag, count_of
from roundhouse.core.inference import Capability, Residency
from roundhouse.core.runtimes import Traits

TAG = Tag(
    name="qwen3:8b", model="qwen3:8b", size=5 << 30, digest="ab", details=Details("gguf", "qwen3", "8.2B", "Q4_K_M")
)
SHOWN = msgspec.json.decode(
    b"""{"modelfile":"# x\\nFROM /models/blobs/sha256-%b\\nTEMPLATE y","parameters":"num_ctx   16384\\nstop  x",
    "model_info":{"general.parameter_count":8190735360,"qwen3.context_length":40960,"qwen3.embedding_length":4096,
    "tokenizer.ggml.tokens":null},"capabilities":["completion","tools","thinking"]}"""
    % (b"c" * 64),
    type=Shown,
)


def test_what_show_says_is_known() -> None:
    """Exact numbers beat rounded ones; the digest is the weights' own."""
    expected = Traits(
        context_max=40_960, quantization="Q4_K_M", parameters=8_190_735_360, family="qwen3", format="gguf",
        size=5 << 30, digest="c" * 64, variant="ab", slots_usual=4,
    )  # fmt: skip
    assert expected == Known(TAG, SHOWN).traits()


def test_capabilities_are_the_models_own() -> None:
    """What it says, in our words."""
    expected = {"chat", "completion", "json_schema", "tools", "thinking"}
    assert expected == {each.value for each in Known(TAG, SHOWN).capabilities}


def test_an_embedder_embeds_and_has_a_dimension() -> None:
    """And does nothing else."""
    shown = Shown(capabilities=["embedding"], model_info={"bert.embedding_length": msgspec.Raw(b"384")})
    known = Known(Tag(name="all-minilm:latest"), shown)
    assert (frozenset({Capability.EMBEDDING}), 384) == (known.capabilities, known.traits().dimension)


@pytest.mark.parametrize(
    ("tag", "shown", "slots"),
    [
        (TAG, SHOWN, 4),
        (Tag(name="all-minilm:latest"), Shown(capabilities=["embedding"]), None),
        (Tag(name="gpt-oss:120b-cloud", size=384), SHOWN, None),
    ],
)
def test_what_is_sent_at_a_time_is_a_guess_for_what_queues(tag: Tag, shown: Shown, slots: int | None) -> None:
    """Not for embeddings, which are sent together, and not for the cloud, which has more."""
    assert (None, slots) == ((told := Known(tag, shown).traits()).slots, told.slots_usual)


def test_old_versions_are_told_by_the_name() -> None:
    """They list no capabilities."""
    assert frozenset({Capability.EMBEDDING}) == Known(Tag(name="nomic-embed-text:latest")).capabilities


@pytest.mark.parametrize(
    ("tag", "elsewhere"),
    [
        (Tag(name="gpt-oss:120b-cloud", size=384, remote_host="https://ollama.com"), True),
        (Tag(name="gpt-oss:120b-cloud", size=384), True),
        (Tag(name="mine:cloud", size=5 << 30), False),
        (TAG, False),
    ],
)
def test_stubs_of_the_cloud_are_recognised(tag: Tag, elsewhere: bool) -> None:  # noqa: FBT001 - a row of the table
    """By the host, or by the name and the size of a stub."""
    assert elsewhere == tag.is_elsewhere


def test_a_stub_is_not_on_this_machine() -> None:
    """And says so."""
    deployment = Known(Tag(name="a:cloud", size=1, remote_host="https://o.test")).deployment("o", Limits(), local=True)
    assert (False, 1) == (deployment.local, len(deployment.traits.warnings))


def test_the_context_is_what_can_be_had() -> None:
    """Its own maximum, what somebody allows, or what somebody fixed."""
    known = Known(TAG, SHOWN)
    limits = [Limits(), Limits(largest=20_000), Limits(fixed=8000), Limits(fixed=80_000)]
    contexts = [known.deployment("o", each, local=True).context for each in limits]
    assert [40_960, 20_000, 8000, 40_960] == contexts


def test_the_modelfiles_context_is_the_smallest_step() -> None:
    """Whoever wrote it wanted at least that."""
    assert 16_384 == Known(TAG, SHOWN).reach(Limits()).smallest


@pytest.mark.parametrize(
    ("running", "residency", "warned"),
    [
        (None, Residency.COLD, ""),
        (Running(size=100, size_vram=100), Residency.LOADED, ""),
        (Running(size=100, size_vram=60), Residency.LOADED, "40 %"),
        (Running(size=100), Residency.LOADED, "wholly on the CPU"),
    ],
)
def test_weights_beside_the_gpu_are_told(running: Running | None, residency: Residency, warned: str) -> None:
    """A model that is slow because of its place says so; zero is left out by Ollama."""
    deployment = Known(TAG, SHOWN, running).deployment("o", Limits(), local=True)
    assert (residency, True) == (deployment.residency, warned in "".join(deployment.traits.warnings))
    assert bool(warned) == bool(deployment.traits.warnings)


def test_the_hubs_name_is_known() -> None:
    """So that the same weights elsewhere are recognised."""
    assert "bart/q-GGUF" == Known(Tag(name="hf.co/bart/q-GGUF:Q4_K_M")).traits().repo


@pytest.mark.parametrize(
    ("text", "expected"), [("8.2B", 8_200_000_000), ("137M", 137_000_000), ("", None), (None, None), ("big", None)]
)
def test_counts_are_read(text: str | None, expected: int | None) -> None:
    """Rounded, but better than nothing."""
    assert expected == count_of(text)


def test_nonsense_in_the_header_is_nothing() -> None:
    """A null or a text is no number."""
    shown = Shown(model_info={"a.context_length": msgspec.Raw(b'"x"')})
    assert None is Known(TAG, shown).trained


@pytest.mark.parametrize(
    ("line", "extras"),
    [
        ('SYSTEM """You are Mario."""', {"system"}),
        ("MESSAGE user Hello", {"messages"}),
        ("ADAPTER /models/blobs/sha256-1", {"adapter"}),
        ("PARAMETER stop SYSTEM", set[str]()),
    ],
)
def test_what_a_model_adds_to_its_weights_is_known(line: str, extras: set[str]) -> None:
    """With these the same weights are another model."""
    assert extras == Known(TAG, Shown(modelfile=f"FROM x\n{line}\n")).traits().extras
