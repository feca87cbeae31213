"""Settings: whatever fits reads back as it was; whatever does not is a ConfigError and nothing else."""

import contextlib
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from roundhouse.core.errors import ConfigError
from roundhouse.settings import load
from roundhouse.settings.kinds import size_of, size_text
from roundhouse.settings.render import dump

_names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,12}", fullmatch=True)
_words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20)
_flags = st.fixed_dictionaries(
    {},
    optional={
        "server.port": st.integers(0, 65_535),
        "server.drain_s": st.floats(0, 86_400),
        "server.max_body": st.integers(0, 1 << 50),
        "runtime.memory": st.one_of(st.just("auto"), st.integers(1, 1 << 50).map(str)),
        "downloads.offline": st.booleans(),
        "log.level": st.sampled_from(["debug", "info", "warning", "error"]),
    },
)
_backends = st.dictionaries(_names, st.lists(_words, max_size=3), max_size=3)
_aliases = st.dictionaries(
    _words.filter(lambda name: name != "auto" and "/" not in name), st.lists(_words, min_size=1), max_size=3
)


@given(_flags, _backends, _aliases)
def test_parse_of_dump_is_the_same(
    flags: dict[str, object], backends: dict[str, list[str]], aliases: dict[str, list[str]]
) -> None:
    """``load(dump(settings)) == settings``."""
    given_ = {**flags}
    for name, models in backends.items():
        given_ |= {f"backends.{name}.url": "http://127.0.0.1:1", f"backends.{name}.models": models}
    given_ |= {f"aliases.{name}": models for name, models in aliases.items()}
    with tempfile.TemporaryDirectory() as folder:
        settings = load(home=Path(folder), environment={}, flags=given_)
        file = Path(folder) / "dumped.toml"
        file.write_text(dump(settings), encoding="utf-8")
        assert settings == load(home=Path(folder), config=file, environment={})


@given(st.dictionaries(st.from_regex(r"ROUNDHOUSE_[A-Z_]{1,20}", fullmatch=True), _words, max_size=4))
def test_any_environment_is_read_or_refused(environment: dict[str, str]) -> None:
    """No variable makes anything but settings or a ConfigError."""
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(ConfigError):
        settings = load(environment={"HOME": folder} | environment | {"ROUNDHOUSE_CONFIG": ""})
        assert settings.home.is_absolute()


@given(st.integers(0, 1 << 60))
def test_sizes_read_back(value: int) -> None:
    """A size that was written down is the same when it is read."""
    assert value == size_of(size_text(value))
