"""Style sheet, script and icon."""

import hashlib
import re
from importlib.resources import files

import pytest

from roundhouse.web.assets import read_assets


def test_names_follow_content() -> None:
    """A changed file gets a new address, so that no browser shows an old one."""
    asset = read_assets()["style.css"]
    assert hashlib.sha256(asset.content).hexdigest()[:12] in asset.path


def test_everything_that_is_shipped_is_served() -> None:
    """No file lies there for nothing, and none is missing."""
    assert set(read_assets()) == {"style.css", "page.js", "icon.svg"}


def test_files_stay_of_a_size_to_be_read() -> None:
    """Templates have at most 150 lines, style and script at most 400."""
    root = files("roundhouse.web")
    for folder, most in (("templates", 150), ("static", 400)):
        for entry in root.joinpath(folder).iterdir():
            assert entry.read_text(encoding="utf-8").count("\n") <= most, entry.name


def luminance(colour: str) -> float:
    """How bright a colour is, by the rule of WCAG."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("text", ["ink", "quiet", "brick", "clear", "caution", "stop"])
@pytest.mark.parametrize("ground", ["ground", "sheet", "well"])
@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast(scheme: int, ground: str, text: str) -> None:
    """Every colour of text reads on every ground, by day and by night: 4.5 to 1 or better."""
    style = read_assets()["style.css"].content.decode()
    palettes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    ]
    one, other = sorted((luminance(palettes[scheme][ground]), luminance(palettes[scheme][text])))
    assert (other + 0.05) / (one + 0.05) >= 4.5
