"""Names from the wild, and which of them are one model."""

from dataclasses import replace

import pytest

from roundhouse.core.inference import Capability, Deployment
from roundhouse.core.runtimes import Traits
from roundhouse.routing.identity import evidence_of, group
from roundhouse.routing.identity.groups import why, why_not
from roundhouse.testing.backend import a_deployment

A, B = "a" * 64, "b" * 64

#: One line a group, and those indented under it: everything in it has the same weights, and nothing else has.
#: A name, then quantisation, billions of parameters and format, where the runtime tells them.
SAME = """
llama3.1:8b|Q4_K_M|8.03; llama3.1:8b-instruct-q4_K_M|Q4_K_M|8.03; meta-llama-3.1-8b-instruct|Q4_K_M|8
  Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf; llama-3.1-8b-instruct@q4_k_m
  bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q4_K_M
  hf.co/bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q4_K_M|Q4_K_M
llama3.1:8b-instruct-q8_0|Q8_0|8.03; meta-llama-3.1-8b-instruct@q8_0|Q8_0; Llama-3.1-8B-Instruct-Q8_0.gguf
llama3.1:8b-instruct-fp16|F16|8.03; Meta-Llama-3.1-8B-Instruct-F16.gguf
llama3.1:8b-text-q4_K_M|Q4_K_M|8.03; Meta-Llama-3.1-8B-Q4_K_M.gguf
llama3.1:70b|Q4_K_M|70.6; bartowski/Meta-Llama-3.1-70B-Instruct-GGUF:Q4_K_M
llama3.2:3b|Q4_K_M|3.21; llama3.2:latest|Q4_K_M|3.21; llama-3.2-3b-instruct|Q4_K_M|3
llama3.2:1b|Q8_0|1.24; llama-3.2-1b-instruct@q8_0
llama3.2-vision:11b|Q4_K_M|9.78; Llama-3.2-11B-Vision-Instruct.Q4_K_M.gguf
llama3.3:70b|Q4_K_M|70.6; llama-3.3-70b-instruct|Q4_K_M|70
llama3:8b|Q4_0|8.03; Meta-Llama-3-8B-Instruct-Q4_0.gguf
llama2:7b|Q4_0|6.74; TheBloke/Llama-2-7B-Chat-GGUF:Q4_0
mlx-community/Llama-3.2-3B-Instruct-4bit; mlx-community/llama-3.2-3b-instruct-4bit|4bit|3|mlx
mlx-community/Llama-3.2-3B-Instruct-8bit
mlx-community/Qwen2.5-Coder-7B-Instruct-4bit; qwen2.5-coder-7b-instruct-mlx|4bit|7|mlx
gpt-oss:120b|MXFP4|116.8; gpt-oss-120b; openai/gpt-oss-120b|MXFP4|120; gpt-oss-120b-mxfp4-00001-of-00003.gguf
  ggml-org/gpt-oss-120b-GGUF; /models/gpt-oss-120b-MXFP4.gguf; lmstudio-community/gpt-oss-120b-GGUF:MXFP4
gpt-oss:20b|MXFP4|20.9; gpt-oss-20b; openai/gpt-oss-20b; hf.co/ggml-org/gpt-oss-20b-GGUF:MXFP4|MXFP4
unsloth/gpt-oss-120b-GGUF:Q4_K_M
unsloth/gpt-oss-120b-GGUF:UD-Q4_K_XL|Q4_K_M
mlx-community/gpt-oss-120b-MXFP4-Q8; gpt-oss-120b-mlx|MXFP4-Q8|120|mlx
qwen2.5:7b|Q4_K_M|7.62; qwen2.5-7b-instruct|Q4_K_M|7; Qwen/Qwen2.5-7B-Instruct-GGUF:Q4_K_M
  qwen2.5-7b-instruct-q4_k_m.gguf
qwen2.5:14b|Q4_K_M|14.8; qwen2.5-14b-instruct|Q4_K_M
qwen2.5:0.5b|Q4_K_M|0.494; qwen2.5-0.5b-instruct|Q4_K_M
qwen2.5-coder:7b|Q4_K_M|7.62; Qwen/Qwen2.5-Coder-7B-Instruct-GGUF:Q4_K_M; qwen2.5-coder-7b-instruct|Q4_K_M|7
qwen2.5-coder:7b-base|Q4_K_M|7.62; Qwen2.5-Coder-7B-Q4_K_M.gguf
qwen2.5-coder:32b|Q4_K_M|32.8; qwen2.5-coder-32b-instruct|Q4_K_M
qwen2.5vl:7b|Q4_K_M|8.29; Qwen2.5-VL-7B-Instruct-Q4_K_M.gguf; qwen2.5-vl-7b-instruct|Q4_K_M
qwen2:7b|Q4_K_M|7.62; qwen2-7b-instruct|Q4_K_M
Qwen/Qwen2.5-7B-Instruct-AWQ
qwen3:8b|Q4_K_M|8.19; Qwen/Qwen3-8B-GGUF:Q4_K_M; qwen3-8b|Q4_K_M; qwen/qwen3-8b@q4_k_m
Qwen3-8B-Base-Q4_K_M.gguf
qwen3:0.6b|Q4_K_M|0.752; qwen3-0.6b|Q4_K_M|0.6
qwen3:1.7b|Q4_K_M|2.03; qwen/qwen3-1.7b|Q4_K_M|1.7
qwen3:14b|Q4_K_M|14.8; unsloth/Qwen3-14B-GGUF:Q4_K_M
qwen3:4b|Q4_K_M|4.02
qwen3-4b|Q4_K_M|4
qwen3:4b-instruct-2507-q4_K_M|Q4_K_M|4.02; qwen3-4b-instruct-2507|Q4_K_M|4
qwen3:4b-thinking-2507-q4_K_M|Q4_K_M|4.02; qwen/qwen3-4b-thinking-2507|Q4_K_M
qwen3:30b-a3b-instruct-2507-q4_K_M|Q4_K_M|30.5; Qwen3-30B-A3B-Instruct-2507-Q4_K_M.gguf
qwen3-coder:30b|Q4_K_M|30.5
qwen3-coder-30b-a3b-instruct|Q4_K_M|30
qwen3-embedding:0.6b|Q8_0|0.596; Qwen/Qwen3-Embedding-0.6B-GGUF:Q8_0
qwq:32b|Q4_K_M|32.8; qwq-32b|Q4_K_M
gemma3:4b|Q4_K_M|4.3; google/gemma-3-4b|Q4_K_M|4; gemma-3-4b-it-Q4_K_M.gguf
  ggml-org/gemma-3-4b-it-GGUF:Q4_K_M
gemma-3-4b-pt-Q4_K_M.gguf
gemma3:4b-it-qat|Q4_0|4.3; gemma-3-4b-it-qat|Q4_0
gemma3:12b|Q4_K_M|12.2; google/gemma-3-12b|Q4_K_M|12
gemma3:27b|Q4_K_M|27.4; google/gemma-3-27b|Q4_K_M|27
gemma3:1b|Q4_K_M|1; gemma-3-1b-it|Q4_K_M
gemma3n:e4b|Q4_K_M|6.87; google/gemma-3n-e4b|Q4_K_M|6.9; gemma-3n-E4B-it-Q4_K_M.gguf
gemma3n:e2b|Q4_K_M|4.46; google/gemma-3n-e2b|Q4_K_M
gemma2:9b|Q4_0|9.24; gemma-2-9b-it|Q4_0|9
gemma2:2b|Q4_0|2.61; gemma-2-2b-it|Q4_0|2
gemma:7b|Q4_0|8.54; gemma-7b-it|Q4_0|7
codegemma:7b|Q4_0|8.54; codegemma-7b-it|Q4_0
embeddinggemma:300m|BF16|0.308; google/embeddinggemma-300m|BF16
deepseek-r1:7b|Q4_K_M|7.62; deepseek-r1:7b-qwen-distill-q4_K_M|Q4_K_M|7.62
  deepseek-r1-distill-qwen-7b|Q4_K_M|7; DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf
  bartowski/DeepSeek-R1-Distill-Qwen-7B-GGUF:Q4_K_M
deepseek-r1:70b|Q4_K_M|70.6; deepseek-r1-distill-llama-70b|Q4_K_M
deepseek-r1:14b|Q4_K_M|14.8; deepseek-r1-distill-qwen-14b|Q4_K_M
deepseek-r1:8b|Q4_K_M|8.19
deepseek-r1-distill-llama-8b|Q4_K_M|8
deepseek/deepseek-r1-0528-qwen3-8b|Q4_K_M|8; deepseek-r1:8b-0528-qwen3-q4_K_M|Q4_K_M|8.19
deepseek-r1:671b|Q4_K_M|671
deepseek-v3.1:671b|Q4_K_M|671
deepseek-coder:6.7b|Q4_0|6.74; deepseek-coder-6.7b-instruct|Q4_0
mistral:7b|Q4_K_M|7.25
mistral:7b-instruct-v0.3-q4_K_M|Q4_K_M|7.25; mistralai/mistral-7b-instruct-v0.3|Q4_K_M|7
  MaziyarPanahi/Mistral-7B-Instruct-v0.3-GGUF:Q4_K_M
mistral:7b-instruct-v0.2-q4_K_M|Q4_K_M|7.24; TheBloke/Mistral-7B-Instruct-v0.2-GGUF:Q4_K_M
mistral-nemo:12b|Q4_0|12.2
mistral-nemo-instruct-2407|Q4_0|12
mixtral:8x7b-instruct-v0.1-q4_0|Q4_0|46.7; TheBloke/Mixtral-8x7B-Instruct-v0.1-GGUF:Q4_0
mixtral:8x22b|Q4_0|141
codestral:22b|Q4_0|22.2
devstral:24b|Q4_K_M|23.6
phi4:14b|Q4_K_M|14.7; phi4:latest|Q4_K_M|14.7; microsoft/phi-4|Q4_K_M|14.7
phi4-mini:3.8b|Q4_K_M|3.84; phi-4-mini-instruct|Q4_K_M|3.8
phi3.5:3.8b|Q4_0|3.82
phi3:mini|Q4_0|3.82
Phi-3-mini-4k-instruct-Q4_0.gguf
Phi-3-mini-128k-instruct-Q4_0.gguf
granite3.3:8b|Q4_K_M|8.17; ibm-granite/granite-3.3-8b-instruct-GGUF:Q4_K_M; granite-3.3-8b-instruct|Q4_K_M
granite3.3:2b|Q4_K_M|2.53
smollm2:135m|F16|0.135; SmolLM2-135M-Instruct-f16.gguf
smollm2:1.7b|Q8_0|1.71
codellama:7b-instruct|Q4_0|6.74; TheBloke/CodeLlama-7B-Instruct-GGUF:Q4_0
codellama:7b-python|Q4_0|6.74
tinyllama:1.1b|Q4_0|1.1
TinyLlama-1.1B-Chat-v1.0-Q4_0.gguf
nomic-embed-text:v1.5|F16|0.137; text-embedding-nomic-embed-text-v1.5|F16; nomic-embed-text-v1.5-f16.gguf
nomic-embed-text:v1|F16|0.137
mxbai-embed-large:335m|F16|0.334
bge-m3:567m|F16|0.567
all-minilm:22m|F16|0.023
starcoder2:3b|Q4_0|3.03; starcoder2-3b|Q4_0
gpt-4o; openai/gpt-4o
gpt-4o-mini; openai/gpt-4o-mini
gpt-4o-2024-08-06
gpt-4.1; openai/gpt-4.1
gpt-5; openai/gpt-5
o3-mini; openai/o3-mini
claude-3-5-sonnet; anthropic/claude-3.5-sonnet
claude-3-5-sonnet-20241022
claude-sonnet-4; anthropic/claude-sonnet-4
claude-opus-4-1; anthropic/claude-opus-4.1
claude-opus-4; anthropic/claude-opus-4
gemini-2.5-pro; google/gemini-2.5-pro
gemini-2.5-flash; google/gemini-2.5-flash
gemini-2.5-flash-lite
grok-4; x-ai/grok-4
text-embedding-3-small; openai/text-embedding-3-small
text-embedding-3-large
meta-llama/llama-3.1-8b-instruct
meta-llama/llama-3.3-70b-instruct:free
deepseek/deepseek-chat-v3.1
mistral-large-latest
qwen-max
llama-v3p1-8b-instruct
accounts/fireworks/models/llama-v3p1-8b-instruct
Llama-3.2-3B-Instruct-abliterated-Q4_K_M.gguf
llama3.2-abliterated:3b|Q4_K_M|3.21
huihui_ai/llama3.2-abliterate:3b|Q4_K_M|3.21
dolphin3:8b|Q4_K_M|8.03
Hermes-3-Llama-3.1-8B-Q4_K_M.gguf
llama-3.1-nemotron-70b-instruct|Q4_K_M
mradermacher/Llama-3.1-8B-Instruct-i1-GGUF:Q4_K_M
someone/llama3.1:8b|Q4_K_M|8.03
someone/mine-GGUF:Q4_K_M; hf.co/someone/mine-GGUF:Q4_K_M|Q4_K_M
someone/mine-GGUF:Q8_0
another/mine-GGUF:Q4_K_M
glm4:9b|Q4_0|9.4; glm-4-9b-chat|Q4_0|9.4
GLM-4-9B-Q4_0.gguf
qwen3-vl:8b|Q4_K_M|8.77
qwen3-vl-8b-instruct|Q4_K_M; qwen3-vl:8b-instruct-q4_K_M|Q4_K_M|8.77
qwen3-vl-8b-thinking|Q4_K_M
DeepSeek-V2-Lite-Q4_K_M.gguf
deepseek-v2:16b|Q4_0|15.7
DeepSeek-V2-Lite-Chat-Q4_K_M.gguf
gpt-j-6b
gpt-j:6b
qwen2.5-7b-instruct-1m|Q4_K_M|7.62
gpt-oss-safeguard:20b|MXFP4|20.9
snowflake-arctic-embed2:568m|F16|0.567
deepseek-v3-0324|Q4_K_M
deepseek-v3|Q4_K_M
mario:latest|Q4_K_M|3.21
assistant|Q4_K_M|3.21
llama3.1|Q4_K_M|405
llama-3.1-8b|Q4_K_M
model
default
"""
GROUPS = [[row.strip() for row in line.split(";")] for line in SAME.strip().replace("\n  ", ";").splitlines()]


