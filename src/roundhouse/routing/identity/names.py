"""What a model's name says about its weights. Pure; knows nothing about deployments.

Runtimes write one name in many ways: ``llama3.1:8b`` (Ollama), ``meta-llama-3.1-8b-instruct`` (LM Studio),
``bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q4_K_M`` (a hub), ``…-Q4_K_M.gguf`` (a file). A name is taken apart into
words; only what is known to mean nothing is left out. Every word that nobody knows stays, and sets its name apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from roundhouse.routing.identity.families import (
    CLOSED,
    FAMILIES,
    HALVED,
    HYPHENED,
    MAKERS,
    MOVED,
    NATIVE,
    PACKAGERS,
    R1_DISTILLED,
    R1_LATER,
    VARIANTS,
    Silence,
)

#: Longer ones are no names of models; reading them would only take time.
_LONGEST = 200
_FILE = re.compile(r"(?:-\d{5}-of-\d{5})?\.gguf$|-gguf$|[-_.]ggml$", re.IGNORECASE)
_QUANTIZED = re.compile(
    r"(?:^|(?<=[-_.:/@]))(ud-)?(i?q[1-8](?:_(?:[01]|k|xxs|xs|s|m|l|xl|nl)){0,2}|tq[12]_0|mxfp4(?:_moe)?|nvfp4|bf16|fp?16|"
    r"fp?32|fp8|int[48]|awq|gptq|[2-8]-?bit|dwq|w[48]a(?:8|16))(?=$|[-_.:/@])",
    re.IGNORECASE,
)
_GLUED = re.compile(r"([a-z]+?)(\d+(?:\.\d+)?)(n|[a-z]{2,})?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([bm])")
_MIXED = re.compile(r"\d+x\d+(?:\.\d+)?b|\d+e|[ae]\d+(?:\.\d+)?b")
_EXPERTS = re.compile(r"\d+x\d+(?:\.\d+)?b|\d+e")
_GGUF = re.compile(r"\bgguf\b|_gguf\b", re.IGNORECASE)
_MLX = re.compile(r"(?:^|[-_/])mlx(?:$|[-_/])", re.IGNORECASE)
_TALKS, _BASE = frozenset({"instruct", "it", "chat"}), frozenset({"base", "text", "pt"})
_NUMBER = re.compile(r"v?\d+(?:\.\d+){0,2}[a-z]?")
_UNITS = {"b": 10**9, "m": 10**6}
#: Between what a name says and the count, all that makers round away: Qwen3-0.6B has 0.75, Gemma-7B 8.5 billion.
_ROUNDED = 1.35


@dataclass(frozen=True, slots=True)
class Named:
    """A name that was understood."""

    #: All its words in alphabetical order, without size and quantisation.
    words: tuple[str, ...]
    #: As the name says it, such as ``8b``.
    size: str | None = None
    quantization: str | None = None
    #: The family's weights are with their maker only.
    closed: bool = False
    #: Whose packaging it is, when the name says so; several bring the same weights in different files.
    packager: str | None = None
    #: The weights as their maker published them.
    native: str | None = None

    @property
    def parameters(self) -> int | None:
        """About how many the name says; ``None`` where experts make the sum something else."""
        return None if any(_EXPERTS.fullmatch(word) for word in self.words) else nominal(self.size)


def nominal(size: str | None) -> int | None:
    """The count of parameters that ``8b`` means."""
    match = _SIZE.fullmatch(size or "")
    return None if match is None else round(float(match[1]) * _UNITS[match[2]])


def near(one: int, other: int, within: float = _ROUNDED) -> bool:
    """Whether two counts of parameters may mean the same."""
    low, high = sorted((one, other))
    return 0 < high <= low * within


def read(name: str, family: str | None = None) -> Named | None:
    """Understand *name*; ``None`` when it says too little. *family* is what the runtime calls the architecture."""
    if not name.isascii() or not 0 < len(name) <= _LONGEST:
        return None
    owner, base, tag = _parts(name)
    if owner is not None and owner.lower() not in MAKERS | PACKAGERS:
        return None
    told, label = _without_quantization(f"{base}:{tag}" if tag else base)
    base, _, tag = told.partition(":")
    is_ollamas = owner in (None, "library") and bool(tag)
    words = _of_ollama(base, tag, family) if is_ollamas else [*_words(base), *_words(tag)]
    kind = _family(words)
    if kind in CLOSED:
        return Named(tuple(sorted(_dotted(words))), closed=True)
    # "latest" is what it was when somebody looked.
    voiced = None if kind is None or "latest" in words else _voiced(words, kind, _unsaid(words, kind, base, is_ollamas))
    sizes = [word for word in voiced or () if _SIZE.fullmatch(word) and not _MIXED.fullmatch(word)]
    if kind is None or voiced is None or len(sizes) > 1 or not all(map(_is_known, voiced)):
        return None
    return Named(
        tuple(sorted(word for word in voiced if word not in sizes)),
        size=sizes[0] if sizes else None,
        quantization=label_of(label, name if owner is not None else base),
        packager=owner.lower() if owner and (owner.lower() in PACKAGERS or _GGUF.search(name)) else None,
        native=NATIVE.get(kind),
    )


def hub_name(name: str) -> str | None:
    """``owner/repo``, with what its tag says beside a quantisation, in lower case; ``None`` for any other name."""
    if not name.isascii() or len(name) > _LONGEST:
        return None
    owner, base, tag = _parts(name)
    if owner is None or name.startswith(("/", ".", "~")) or "\\" in name:
        return None
    rest, _ = _without_quantization(f":{tag}")
    return f"{owner}/{base}{rest.rstrip(':')}".lower()


def label_of(text: str | None, name: str = "", form: str | None = None) -> str | None:
    """A quantisation as a runtime tells it, in one spelling; ``Q4_K - Medium`` is ``Q4_K_M``."""
    if not text or len(text) > _LONGEST or text.lower() in ("unknown", "none"):
        return None
    plain = text.strip().upper().replace(" - ", "_")
    for word in ("SMALL", "MEDIUM", "LARGE"):
        plain = plain.replace(f"_{word}", f"_{word[0]}")
    plain = _spelled(plain)
    is_mlx = form == "mlx" or (form is None and _is_mlx(name))
    return f"MLX-{plain}" if is_mlx and not plain.startswith("MLX-") else plain


def quantization_in(name: str) -> str | None:
    """The quantisation that a name tells, understood or not."""
    if not name.isascii() or len(name) > _LONGEST:
        return None
    _, base, tag = _parts(name)
    return label_of(_without_quantization(f"{base}:{tag}")[1], name)


def is_packed(repo: str) -> bool:
    """Whether a repository holds files of several quantisations."""
    return _GGUF.search(repo) is not None


def _spelled(label: str) -> str:
    return {"FP16": "F16", "FP32": "F32", "MXFP4_MOE": "MXFP4"}.get(label, label.replace("-BIT", "BIT"))


def _is_mlx(name: str) -> bool:
    return name.lower().startswith("mlx-community/") or _MLX.search(name) is not None


def _parts(name: str) -> tuple[str | None, str, str]:
    """Owner, name and tag; of a path and of ``hf.co/owner/repo`` what its end says."""
    head, at, quantization = name.replace("\\", "/").rstrip("/").partition("@")
    *folders, last = head.split("/")
    base, _, tag = last.partition(":")
    is_file = _FILE.search(last) is not None and last.lower().endswith(".gguf")
    owner = None if is_file or not folders else folders[-1]
    base = _FILE.sub("", base)
    return owner, base, ":".join(filter(None, (tag, quantization if at else "")))


def _without_quantization(text: str) -> tuple[str, str | None]:
    """The text without the words of a quantisation, and those."""
    found = [(match[1] or "") + match[2] for match in _QUANTIZED.finditer(text)]
    if not found:
        return text, None
    rest = _QUANTIZED.sub("", text)
    rest = re.sub(r"[-_.@]+(?=[-_.:@]|$)", "", rest)
    return re.sub(r":[-_.:@]*", ":", rest).rstrip(":"), "-".join(found).upper()


def _words(text: str) -> Iterator[str]:
    """The words of one part of a name, in lower case, without those that mean nothing."""
    text = text.lower()
    for family in HYPHENED:
        text = text.replace(family, family.replace("-", "\0"))
    for chunk in re.split(r"[-_:/ ]+", text):
        word = chunk.replace("\0", "-").strip(".")
        glued = _GLUED.fullmatch(word)
        if glued is not None and glued[1] in FAMILIES:
            yield glued[1]
            yield glued[2] + (glued[3] if glued[3] == "n" else "")
            if glued[3] and glued[3] != "n":
                yield glued[3]
        elif word and word not in ("gguf", "mlx", "hf", "meta"):
            yield word


def _is_known(word: str) -> bool:
    """Whether a word tells weights of one family apart, and not somebody's own from everybody's."""
    known = word in FAMILIES or word in VARIANTS or _NUMBER.fullmatch(word) or _MIXED.fullmatch(word)
    return bool(known or _SIZE.fullmatch(word))


def _family(words: Sequence[str]) -> str | None:
    """The family that the first word names, with its generation where that matters."""
    if len(words) > 1 and words[0] == "text-embedding" and words[1] in FAMILIES:
        return words[1]
    first = words[0] if words else ""
    if first in CLOSED and (first != "gpt" or (len(words) > 1 and words[1][:1].isdigit())):  # GPT-J is anybody's
        return first
    generation = f"{first} {words[1]}" if len(words) > 1 else first
    return generation if generation in FAMILIES else first if first in FAMILIES else None


def _of_ollama(base: str, tag: str, family: str | None) -> list[str]:
    """The words of a name in Ollama's library as everybody else would say them; none where it says too little."""
    words = [*_words(base), *([] if tag.lower() == "latest" else _words(tag))]
    sizes = [word for word in words if _SIZE.fullmatch(word)]
    halved = words[:2] == ["qwen", "3"] and not HALVED.isdisjoint(words)
    if f"{base}:{tag}".lower() in MOVED or (halved and {"instruct", "thinking"}.isdisjoint(words)):
        return []
    if words[:2] != ["deepseek", "r1"] or words[2:] != sizes or len(sizes) != 1:
        return words
    if sizes[0] in R1_DISTILLED:
        return [*words, "distill", R1_DISTILLED[sizes[0]]]
    after = R1_LATER.get((family or "").lower())
    return [*words, *after.split()] if sizes[0] == "8b" and after is not None else []


