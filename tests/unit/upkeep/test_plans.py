from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse.core.artifacts import FileName, Plan, PlannedFile
from roundhouse.core.errors import DiskError, SchemaError
from roundhouse.testing.source import ScriptedSource
from roundhouse.upkeep.plans import Plans

FILE = ScriptedSource(b"x").file()
PLAN = Plan("hf:a/b", "hf", "a/b:Q4_0", "c0ffee", (FILE,), license="mit", reason="it fits")
TERMS = replace(PLAN, license_files=(FILE,), license_digest=FILE.digest, license_source="hub", code=("x.py is Python",))


@pytest.fixture
def plans(tmp_path: Path) -> Plans:
    """No plans yet."""
    return Plans(tmp_path / "plans")


@pytest.mark.parametrize(
    "plan", [PLAN, TERMS, replace(PLAN, license=None, files=(PlannedFile(FileName("a.gguf"), None, None, "l"),))]
)
def test_a_plan_comes_back_as_it_was(plans: Plans, plan: Plan) -> None:
    """Every fact, also those that are unknown."""
    plans.put("t1", plan)
    assert plan == plans.get("t1")


def test_a_plan_that_was_not_made_is_none(plans: Plans) -> None:
    """Then it is made."""
    assert plans.get("t1") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3}', '{"files": [{"name": "../x"}]}'])
def test_a_plan_that_cannot_be_read_is_made_again(plans: Plans, tmp_path: Path, text: str) -> None:
    """A damaged file is no reason to fail for ever."""
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "t1.json").write_text(text)
    assert plans.get("t1") is None


def test_a_removed_plan_is_gone(plans: Plans) -> None:
    """Once or twice."""
    plans.put("t1", PLAN)
    plans.remove("t1")
    plans.remove("t1")
    assert plans.get("t1") is None


def test_an_id_that_is_a_path_is_refused(plans: Plans) -> None:
    """Ids are ours, and checked all the same."""
    with pytest.raises(SchemaError):
        plans.put("../escape", PLAN)


def test_a_folder_that_takes_nothing_is_told(plans: Plans, tmp_path: Path) -> None:
    """What to do about it, instead of a traceback; and forgetting a plan there is no second failure."""
    (tmp_path / "plans").write_text("in the way")
    with pytest.raises(DiskError) as caught:
        plans.put("t1", PLAN)
    plans.remove("t1")
    assert (True, True) == (str(tmp_path / "plans") in caught.value.message, "library.path" in str(caught.value.hint))