def told(row: str, backend: str = "b") -> Deployment:
    """A deployment of one row of the table."""
    name, quantization, parameters, form, *_ = [*row.split("|"), "", "", ""]
    return replace(
        a_deployment(f"{backend}/{name}", capabilities=frozenset({Capability.CHAT})),
        traits=Traits(
            quantization=quantization or None,
            parameters=round(float(parameters) * 1e9) if parameters else None,
            format=form or None,
        ),
    )


def groups_of(*deployments: Deployment) -> list[list[str]]:
    """The names in each group, in order."""
    found = group(map(evidence_of, deployments))
    parts = {id(each): [one.partition("/")[2] for one in each.ids] for each in found.of.values()}
    return sorted(sorted(part) for part in parts.values())


def a_model(name: str, digest: str | None = None, quantization: str | None = "Q4_K_M", **known: object) -> Deployment:
    """A deployment that tells these."""
    traits = Traits(quantization=quantization, digest=digest)
    return replace(a_deployment(name), traits=replace(traits, **known))  # type: ignore[arg-type]


def test_the_table_is_as_long_as_the_world_is_wide() -> None:
    """Names of all runtimes and clouds."""
    assert sum(map(len, GROUPS)) >= 200


@pytest.mark.parametrize("line", GROUPS, ids=lambda line: line[0])
def test_all_names_of_a_line_are_one_model(line: list[str]) -> None:
    """However many spellings one model has."""
    rows = [told(row, f"b{number}") for number, row in enumerate(line)]
    assert [sorted(row.split("|")[0] for row in line)] == groups_of(*rows)


