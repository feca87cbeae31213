"""Names of models as runtimes write them, and what they may tell beside them."""

from dataclasses import replace

from hypothesis import strategies as st

from roundhouse.core.inference import Capability, Deployment
from roundhouse.core.runtimes import Traits
from roundhouse.testing.backend import a_deployment

#: Names of few models in many spellings, so that groups happen, and some that mean nothing.
NAMES = (
    "llama3.2:3b", "llama3.2:latest", "llama-3.2-3b-instruct", "bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M",
    "mlx-community/Llama-3.2-3B-Instruct-4bit", "llama3.2:1b", "gpt-oss:120b", "gpt-oss-120b", "openai/gpt-oss-120b",
    "gpt-oss-120b-mxfp4-00001-of-00003.gguf", "someone/mine-GGUF:Q4_K_M", "hf.co/someone/mine-GGUF:Q4_K_M",
    "mario:latest", "gpt-4o", "openai/gpt-4o", "", ":", "/", "@", "Q4_K_M", "-gguf", "\x00", "é", "[*]?",
)  # fmt: skip
_DIGESTS = ("a" * 64, "b" * 64, "A" * 64, "sha256:" + "a" * 64, "short", "")
_WORDS = st.text(alphabet="abmq3.8:-_/@ \\\x00é[(*Q4Kgu", max_size=40)

names = st.sampled_from(NAMES) | _WORDS
traits = st.builds(
    Traits,
    quantization=st.sampled_from([None, "Q4_K_M", "Q8_0", "MXFP4", "4bit", "unknown", "Q4_K - Medium"]) | _WORDS,
    parameters=st.sampled_from([None, None, 3_212_749_888, 1_235_814_432, 116_800_000_000, 0, -1]),
    family=st.sampled_from([None, "llama", "qwen3"]),
    format=st.sampled_from([None, "gguf", "mlx"]),
    digest=st.none() | st.sampled_from(_DIGESTS),
    repo=st.sampled_from([None, None, "someone/mine-GGUF", "meta-llama/Llama-3.2-3B-Instruct"]),
    publisher=st.sampled_from([None, None, "someone", "bartowski", "meta-llama", "mlx-community"]) | _WORDS,
    extras=st.sampled_from([frozenset[str](), frozenset({"system"}), frozenset({"adapter"})]),
)


@st.composite
def fleets(draw: st.DrawFn) -> list[Deployment]:
    """A few deployments, each with an id of its own."""
    drawn = draw(st.lists(st.tuples(names, traits, st.booleans(), st.booleans()), max_size=12))
    return [
        replace(
            a_deployment(f"b{number}/{name}"),
            traits=told,
            local=local,
            capabilities=frozenset({Capability.EMBEDDING} if embeds else {Capability.CHAT}),
        )
        for number, (name, told, local, embeds) in enumerate(drawn)
    ]
