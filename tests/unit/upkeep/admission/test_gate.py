import hashlib
from dataclasses import replace

import pytest

from roundhouse.core.artifacts import Digest, FileName, Plan, PlannedFile
from roundhouse.core.errors import LicenseError, PolicyError, SchemaError, VerifyError
from roundhouse.library.admission import LicenseRules, PolicyRules, Stance
from roundhouse.sources.hub import HubSource
from roundhouse.testing.builders import an_artifact
from roundhouse.testing.clock import FakeClock
from roundhouse.testing.hub import Hub
from roundhouse.testing.licenses import MemoryLicenses
from roundhouse.testing.source import ScriptedSource
from roundhouse.upkeep.admission import Admission, LicenseBook

PLAN = Plan("hf:acme/tiny", "hf", "acme/tiny", "c0ffee", (ScriptedSource(b"weights").file(),), license_source="hub")
GEMMA = b"Gemma Terms of Use\n\nBe kind."


def a_gate(*, rules: PolicyRules | None = None, licenses: LicenseRules | None = None) -> tuple[Admission, LicenseBook]:
    """Build a gate whose book is empty."""
    clock = FakeClock()
    book = LicenseBook(MemoryLicenses(), licenses or LicenseRules(), clock)
    return Admission(rules or PolicyRules(), book, clock), book


def with_text(text: bytes, license_id: str | None = None) -> tuple[Plan, ScriptedSource]:
    """Build a plan with a file that holds the text of its licence, and the source to read it from."""
    source = ScriptedSource(text)
    return replace(PLAN, license=license_id, license_files=(source.file("LICENSE"),)), source


async def test_the_digest_is_that_of_the_text() -> None:
    """So that anybody can compare it with the file."""
    gate, book = a_gate()
    plan = await gate.read(*with_text(GEMMA, "gemma"))
    assert plan.license_digest == hashlib.sha256(GEMMA).hexdigest()
    terms = book.find(Digest(plan.license_digest))
    assert terms is not None
    assert (GEMMA.decode(), "hub", "c0ffee") == (terms.text, terms.source, terms.revision)


async def test_a_text_alone_tells_the_license() -> None:
    """Registries name none."""
    gate, _ = a_gate()
    assert "gemma" == (await gate.read(*with_text(GEMMA))).license
    assert "other" == (await gate.read(*with_text(b"Only on Sundays."))).license


async def test_a_text_that_says_otherwise_counts() -> None:
    """A model that is called free under a text that is not."""
    gate, _ = a_gate()
    plan = await gate.read(*with_text(GEMMA, "mit"))
    assert ("gemma and mit", "needed") == (plan.license, gate.state(plan, "ada"))


async def test_what_nobody_agreed_to_does_not_pass() -> None:
    """The error says to what, where it is, and what to type."""
    gate, _ = a_gate()
    plan = replace(await gate.read(*with_text(GEMMA, "gemma")), license_url="https://x/terms")
    with pytest.raises(LicenseError, match=r"gemma.*https://x/terms") as caught:
        gate.check(plan, "ada")
    assert ("gemma", plan.license_digest) == (caught.value.details["license"], caught.value.details["text_sha256"])
    assert "roundhouse licenses accept" in (caught.value.hint or "")


async def test_everybody_agrees_for_themselves() -> None:
    """Whoever asked is who has to have agreed; nobody in particular is anybody."""
    gate, book = a_gate()
    plan = await gate.read(*with_text(GEMMA, "gemma"))
    assert plan.license_digest is not None
    await book.accept(plan.license_digest, plan.license, "ada")
    gate.check(plan, "ada")
    gate.check(plan, None)
    with pytest.raises(LicenseError):
        gate.check(plan, "bob")


async def test_a_changed_text_is_asked_about_again() -> None:
    """Agreeing to one text is agreeing to no other."""
    gate, book = a_gate()
    plan = await gate.read(*with_text(GEMMA, "gemma"))
    assert plan.license_digest is not None
    await book.accept(plan.license_digest, plan.license, "ada")
    with pytest.raises(LicenseError):
        gate.check(await gate.read(*with_text(GEMMA + b" Or else.", "gemma")), "ada")