def test_no_two_lines_are_one_model() -> None:
    """Every name in the table against all others at once: near misses stay apart."""
    rows = [told(row, f"b{number}") for number, row in enumerate(row for line in GROUPS for row in line)]
    expected = sorted(sorted(row.split("|")[0] for row in line) for line in GROUPS)
    found = groups_of(*rows)
    assert ([], []) == (
        [each for each in expected if each not in found],
        [each for each in found if each not in expected],
    )


def test_the_same_digest_is_the_same_whatever_the_names() -> None:
    """Ollama's `cp` gives the same blob a second name."""
    assert [["llama3.2:3b", "my-copy:latest"]] == groups_of(a_model("a/llama3.2:3b", A), a_model("b/my-copy:latest", A))


def test_another_digest_is_another_file() -> None:
    """Equal names do not outweigh different bytes."""
    one, other = a_model("a/llama3.2:3b", A), a_model("b/llama-3.2-3b-instruct", B)
    assert [["llama-3.2-3b-instruct"], ["llama3.2:3b"]] == groups_of(one, other)
    assert "another file: digest bbbbbbbbbbbb, not aaaaaaaaaaaa" == why_not(evidence_of(one), evidence_of(other))


def test_what_lies_between_two_that_contradict_is_no_bridge() -> None:
    """A name that could be either file is neither."""
    found = groups_of(a_model("a/llama3.2:3b", A), a_model("b/llama-3.2-3b-instruct"), a_model("c/llama3.2:3b", B))
    assert [["llama-3.2-3b-instruct"], ["llama3.2:3b"], ["llama3.2:3b"]] == found


