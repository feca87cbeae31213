from dataclasses import astuple, replace
from pathlib import Path

import pytest

from roundhouse.core.artifacts import Digest, Plan
from roundhouse.library.admission import (
    LicenseRules,
    Stance,
    normalized,
    recognized,
    terms_digest,
    terms_of,
    text_files,
)
from roundhouse.library.admission.licenses import together

ROOT = Path(__file__).parents[4]
MIT = """MIT License

Copyright (c) 2026 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Apache-2.0", "apache-2.0"),
        ("Apache License 2.0", "apache-2.0"),
        ("apache 2.0", "apache-2.0"),
        (" MIT ", "mit"),
        ("MIT License", "mit"),
        ("llama3.1", "llama3.1"),
        ("Llama 3.1", "llama3.1"),
        ("CC-BY-NC-4.0", "cc-by-nc-4.0"),
        ("some (strange) words", "other"),
        ("BSD-3-Clause with exceptions", "other"),
        ("x" * 101, "other"),
        ("unknown", None),
        ("", None),
        (None, None),
    ],
)
def test_what_people_write_becomes_an_id(said: str | None, meant: str | None) -> None:
    """One spelling each; what is no id is ``other``, and nothing is nothing."""
    assert meant == normalized(said)


@pytest.mark.parametrize(
    "license_id", ["apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "isc", "unlicense", "mpl-2.0"]
)
def test_permissive_licenses_ask_nobody(license_id: str) -> None:
    """They may be used by whoever keeps the notice."""
    assert Stance.ALLOW is LicenseRules().stance_of(license_id)


@pytest.mark.parametrize(
    "license_id", ["llama3", "llama3.1", "gemma", "other", "cc-by-nc-4.0", "openrail", "gpl-3.0", "never-heard-of-it"]
)
def test_all_others_ask(license_id: str) -> None:
    """Also those that nobody here has heard of."""
    assert Stance.ASK is LicenseRules().stance_of(license_id)


def test_the_strictest_rule_wins() -> None:
    """Refusing before asking, asking before accepting."""
    rules = LicenseRules(accept=["*"], ask=["gpl-*"], refuse=["agpl-*", "GPL-2.0"])
    stances = [rules.stance_of(each) for each in ("mit", "gpl-3.0", "gpl-2.0", "agpl-3.0")]
    assert [Stance.ALLOW, Stance.ASK, Stance.REFUSE, Stance.REFUSE] == stances


def test_two_licenses_at_once_are_as_strict_as_the_stricter() -> None:
    """A model under both is under both."""
    assert "llama3 and mit" == together(["MIT", None, "Llama 3", "mit"])
    assert Stance.ASK is LicenseRules().stance_of("llama3 and mit")


@pytest.mark.parametrize("unknown", list(Stance))
def test_no_license_at_all_is_what_the_rules_say(unknown: Stance) -> None:
    """Allowed unless an administrator says otherwise."""
    assert unknown is LicenseRules(unknown=unknown).stance_of(None)


def test_texts_are_recognized() -> None:
    """By all their words if they ask for nothing, by their head if they do."""
    apache = (ROOT / "LICENSE").read_text()
    assert ["apache-2.0", "mit"] == [recognized(apache), recognized(MIT)]
    assert "llama3.1" == recognized("LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\nVersion Release Date: …")
    assert "gemma" == recognized("Gemma Terms of Use\n\nLast modified: …")


@pytest.mark.parametrize(
    "text",
    [
        MIT + "\nCommercial use is forbidden.",
        MIT.replace("to deal\nin the Software without restriction", "to look at the Software"),
        "word " * 3000 + MIT,
        "",
    ],
)
def test_an_amended_text_is_another_one(text: str) -> None:
    """A single sentence more may take everything back."""
    assert "other" == recognized(text)


def test_an_amended_apache_license_is_another_one() -> None:
    """Inside its terms, and around them."""
    apache = (ROOT / "LICENSE").read_text()
    for amended in (apache.replace("perpetual", "revocable", 1), apache + "\nExcept on Sundays.\n" * 200):
        assert "other" == recognized(amended)


def test_a_license_without_a_text_is_told_apart_by_its_facts() -> None:
    """A named one is the same for every model; ``other`` belongs to its model."""
    assert terms_digest("gemma", None, None, "a/b") == terms_digest("gemma", None, None, "c/d")
    assert terms_digest("other", None, None, "a/b") != terms_digest("other", None, None, "c/d")
    assert terms_digest("gemma", None, "https://x", "a/b") != terms_digest("gemma", None, None, "a/b")


@pytest.mark.parametrize(
    ("names", "linked", "found"),
    [
        (["LICENSE", "README.md"], None, ("LICENSE",)),
        (["LICENSE.txt", "USE_POLICY.md"], None, ("LICENSE.txt",)),
        (["license-llama.md", "COPYING"], None, ("COPYING",)),
        (["LICENSE", "TERMS.pdf"], "TERMS.pdf", ("TERMS.pdf",)),
        (["LICENSE"], "https://x/terms", ("LICENSE",)),
        (["docs/LICENSE", "license.py", "licensed.gguf"], None, ()),
    ],
)
def test_the_file_with_the_text_is_found(names: list[str], linked: str | None, found: tuple[str, ...]) -> None:
    """The one that its publisher links, else the one called so at the root."""
    assert found == text_files(names, linked)


def test_a_header_speaks_where_nobody_else_did() -> None:
    """What was planned is what was agreed to; what nobody named before is asked about before the first load."""
    digest = Digest("1" * 64)
    silent = Plan("hf:a/b", "hf", "a/b", "1", (), license_digest=digest)
    told = replace(silent, license="mit", license_source="hub")
    assert ("mit", digest, "hub") == astuple(terms_of(told, "gemma"))
    assert (None, digest, None) == astuple(terms_of(silent, None))
    claim = terms_of(silent, "Llama 3.1")
    assert ("llama3.1", "header", True) == (claim.license, claim.source, claim.digest != digest)
