"""What is known of families of models: how their names are written, and what a name leaves unsaid. A table.

Whoever is not in it is not recognised by name, only by digest or repository: a name that nobody knows proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Silence(StrEnum):
    """What a name means that says neither "base" nor "instruct"."""

    #: The weights that talk: their makers mark the base.
    CHAT = "chat"
    #: Makers mean the base, Ollama means the weights that talk, and elsewhere nobody knows.
    BASE = "base"
    #: There is only one.
    ONE = "one"


#: Generations whose makers went over to marking the base stand beside their family.
FAMILIES: Mapping[str, Silence] = MappingProxyType(
    dict.fromkeys(("llama", "qwen", "gemma", "mistral", "mixtral", "codellama", "codegemma"), Silence.BASE)
    | dict.fromkeys(("smollm", "olmo", "falcon", "yi", "internlm", "deepseek-llm", "deepseek-coder"), Silence.BASE)
    | dict.fromkeys(("deepseek v2", "glm"), Silence.BASE)
    | dict.fromkeys(("qwen 3", "qwen 3.5", "gemma 3", "gemma 3n", "gpt-oss", "deepseek", "phi"), Silence.CHAT)
    | dict.fromkeys(("granite", "command", "devstral", "codestral", "magistral", "ministral", "kimi"), Silence.CHAT)
    | dict.fromkeys(("qwq", "smollm 3", "glm 4.5", "glm 4.6", "minimax", "exaone", "aya", "nemotron"), Silence.CHAT)
    | dict.fromkeys(("llava", "bakllava", "moondream", "minicpm", "tinyllama", "starcoder", "hermes"), Silence.ONE)
    | dict.fromkeys(("dolphin", "vicuna", "wizardlm", "openchat", "zephyr", "solar", "orca", "nous"), Silence.ONE)
    | dict.fromkeys(("nomic-embed", "mxbai-embed", "all-minilm", "bge", "e5", "gte", "jina", "snowflake"), Silence.ONE)
    | dict.fromkeys(("embeddinggemma", "granite-embedding"), Silence.ONE)
)
#: Weights that nobody but their maker has: whatever offers them elsewhere passes on to the maker.
CLOSED = frozenset({"gpt", "chatgpt", "o1", "o3", "o4", "claude", "gemini", "grok", "text-embedding"})
#: Families whose name has a hyphen in it; longer ones first.
HYPHENED = ("deepseek-coder", "granite-embedding", "text-embedding", "nomic-embed", "mxbai-embed", "deepseek-llm",
            "all-minilm", "gpt-oss")  # fmt: skip
#: How the weights were published, where everybody passes on just that.
NATIVE: Mapping[str, str] = MappingProxyType({"gpt-oss": "MXFP4"})

#: Who makes each family: their own repositories say what they are.
_MAKERS = """
meta meta-llama qwen google mistralai mistral microsoft deepseek-ai deepseek openai ibm ibm-granite huggingfacetb
allenai tiiuae 01-ai internlm zai-org z-ai thudm cohereforai coherelabs cohere moonshotai nomic-ai mixedbread-ai baai
intfloat thenlper alibaba-nlp jinaai sentence-transformers snowflake nousresearch vikhyatk openbmb codellama bigcode
minimax minimaxai lgai-exaone nvidia anthropic x-ai xai gemini library tinyllama upstage
"""
MAKERS = frozenset(_MAKERS.split())
#: Who passes on the weights of others unchanged but for their quantisation, under the makers' names.
PACKAGERS = frozenset(
    {
        "bartowski", "ggml-org", "lmstudio-community", "maziyarpanahi", "mlx-community", "mradermacher",
        "quantfactory", "second-state", "thebloke", "unsloth",
    }
)  # fmt: skip
#: Names in Ollama's library whose weights were exchanged for others of their family, so that they say too little.
MOVED = frozenset({"qwen3:4b", "qwen3:30b", "qwen3:235b", "qwen3:30b-a3b", "qwen3:235b-a22b", "deepseek-r1:671b"})
#: Lines there of which one half thinks and one half does not, and a name without either word may mean any.
HALVED = frozenset({"vl", "next", "2507"})
#: What Ollama's library calls DeepSeek-R1, by size, are other makers' models that learned from it.
R1_DISTILLED: Mapping[str, str] = MappingProxyType(
    {"1.5b": "qwen", "7b": "qwen", "14b": "qwen", "32b": "qwen", "70b": "llama"}
)
#: Its 8b was exchanged; the architecture tells which one it is.
R1_LATER: Mapping[str, str] = MappingProxyType({"llama": "distill llama", "qwen3": "0528 qwen 3"})
#: Words that tell one set of weights of a family from another. Any other word may be somebody's own training.
_VARIANTS = """
r1 r2 v2 v3 k2 r a vl vision omni audio coder code math thinking reasoning reasoner distill mini small medium large
nano micro tiny xl max plus turbo flash lite pro nemo moe dense scout maverick guard embed embedding text rerank
reranker python qat preview exp think next math mathstral instruct base latest m3 l6 l12 en arctic s m xs
"""
VARIANTS = frozenset(_VARIANTS.split())