def test_weights_as_published_are_the_same_in_any_file() -> None:
    """Whoever packs gpt-oss changes the file around the weights, and not them."""
    one, other = a_model("a/gpt-oss:120b", A, "MXFP4"), a_model("b/ggml-org/gpt-oss-120b-GGUF", B, "MXFP4")
    assert [["ggml-org/gpt-oss-120b-GGUF", "gpt-oss:120b"]] == groups_of(one, other)
    assert "name (gpt-oss instruct 120b), MXFP4" == why(evidence_of(one), evidence_of(other))


def test_another_quantisation_is_other_weights_of_the_same_model() -> None:
    """They are told apart, and told of each other."""
    one, other = a_model("a/llama3.2:3b"), a_model("b/llama3.2:3b-instruct-q8_0", quantization="Q8_0")
    found = group([evidence_of(one), evidence_of(other)])
    assert [("b/llama3.2:3b-instruct-q8_0",)] == [each.ids for each in found.relatives(one.id)]
    assert "another quantisation: Q8_0, not Q4_K_M" == why_not(evidence_of(one), evidence_of(other))


def test_a_quantisation_that_nobody_told_is_not_taken_for_equal() -> None:
    """A cloud that serves open weights may serve worse ones."""
    one, cloud = a_model("a/llama-3.2-3b-instruct"), a_model("b/meta-llama/llama-3.2-3b-instruct", quantization=None)
    assert 2 == len(groups_of(one, cloud))
    assert "b/meta-llama/llama-3.2-3b-instruct does not tell its quantisation" == why_not(
        evidence_of(one), evidence_of(cloud)
    )