@pytest.mark.parametrize("license_id", ["mit", "apache-2.0"])
async def test_permissive_licenses_pass(license_id: str) -> None:
    """With a text or without."""
    gate, _ = a_gate()
    plan = await gate.read(replace(PLAN, license=license_id), ScriptedSource(b""))
    gate.check(plan, "ada")
    assert "free" == gate.state(plan, "ada")


@pytest.mark.parametrize("stance", list(Stance))
async def test_no_license_is_what_the_rules_say(stance: Stance) -> None:
    """Known as unknown, asked about, or refused; the message names the setting."""
    gate, _ = a_gate(licenses=LicenseRules(unknown=stance))
    plan = await gate.read(PLAN, ScriptedSource(b""))
    state = {Stance.ALLOW: "unknown", Stance.ASK: "needed", Stance.REFUSE: "refused"}[stance]
    assert (None, state) == (plan.license, gate.state(plan, "ada"))
    if stance is Stance.REFUSE:
        with pytest.raises(PolicyError) as caught:
            gate.check(plan, "ada")
        assert "library.licenses.unknown" == caught.value.details["rule"]


async def test_a_refused_license_is_refused_whoever_agrees() -> None:
    """An administrator's word stands above."""
    gate, book = a_gate(licenses=LicenseRules(refuse=["gemma"]))
    plan = await gate.read(*with_text(GEMMA))
    assert plan.license_digest is not None
    await book.accept(plan.license_digest, "gemma", "ada")
    with pytest.raises(PolicyError, match="gemma"):
        gate.check(plan, "ada")


async def test_a_blocked_owner_is_not_asked_for_a_text() -> None:
    """Nothing is read from who may not be read from."""
    gate, _ = a_gate(rules=PolicyRules(blocked_owners=["acme"]))
    plan, source = with_text(GEMMA)
    with pytest.raises(PolicyError):
        await gate.read(plan, source)
    assert [] == source.opened


async def test_texts_have_a_largest_size() -> None:
    """A licence is no book."""
    gate, _ = a_gate()
    with pytest.raises(SchemaError, match="too long"):
        await gate.read(*with_text(b"x" * ((1 << 20) + 1)))


async def test_a_promised_text_has_to_be_the_one() -> None:
    """A registry names its licence by its digest."""
    gate, _ = a_gate()
    wrong = PlannedFile(FileName("license"), None, Digest("0" * 64), "license")
    with pytest.raises(VerifyError):
        await gate.read(replace(PLAN, license_files=(wrong,)), ScriptedSource(GEMMA))


async def test_a_thousand_licenses_are_not_read() -> None:
    """One model has a few."""
    gate, _ = a_gate()
    plan, source = with_text(GEMMA)
    with pytest.raises(SchemaError):
        await gate.read(replace(plan, license_files=plan.license_files * 9), source)
    assert [] == source.opened


async def test_what_came_with_the_program_passes() -> None:
    """Or a strict house could not start; whether it may be loaded is another question."""
    gate, book = a_gate(rules=PolicyRules(formats=[], max_file_size=1), licenses=LicenseRules(refuse=["*"]))
    plan = await gate.read(replace(PLAN, source="bundled", license="mit"), ScriptedSource(b""))
    gate.check(plan, None)
    assert "refused" in (book.bar(replace(an_artifact(), license="mit")) or "")


async def test_the_text_of_a_hub_is_that_of_the_commit() -> None:
    """What is agreed to is the file at the revision that is fetched, whatever the branch says later."""
    async with Hub() as hub:
        commit = hub.add("acme/m", {"m.gguf": b"x", "LICENSE": GEMMA}, license="gemma")
        source = HubSource(hub.endpoint)
        plan = await source.resolve("hf:acme/m")
        hub.add("acme/m", {"LICENSE": b"something else"})
        gate, book = a_gate()
        read = await gate.read(plan, source)
    assert (commit, hashlib.sha256(GEMMA).hexdigest()) == (read.revision, read.license_digest)
    assert [GEMMA.decode()] == [each.text for each in book.terms]
