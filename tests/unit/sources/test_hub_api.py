import pytest
from huggingface_hub import constants

from roundhouse.core.errors import (
    AuthError,
    LimitError,
    NetworkError,
    NotFoundError,
    OfflineError,
    PolicyError,
    RoundhouseError,
    SchemaError,
)
from roundhouse.sources.connector import Guard
from roundhouse.sources.hub_api import HubApi
from roundhouse.testing.hub import Hub
from roundhouse.testing.hub_faults import FaultKind


def an_api(hub: Hub, token: str | None = None) -> HubApi:
    """The metadata of *hub*, which is on this machine."""
    return HubApi(hub.endpoint, token, Guard(["127.0.0.1"]))


@pytest.mark.parametrize(
    ("status", "expected"), [(503, NetworkError), (429, LimitError), (401, AuthError), (404, NotFoundError)]
)
async def test_what_the_hub_answers_becomes_an_error_of_ours(status: int, expected: type[RoundhouseError]) -> None:
    """None of huggingface_hub's own errors leaves this room."""
    async with Hub() as hub:
        fault = hub.plant(FaultKind.STATUS, where="api", status=status)
        with pytest.raises(expected):
            await an_api(hub).revision("acme/tiny", None)
        assert fault.fired == 1


async def test_a_page_instead_of_metadata_is_refused() -> None:
    """An endpoint that is no hub is told so."""
    async with Hub() as hub:
        fault = hub.plant(FaultKind.LOGIN_PAGE, where="api")
        with pytest.raises(SchemaError, match="not what a hub answers"):
            await an_api(hub).revision("acme/tiny", None)
        assert fault.fired == 1


async def test_nobody_there_is_a_network_error() -> None:
    """Retryable: it may come back."""
    api = HubApi("http://127.0.0.1:1", None, Guard(["127.0.0.1"]))
    with pytest.raises(NetworkError):
        await api.revision("acme/tiny", None)


async def test_the_guard_holds_for_metadata_too() -> None:
    """A hub that was not allowed to be on this machine is not asked."""
    async with Hub() as hub:
        with pytest.raises(PolicyError, match="not a public address"):
            await HubApi(hub.endpoint, None, Guard()).revision("acme/tiny", None)
        assert [] == hub.seen


async def test_a_redirect_to_another_machine_of_the_network_is_not_followed() -> None:
    """Not even when the hub itself says so."""
    async with Hub() as hub:
        fault = hub.plant(FaultKind.REDIRECT, where="api", location="http://10.0.0.1/secret")
        with pytest.raises(PolicyError):
            await an_api(hub).revision("acme/tiny", None)
        assert fault.fired == 1


async def test_the_hub_learns_the_token_and_nothing_about_this_machine() -> None:
    """The user agent names this program and no other."""
    async with Hub(tokens={"hf_test": frozenset({"acme/tiny"})}) as hub:
        hub.add("acme/tiny", {"tiny.gguf": b"weights"}, private=True)
        await an_api(hub, "hf_test").revision("acme/tiny", None)
        headers = {name.lower(): value for name, value in hub.seen[0].headers.items()}
    assert headers["authorization"] == "Bearer hf_test"
    assert headers["user-agent"].startswith("roundhouse/")
    assert " " not in headers["user-agent"]


async def test_a_private_repository_is_not_told_apart_from_a_missing_one() -> None:
    """The hint tells what to do in both cases."""
    async with Hub() as hub:
        hub.add("acme/secret", {"tiny.gguf": b"weights"}, private=True)
        for repo in ("acme/secret", "acme/missing"):
            with pytest.raises(NotFoundError) as caught:
                await an_api(hub).revision(repo, None)
            assert "HF_TOKEN" in (caught.value.hint or "")


async def test_the_libraries_own_offline_switch_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_HUB_OFFLINE set by somebody else means offline here too."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    async with Hub() as hub:
        hub.add("acme/tiny", {"tiny.gguf": b"weights"})
        with pytest.raises(OfflineError):
            await an_api(hub).revision("acme/tiny", None)
