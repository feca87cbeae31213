import pytest
from scripts.make_reference import PAGES, ROOT


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name: str) -> None:
    """What the code says and what the page says is the same; `make docs` writes it anew."""
    assert PAGES[name]() == (ROOT / name).read_text(encoding="utf-8")