def _unsaid(words: Sequence[str], kind: str, base: str, is_ollamas: bool) -> str | None:  # noqa: FBT001 - private
    """What a name means that is silent about it: ``instruct`` or ``base``; ``None`` when nobody knows."""
    if FAMILIES[kind] is Silence.CHAT or is_ollamas:
        return "instruct"
    # Hubs keep capitals, and there a maker's plain name is the base; LM Studio writes all in lower case.
    return "base" if base != base.lower() and "distill" not in words else None


def _voiced(words: Sequence[str], kind: str, silent: str | None) -> list[str] | None:
    """The words with one that says whether these weights talk; ``None`` when that is not known."""
    if FAMILIES[kind] is Silence.ONE:
        return [word for word in words if word != "text-embedding"]
    said = {"instruct" for word in words if word in _TALKS} | {"base" for word in words if word in _BASE}
    rest = [word for word in words if word not in _TALKS | _BASE]
    if "distill" in rest:  # they all talk, and no name says so
        return rest
    if len(said) > 1 or (not said and silent is None):
        return None
    return [*rest, *(said or {silent or ""})]


def _dotted(words: Sequence[str]) -> list[str]:
    """``claude-3-5-sonnet`` as ``claude-3.5-sonnet``: makers and gateways differ."""
    text = " ".join(words)
    return re.sub(r"(?<![\w.])(\d) (\d)(?![\w.])", r"\1.\2", text).split(" ")
