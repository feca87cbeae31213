"""From a folder under terms that have to be agreed to, to a model that is served, on both databases."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import roundhouse
from roundhouse.app import Roundhouse, open_roundhouse
from roundhouse.core.artifacts import TransferState
from roundhouse.core.desks.routes import RouteQuestion
from roundhouse.core.errors import LicenseError, PolicyError
from roundhouse.core.inference import Operation
from roundhouse.core.views import TransferView
from roundhouse.settings import Settings, load

pytestmark = pytest.mark.slow

TEXT = "Gemma Terms of Use\n\nBe kind."


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, home: Path, new_url: Callable[[str], str]) -> Settings:
    """A house of its own on each database."""
    (home / "run").mkdir()
    flags = {"storage.database_url": new_url(request.param), "discovery.enabled": False}
    return load(home=home, flags=flags, environment={})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model with the text of its licence beside it."""
    folder = tmp_path / "kind"
    folder.mkdir()
    shutil.copy(Path(roundhouse.__file__).with_name("assets") / "noise.gguf", folder / "kind.gguf")
    (folder / "LICENSE").write_text(TEXT)
    return folder


async def pulled(house: Roundhouse, folder: Path) -> TransferView:
    """Pull to the end."""
    view = await house.management.start_pull(str(folder), None, by="ada")
    async with asyncio.timeout(30):
        while not TransferState(view.state).over:
            await asyncio.sleep(0.01)
            view = await house.management.transfer(view.id)
    await house.rooms.fleet.refresh()
    return view


async def asked(house: Roundhouse) -> str | None:
    """What is said to whoever asks the model: nothing when it is served."""
    told = await house.management.explain(RouteQuestion("kind", Operation.CHAT, {"model": "kind"}, 80))
    return None if told.error is None else str(told.error["code"])


async def test_a_model_under_terms_comes_and_is_served_once_somebody_agrees(settings: Settings, folder: Path) -> None:
    """Asked before the download and before the first load; taken back, it is served no more, also after a restart."""
    async with open_roundhouse(settings, url="http://127.0.0.1:8484") as house:
        desk = house.management
        assert "needed" == (await desk.plan_pull(str(folder), None, by="ada")).license_state
        with pytest.raises(LicenseError) as caught:
            await desk.start_pull(str(folder), None, by="ada")
        digest = str(caught.value.details["text_sha256"])
        assert TEXT == (await desk.license(digest)).text
        await desk.accept_license(digest, "ada")
        assert ("done", None) == ((await pulled(house, folder)).state, await asked(house))
        shown = await desk.model("kind")
        assert ("gemma", "folder", digest) == (shown.license, shown.license_source, shown.license_digest)
        revoked = await desk.revoke_license("kind", "ada")
        assert ("needed", ("kind",), "E_LICENSE") == (revoked.state, revoked.models, await asked(house))
    async with open_roundhouse(settings, url="http://127.0.0.1:8484") as house:
        assert "E_LICENSE" == await asked(house)
        await house.management.accept_license("kind", "bob")
        assert await asked(house) is None


async def test_a_changed_text_is_asked_about_again(settings: Settings, folder: Path) -> None:
    """And the model that is here goes on under the text that was agreed to."""
    async with open_roundhouse(settings, url="http://127.0.0.1:8484") as house:
        desk = house.management
        with pytest.raises(LicenseError):
            await desk.start_pull(str(folder), None, by="ada")
        await desk.accept_license("gemma", "ada")
        await pulled(house, folder)
        (folder / "LICENSE").write_text(TEXT + " Or else.")
        with pytest.raises(LicenseError):  # under another name, so that it joins no pull that is just ending
            await desk.start_pull(str(folder), "kinder", by="ada")
        assert await asked(house) is None


async def test_a_rule_is_named_by_whoever_it_stops(settings: Settings, folder: Path) -> None:
    """E_POLICY with the setting, at the plan and at the start."""
    rules = {
        "storage.database_url": settings.storage.database_url,
        "discovery.enabled": False,
        "library.max_file_size": "1KiB",
    }
    strict = load(home=settings.home, flags=rules, environment={})
    async with open_roundhouse(strict, url="http://127.0.0.1:8484") as house:
        for attempt in (house.management.plan_pull, house.management.start_pull):
            with pytest.raises(PolicyError, match=r"kind\.gguf") as caught:
                await attempt(str(folder), None)
            assert "library.max_file_size" == caught.value.details["rule"]


async def test_the_strictest_house_starts(settings: Settings) -> None:
    """It serves nothing, not even what came with the program, and says why."""
    flags = {
        "storage.database_url": settings.storage.database_url,
        "discovery.enabled": False,
        "library.licenses.refuse": ["*"],
        "library.licenses.unknown": "refuse",
        "library.formats": ["safetensors"],
    }
    strict = load(home=settings.home, flags=flags, environment={})
    async with open_roundhouse(strict, url="http://127.0.0.1:8484") as house:
        (noise,) = await house.management.models()
        question = RouteQuestion(noise.name, Operation.CHAT, {"model": noise.name}, 80)
        told = await house.management.explain(question)
        assert ("refused", "E_LICENSE") == (noise.license_state, (told.error or {})["code"])
