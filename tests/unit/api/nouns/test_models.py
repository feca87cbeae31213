"""``/models``."""

import httpx2
import pytest

from roundhouse.testing.management_service import InMemoryManagement, a_model, an_offer

NAME = "acme/tiny:Q4_K_M"


async def test_list(user: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """Models of the library and of remote backends are listed by name; a remote one has no size."""
    management.catalog.append(a_model("aaa", local=False))
    models = (await user.get("/models")).json()["models"]
    assert [(model["name"], model["local"], model["size"]) for model in models] == [
        ("aaa", False, None),
        (NAME, True, 1_117_320_736),
    ]
    assert set(models[0]) == {
        "name", "source", "ref", "revision", "format", "architecture", "quantization", "context", "parameters",
        "unserved", "quarantined", "capabilities", "passed_on", "leaves_machine", "served_context",
        "slots", "dimension", "digest", "repo",
        "size", "license", "license_source", "license_digest", "license_state", "created_at", "verified_at", "loaded",
        "deployments", "same_as", "local",
        "pinned", "tags", "last_used_at", "times_used",
    }  # fmt: skip


async def test_show(user: httpx2.AsyncClient) -> None:
    """A name with a slash and a colon stands in the path as it is, or escaped; files and deployments come along."""
    plain, escaped = await user.get(f"/models/{NAME}"), await user.get("/models/acme%2Ftiny%3AQ4_K_M")
    assert plain.json() == escaped.json()
    assert plain.json()["files"] == [{"name": "model.gguf", "size": 1_117_320_736, "digest": "ab" * 32}]
    assert plain.json()["deployments"] == [f"local/{NAME}"]


async def test_show_unknown(user: httpx2.AsyncClient) -> None:
    """An unknown name is 404 with the command that lists the known ones."""
    answer = await user.get("/models/nobody/nothing")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "E_NOTFOUND")
    assert "models ls" in answer.json()["error"]["hint"]


async def test_remove(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """Removing tells how many bytes it freed."""
    answer = await admin.delete(f"/models/{NAME}")
    assert answer.json() == {"removed": NAME, "bytes_freed": 1_117_320_736, "dry_run": False}
    assert management.catalog == []


async def test_remove_dry(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """A dry run tells the same and does nothing."""
    answer = await admin.delete(f"/models/{NAME}?dry_run=true")
    assert answer.json() == {"removed": NAME, "bytes_freed": 1_117_320_736, "dry_run": True}
    assert len(management.catalog) == 1


async def test_remove_what_is_not_ours(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """A model of a remote backend cannot be removed from here."""
    management.catalog.append(a_model("gpt", local=False))
    assert (await admin.delete("/models/gpt")).status_code == 409


async def test_verify(admin: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """Wrong bytes are an answer that shows both digests, not an error."""
    management.rotten.add(NAME)
    answer = await admin.post(f"/models/{NAME}/verify")
    assert (answer.status_code, answer.json()["ok"]) == (200, False)
    file = answer.json()["files"][0]
    assert (file["ok"], file["digest"], file["actual"]) == (False, "ab" * 32, "00" * 32)
    assert file["damaged"] == [{"offset": 16 << 20, "length": 16 << 20}]


async def test_verify_quick(admin: httpx2.AsyncClient) -> None:
    """A glance says that it was one."""
    answer = await admin.post(f"/models/{NAME}/verify?quick=true")
    assert (answer.json()["quick"], answer.json()["files"][0]["actual"]) == (True, None)


async def test_browse(user: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """Whoever may see models may see what could be had, with size, licence, quantisations and fit."""
    management.offers = [an_offer("acme/tiny"), an_offer("zoo/tiny")]
    found = (await user.get("/browse", params={"text": "tiny", "owner": "zoo"})).json()
    assert {"hub", "memory", "offers"} == set(found)
    (offer,) = found["offers"]
    assert set(offer) == {
        "name", "ref", "license", "gated", "downloads", "likes", "updated_at", "context", "suggested", "variants",
    }  # fmt: skip
    assert offer["variants"][0] == {
        "quantization": "Q4_K_M", "ref": "hf:zoo/tiny:Q4_K_M", "size": 1 << 30, "need": 2 << 30, "fits": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    "params", [{"sort": "size"}, {"limit": "0"}, {"limit": "51"}, {"owner": "a/b"}, {"owner": ""}, {"text": "a\nb"}]
)
async def test_browse_nonsense(user: httpx2.AsyncClient, params: dict[str, str]) -> None:
    """What makes no sense is 422 and does not reach the hub."""
    answer = await user.get("/browse", params=params)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "E_SCHEMA")


async def test_browse_offline(user: httpx2.AsyncClient, management: InMemoryManagement) -> None:
    """Offline it is 503 with what there is instead."""
    management.offline = True
    answer = await user.get("/browse")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "E_OFFLINE")
