"""Whatever people write about licences, owners and sizes: one answer, and never a laxer one for more words."""

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.core.artifacts import FileName, PlannedFile
from roundhouse.core.errors import PolicyError
from roundhouse.library.admission import (
    LicenseRules,
    PolicyRules,
    Stance,
    code_flags,
    normalized,
    owners_of,
    recognized,
)
from roundhouse.library.admission.licenses import together

_STRICTNESS = [Stance.ALLOW, Stance.ASK, Stance.REFUSE]
_IDS = st.sampled_from(["mit", "apache-2.0", "gemma", "llama3.1", "gpl-3.0", "other", "cc-by-nc-4.0"])
_PATTERNS = st.lists(st.sampled_from(["mit", "*", "gpl-*", "llama*", "cc-*", "gemma"]), max_size=3)
_RULES = st.builds(LicenseRules, accept=_PATTERNS, ask=_PATTERNS, refuse=_PATTERNS, unknown=st.sampled_from(Stance))
_OWNERS = st.lists(st.sampled_from(["acme", "evil", "e*", "*", "library", "a?me"]), max_size=3)
_REFS = st.sampled_from(["hf:acme/x", "hf:evil/x", "ollama:x", "ollama:evil/x", "https://acme/x", "file:/x", "hf:x"])


def allowed(rules: PolicyRules, ref: str) -> bool:
    """Whether the owner passes."""
    try:
        rules.check_owner(ref)
    except PolicyError:
        return False
    return True


@given(st.text())
def test_a_normalized_word_stays_as_it_is(said: str) -> None:
    """Normalising twice is normalising once."""
    assert normalized(said) == normalized(normalized(said))


@given(_RULES, st.lists(_IDS, min_size=1, max_size=3))
def test_more_licenses_are_never_laxer(rules: LicenseRules, ids: list[str]) -> None:
    """All of them hold at once."""
    strictest = max((rules.stance_of(each) for each in ids), key=_STRICTNESS.index)
    assert strictest is rules.stance_of(together(ids))


@given(_RULES, _IDS, st.sampled_from(["mit", "*", "gemma"]))
def test_a_rule_more_that_refuses_is_never_laxer(rules: LicenseRules, license_id: str, pattern: str) -> None:
    """What was refused stays refused, and what was asked about is not let in."""
    stricter = LicenseRules(rules.accept, rules.ask, [*rules.refuse, pattern], rules.unknown)
    before, after = rules.stance_of(license_id), stricter.stance_of(license_id)
    assert _STRICTNESS.index(before) <= _STRICTNESS.index(after)


@given(st.text(max_size=400))
def test_no_noise_is_taken_for_a_permissive_license(text: str) -> None:
    """What is not known is asked about."""
    assert Stance.ASK is LicenseRules().stance_of(recognized(text))


@given(_OWNERS, _OWNERS, _REFS)
def test_the_block_list_wins(allow: list[str], block: list[str], ref: str) -> None:
    """What it names passes under no allow list; without both lists everything passes."""
    if not allowed(PolicyRules((), block), ref):
        assert not allowed(PolicyRules(allow, block), ref)
    assert allowed(PolicyRules(), ref)


@given(st.text(max_size=60), st.sampled_from(["hf", "ollama", "https", "file", "x"]))
def test_any_reference_has_owners_or_is_refused_by_an_allow_list(rest: str, scheme: str) -> None:
    """No spelling gets around a list that allows nobody."""
    ref = f"{scheme}:{rest}" if scheme != "https" else f"https://{rest}"
    if scheme in {"hf", "ollama", "https"}:
        assert not allowed(PolicyRules(allowed_owners=["nobody-is-called-this"]), ref)
    else:
        assert () == owners_of(ref)


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 50))
def test_a_size_passes_exactly_up_to_the_limit(size: int, limit: int) -> None:
    """No further, and no less."""
    try:
        PolicyRules(max_file_size=limit).check_file(PlannedFile(FileName("m.gguf"), size, None, ""))
        passed = True
    except PolicyError:
        passed = False
    assert (size <= limit) == passed


@given(st.lists(st.text(max_size=30), max_size=40))
def test_flags_are_bounded(names: list[str]) -> None:
    """However many files a repository has."""
    assert len(code_flags(names, remote_code=True, chat_template=True)) <= 23
