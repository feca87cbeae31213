from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse.core.errors import ConfigError, DiskError
from roundhouse.settings import load
from roundhouse.settings.added import added_file, read_added, write_added
from roundhouse.settings.load import load_backend

TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
SECTION = st.fixed_dictionaries(
    {"url": TEXT.map(lambda text: f"http://127.0.0.1/{text}")},
    optional={"models": st.lists(TEXT, max_size=3), "price_in": st.floats(0, 10), "max_concurrent": st.integers(0, 9)},
)


@given(sections=st.dictionaries(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True), SECTION, max_size=4))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, sections: dict[str, dict[str, object]]
) -> None:
    """Whatever the values are."""
    home = tmp_path_factory.mktemp("home")
    write_added(home, sections)
    assert sections == read_added(home)


def test_the_settings_hold_what_was_added(tmp_path: Path) -> None:
    """As if somebody had written it into roundhouse.toml, and `config explain` can say where it stands."""
    write_added(tmp_path, {"box": {"url": "http://box:8000"}})
    settings = load(home=tmp_path, environment={})
    assert "http://box:8000" == settings.backends["box"].url
    assert str(added_file(tmp_path)) == settings.provenance["backends.box.url"].where


def test_what_a_person_wrote_comes_first(tmp_path: Path) -> None:
    """Key by key."""
    write_added(tmp_path, {"box": {"url": "http://box:8000", "max_concurrent": 3}})
    (tmp_path / "roundhouse.toml").write_text('[backends.box]\nurl = "http://other:1"\n')
    box = load(home=tmp_path, environment={}).backends["box"]
    assert ("http://other:1", 3) == (box.url, box.max_concurrent)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """At the start and when somebody is to be added."""
    added_file(tmp_path).write_text("[backends")
    with pytest.raises(ConfigError, match=r"backends\.toml"):
        load(home=tmp_path, environment={})
    with pytest.raises(ConfigError, match=r"backends\.toml"):
        read_added(tmp_path)


def test_a_home_that_cannot_be_written_is_an_error_of_the_disk(tmp_path: Path) -> None:
    """And nothing is half written."""
    with pytest.raises(DiskError, match=r"backends\.toml"):
        write_added(tmp_path / "nowhere", {"box": {"url": "http://box"}})


@pytest.mark.parametrize("section", [{}, {"url": 3}, {"url": "box"}, {"url": "http://box", "unknown": 1}])
def test_a_wrong_section_is_refused(tmp_path: Path, section: dict[str, object]) -> None:
    """By the same rules as the file's."""
    with pytest.raises(ConfigError, match="box"):
        load_backend("box", section, tmp_path, {})


def test_a_key_is_taken_from_its_variable(tmp_path: Path) -> None:
    """And never stands in the settings themselves."""
    wish = load_backend("box", {"url": "http://box", "api_key_env": "BOX_API_KEY"}, tmp_path, {"BOX_API_KEY": "s3cret"})
    assert wish.api_key is not None
    assert ("s3cret", False) == (wish.api_key.reveal(), "s3cret" in repr(wish))


@pytest.mark.parametrize(
    ("section", "problem"),
    [({"url": "http://box..lan:8000"}, "host"), ({"url": "http://box", "unknown": 1}, "unknown"), ({}, "url")],
)
@pytest.mark.parametrize("written", ["", "[backends.box]\nmax_concurrent = 3\n"])
def test_one_that_cannot_be_used_is_left_out(
    tmp_path: Path, section: dict[str, object], problem: str, written: str
) -> None:
    """Whoever added it may not be there to correct it; the others serve."""
    (tmp_path / "roundhouse.toml").write_text(written)
    write_added(tmp_path, {"box": {"max_queue": 1, **section}, "other": {"url": "http://other:1"}})
    settings = load(home=tmp_path, environment={})
    assert (["other"], ["box"]) == (list(settings.backends), list(settings.left_out))
    assert problem in settings.left_out["box"]


def test_what_a_person_wrote_is_used_where_what_was_added_cannot_be(tmp_path: Path) -> None:
    """It is whole without it."""
    (tmp_path / "roundhouse.toml").write_text('[backends.box]\nurl = "http://box:1"\n')
    write_added(tmp_path, {"box": {"url": "http://box..lan"}})
    assert "http://box:1" == load(home=tmp_path, environment={}).backends["box"].url