def test_two_packagers_made_two_files() -> None:
    """Both have quantised by themselves, and one may have done it better."""
    one, other = (a_model(f"a/{who}/Llama-3.2-3B-Instruct-GGUF:Q4_K_M") for who in ("bartowski", "unsloth"))
    assert 2 == len(groups_of(one, other))
    assert "another file: unsloth made it, not bartowski" == why_not(evidence_of(one), evidence_of(other))


def test_a_count_of_parameters_that_belies_the_name_proves_nothing() -> None:
    """Somebody called a large model by the name of a small one."""
    assert 2 == len(groups_of(a_model("a/llama3.2:3b"), a_model("b/llama-3.2-3b-instruct", parameters=70 * 10**9)))


def test_a_repository_says_what_a_served_name_hides() -> None:
    """Servers are told which name to go by; vLLM's root is what it was started with."""
    one, other = (a_model(f"{name}", None, None, repo="Qwen/Qwen2.5-7B-Instruct") for name in ("a/default", "b/gpt-4"))
    assert [["default", "gpt-4"]] == groups_of(one, other)
    assert "repository Qwen/Qwen2.5-7B-Instruct, as published" == why(evidence_of(one), evidence_of(other))


def test_a_system_prompt_makes_another_model_of_the_same_weights() -> None:
    """Who asks for Mario does not want a plain Llama, nor the other way round."""
    mario = a_model("a/mario:latest", A, extras=frozenset({"system"}))
    assert [["llama3.2:3b"], ["mario:latest"]] == groups_of(a_model("a/llama3.2:3b", A), mario)


