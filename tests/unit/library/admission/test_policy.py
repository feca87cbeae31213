import pytest

from roundhouse.core.artifacts import FileName, Plan, PlannedFile
from roundhouse.core.errors import PolicyError
from roundhouse.library.admission import PolicyRules, owners_of


def a_planned_file(name: str = "m.gguf", size: int | None = 100) -> PlannedFile:
    """Build a file that nobody would mind."""
    return PlannedFile(FileName(name), size, None, name)


def a_plan(ref: str, *files: PlannedFile) -> Plan:
    """Build a plan of *files*."""
    return Plan(ref, "hf", "m", "1", files or (a_planned_file(),))


@pytest.mark.parametrize(
    ("ref", "owners"),
    [
        ("hf:Acme/tiny:Q4_K_M", ("acme",)),
        ("hf:acme/tiny@refs/pr/1", ("acme",)),
        ("hf:gpt2", ("",)),
        ("ollama:qwen2.5:1.5b", ("library",)),
        ("ollama:acme/tiny", ("acme",)),
        ("ollama:registry.example:5000/acme/tiny:v1", ("acme", "registry.example:5000/acme")),
        ("https://models.example/tiny.gguf#sha256=0", ("models.example",)),
        ("file:/models/tiny.gguf", ()),
        ("bundled:noise", ()),
    ],
)
def test_whose_a_reference_is(ref: str, owners: tuple[str, ...]) -> None:
    """Its owner at the hub or the registry, the host of an address, nobody for what is here."""
    assert owners == owners_of(ref)


@pytest.mark.parametrize("ref", ["hf:evil-corp/tiny", "ollama:evil-corp/tiny", "HF:EVIL-corp/tiny"])
def test_a_blocked_owner_is_refused(ref: str) -> None:
    """The message names the setting."""
    with pytest.raises(PolicyError) as caught:
        PolicyRules(blocked_owners=["evil-*"], allowed_owners=["*"]).check_owner(ref)
    assert {"rule": "library.blocked_owners", "value": "evil-*"} == caught.value.details


def test_an_allow_list_is_complete() -> None:
    """Who is not on it is refused; what is on this machine has no owner."""
    rules = PolicyRules(allowed_owners=["acme", "models.example"])
    for fine in ("hf:acme/tiny", "https://models.example/x.gguf", "file:/x.gguf", "bundled:noise"):
        rules.check_owner(fine)
    for refused in ("hf:other/tiny", "ollama:tiny", "hf:gpt2", "https://acme.example/x.gguf"):
        with pytest.raises(PolicyError, match="not among those"):
            rules.check_owner(refused)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.PTH", "m.ckpt", "m.pkl", "m.npz"])
def test_pickles_are_refused_unless_somebody_insists(name: str) -> None:
    """They run whatever their maker liked."""
    with pytest.raises(PolicyError, match="pickle"):
        PolicyRules().check_file(a_planned_file(name))
    PolicyRules(formats=["gguf", "Pickle"]).check_file(a_planned_file(name))


def test_formats_can_be_narrowed() -> None:
    """What holds no weights is no format."""
    rules = PolicyRules(formats=["gguf"])
    for name in ("m.gguf", "license", "params.json"):
        rules.check_file(a_planned_file(name))
    with pytest.raises(PolicyError) as caught:
        rules.check_file(a_planned_file("m.safetensors"))
    assert "library.formats" == caught.value.details["rule"]


@pytest.mark.parametrize("size", [11, None])
def test_sizes_can_be_limited(size: int | None) -> None:
    """A size that nobody tells may be any size."""
    PolicyRules(max_file_size=10).check(a_plan("hf:a/b", a_planned_file(size=10)))
    with pytest.raises(PolicyError) as caught:
        PolicyRules(max_file_size=10).check(a_plan("hf:a/b", a_planned_file(size=size)))
    assert "library.max_file_size" == caught.value.details["rule"]
