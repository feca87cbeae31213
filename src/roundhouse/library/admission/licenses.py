"""Which licence a word or a text means, and whether somebody has to agree to it first. Pure; knows nothing about files.

Hubs write SPDX ids in lower case, GGUF files whatever their maker typed, registries only the text. A licence that is
not known here is never taken for one that is: what cannot be read is asked about.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from roundhouse.core.artifacts import Digest, Plan

#: Licences that ask nobody to agree to anything: use and change them, keep the notice.
PERMISSIVE = (
    "0bsd", "apache-2.0", "bsd", "bsd-*", "bsl-1.0", "cc-by-3.0", "cc-by-4.0", "cc0-1.0", "cdla-permissive-*",
    "ecl-2.0", "isc", "mit", "mit-0", "mpl-2.0", "ms-pl", "ncsa", "odc-by", "pddl", "postgresql", "unlicense",
    "upl-1.0", "wtfpl", "zlib",
)  # fmt: skip
OTHER = "other"
_LONGEST = 100
#: LICENSE, LICENCE.txt, COPYING.md, license-llama.
_TEXT_FILE = re.compile(r"(?:licen[sc]e|copying)(?:[-_][\w-]+)?(?:\.(?:txt|md|rst))?", re.ASCII | re.IGNORECASE)
_ID = re.compile(r"[a-z0-9][a-z0-9.+_-]*", re.ASCII)
_NOTHING = {"", "none", "unknown", "unspecified", "n/a", "na", "null", "tbd", "-"}
#: How people write what has an id.
_SPELLINGS = {
    "apache": "apache-2.0",
    "apache2": "apache-2.0",
    "apache-2": "apache-2.0",
    "apache2.0": "apache-2.0",
    "apache-license-2.0": "apache-2.0",
    "apache-license-version-2.0": "apache-2.0",
    "apache-license,-version-2.0": "apache-2.0",
    "asl-2.0": "apache-2.0",
    "mit-license": "mit",
    "the-mit-license": "mit",
    "cc0": "cc0-1.0",
    "mpl2": "mpl-2.0",
    "the-unlicense": "unlicense",
    "llama-2": "llama2",
    "llama-3": "llama3",
    "llama-3.1": "llama3.1",
    "llama-3.2": "llama3.2",
    "llama-3.3": "llama3.3",
    "llama-4": "llama4",
}
#: What a text says in its first lines, and the licence that it then is. Only licences that have to be agreed to anyway.
_HEADS = (
    (re.compile(r"llama (\d(?:\.\d)?) community license", re.IGNORECASE), r"llama\1"),
    (re.compile(r"gemma terms of use", re.IGNORECASE), "gemma"),
    (re.compile(r"gnu affero general public license\s+version 3", re.IGNORECASE), "agpl-3.0"),
    (re.compile(r"gnu lesser general public license\s+version 3", re.IGNORECASE), "lgpl-3.0"),
    (re.compile(r"gnu general public license\s+version (2|3)", re.IGNORECASE), r"gpl-\1.0"),
)
_HEAD_CHARS = 600
#: Permissive licences are recognised by all of their words: an amended one is another.
_WHOLE = (
    (
        re.compile(r"terms and conditions for use reproduction and distribution (.*?) end of terms and conditions"),
        "9d6ffee88fef15058256aa822373d159664de97cc7f3b5de14dfde903d7278f3",
        "apache-2.0",
    ),
    (
        re.compile(r"(permission is hereby granted free of charge to any person .*)"),
        "0cf21bdfd1964a97a8615e128534845826afbc887edc95aa5c925cbf64386b5c",
        "mit",
    ),
)
#: Titles, names and years around the words of a licence; more could be terms of their own.
_AROUND_CHARS = 2500


@dataclass(frozen=True, slots=True)
class Claim:
    """Under which terms a model came, and who said so."""

    license: str | None
    digest: Digest
    source: str | None


class Stance(StrEnum):
    """What is to be done about a licence."""

    ALLOW = "allow"
    ASK = "ask"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class LicenseRules:
    """What an administrator says about licences; patterns such as ``bsd-*``, the strictest that fits wins."""

    accept: Sequence[str] = PERMISSIVE
    ask: Sequence[str] = ()
    refuse: Sequence[str] = ()
    #: About a model that comes without any.
    unknown: Stance = Stance.ALLOW

    def stance_of(self, license_id: str | None) -> Stance:
        """Whether a model under this licence may come, and whether somebody has to agree first."""
        if license_id is None:
            return self.unknown
        # A model under two licences is under the stricter of them.
        each = [self._of_one(part) for part in license_id.split(" and ")]
        return next(stance for stance in (Stance.REFUSE, Stance.ASK, Stance.ALLOW) if stance in each)

    def _of_one(self, license_id: str) -> Stance:
        if _fits(license_id, self.refuse):
            return Stance.REFUSE
        if _fits(license_id, self.ask):
            return Stance.ASK
        return Stance.ALLOW if _fits(license_id, self.accept) else Stance.ASK


def _fits(license_id: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(license_id, pattern.lower()) for pattern in patterns)


def normalized(said: str | None) -> str | None:
    """The id of what somebody calls a licence: itself in lower case, ``other`` when it is no id, None for nothing."""
    if said is None:
        return None
    word = re.sub(r"[\s_]+", "-", said.strip().lower())
    if word in _NOTHING:
        return None
    spelled = _SPELLINGS.get(word, word)
    if re.search(r"\s", said.strip()) and spelled == word and word not in PERMISSIVE:
        return OTHER  # a sentence: `BSD-3-Clause with exceptions` is not of the family `bsd-*`
    word = spelled
    return word if len(word) <= _LONGEST and _ID.fullmatch(word) else OTHER


def together(said: Sequence[str | None]) -> str | None:
    """One id for all the licences that a model names; None when it names none."""
    ids = sorted({found for each in said if (found := normalized(each)) is not None})
    return " and ".join(ids) or None


def recognized(text: str) -> str:
    """The licence that *text* is, by its own words; ``other`` when it is none that is known here."""
    plain = " ".join(re.findall(r"[a-z0-9]+", text.lower()))
    for pattern, digest, license_id in _WHOLE:
        found = pattern.search(plain)
        if (
            found is not None
            and len(plain) - len(found[1]) <= _AROUND_CHARS
            and hashlib.sha256(found[1].encode("ascii")).hexdigest() == digest
        ):
            return license_id
    head = " ".join(text.split())[:_HEAD_CHARS]
    for pattern, license_id in _HEADS:
        found = pattern.search(head)
        if found:
            return found.expand(license_id)
    return OTHER


def text_files(names: Iterable[str], linked: str | None = None) -> tuple[str, ...]:
    """The file among *names* that holds the text of the licence: the one that is *linked*, or the one called so."""
    at_root = sorted(name for name in names if "/" not in name)
    if linked is not None and linked.removeprefix("./") in at_root:
        return (linked.removeprefix("./"),)
    called = [name for name in at_root if _TEXT_FILE.fullmatch(name)]
    return (min(called, key=lambda name: (len(name), name)),) if called else ()


def terms_of(plan: Plan, in_header: str | None) -> Claim:
    """The terms of a model that has come: as it was planned, or as its own header says where nobody else did."""
    if plan.license is not None:
        digest = plan.license_digest or terms_digest(plan.license, plan.license_name, plan.license_url, plan.ref)
        return Claim(plan.license, digest, plan.license_source)
    license_id = normalized(in_header)
    if license_id is None:
        return Claim(None, plan.license_digest or terms_digest(None, None, None, plan.ref), None)
    return Claim(license_id, terms_digest(license_id, None, None, plan.ref), "header")


def terms_digest(license_id: str | None, name: str | None, url: str | None, origin: str) -> Digest:
    """What stands for the text of a licence that comes without one.

    A licence with an id of its own is the same everywhere; one that is only called *other* is its model's own.
    """
    own = license_id is None or OTHER in license_id.split(" and ")
    facts = (license_id or "", name or "", url or "", origin if own else "")
    return Digest(hashlib.sha256("\n".join(facts).encode("utf-8", "replace")).hexdigest())