def test_a_system_prompt_that_came_with_a_model_belongs_to_it() -> None:
    """Some models of Ollama's library have one, under the names that everybody knows."""
    one = a_model("a/qwen2.5:7b", A, extras=frozenset({"system"}))
    assert [["qwen2.5-7b-instruct", "qwen2.5:7b"]] == groups_of(one, a_model("b/qwen2.5-7b-instruct"))


def test_an_adapter_makes_other_weights() -> None:
    """Also under the same name."""
    one = a_model("a/llama3.2:3b", extras=frozenset({"adapter"}))
    assert 2 == len(groups_of(one, a_model("b/llama3.2:3b")))


def test_an_embedder_is_not_the_model_it_was_made_from() -> None:
    """What they can do tells them apart, if their names do not."""
    one = a_model("a/qwen3:8b")
    assert 2 == len(groups_of(one, replace(one, backend="b", capabilities=frozenset({Capability.EMBEDDING}))))


def test_a_clouds_name_on_this_machine_is_only_a_name() -> None:
    """A proxy here may call anything `gpt-4o`."""
    one, other = a_model("a/gpt-4o", quantization=None), a_model("b/openai/gpt-4o", quantization=None)
    assert 1 == len(groups_of(one, other))
    assert 2 == len(groups_of(replace(one, local=True), other))


def test_who_published_a_file_tells_it_from_other_files_of_the_same_model() -> None:
    """LM Studio calls both by one name, and tells the owner beside it."""
    names = ("a/llama-3.2-3b-instruct", "b/llama-3.2-3b-instruct@q4_k_m")
    one, other = (
        a_model(name, publisher=who, format="gguf") for name, who in zip(names, ("bartowski", "unsloth"), strict=True)
    )
    hub = a_model("c/unsloth/Llama-3.2-3B-Instruct-GGUF:Q4_K_M")
    expected = [["llama-3.2-3b-instruct"], [other.model, hub.model]]
    assert expected == groups_of(one, other, hub)
    assert "another file: unsloth made it, not bartowski" == why_not(evidence_of(one), evidence_of(other))


def test_a_model_that_nobody_knows_is_the_same_as_its_publishers_repository() -> None:
    """Its name alone would prove nothing."""
    here = a_model("a/nightjar-8b", publisher="Somebody", format="gguf")
    there = a_model("b/somebody/Nightjar-8B-GGUF:Q4_K_M")
    assert [["nightjar-8b", "somebody/Nightjar-8B-GGUF:Q4_K_M"]] == groups_of(here, there)
    assert 2 == len(groups_of(here, replace(there, model="else/Nightjar-8B-GGUF:Q4_K_M")))


def test_what_a_stranger_published_is_not_known_by_its_name() -> None:
    """As with a repository of his: it may be his own training."""
    assert 2 == len(groups_of(a_model("a/llama3.2:3b"), a_model("b/llama-3.2-3b-instruct", publisher="somebody")))


def test_a_makers_own_and_a_known_packagers_files_are_known_by_their_names() -> None:
    """What LM Studio puts before the names of embedding models is no part of them."""
    embeds = frozenset({Capability.EMBEDDING})
    names = ("a/nomic-embed-text:v1.5", "b/text-embedding-nomic-embed-text-v1.5", "c/nomic-embed-text-v1.5-f16.gguf")
    rows = [replace(a_model(name, quantization="F16"), capabilities=embeds) for name in names]
    rows[1] = replace(rows[1], traits=replace(rows[1].traits, publisher="nomic-ai", format="gguf"))
    assert 1 == len(groups_of(*rows))
    mlx = a_model("a/qwen2.5-coder-7b-instruct", quantization="4bit", format="mlx", publisher="mlx-community")
    hub = a_model("b/mlx-community/Qwen2.5-Coder-7B-Instruct-4bit", quantization=None)
    assert 1 == len(groups_of(mlx, hub))
