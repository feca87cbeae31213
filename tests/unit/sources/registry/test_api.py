import pytest
from yarl import URL

from roundhouse.core.errors import AuthError, PolicyError
from roundhouse.sources.connector import Guard
from roundhouse.sources.ranges import Remote
from roundhouse.sources.registry.api import token_url

REMOTE = Remote("tiny", URL("https://registry.example/v2/library/tiny/manifests/latest"), Guard())


def test_a_challenge_says_where_to_ask_and_for_what() -> None:
    """Service and scope go along as they were said."""
    challenge = 'Bearer realm="https://registry.example/token",service="all models",scope="repository:a/b:pull"'
    url = token_url(["Basic realm=x", challenge], REMOTE)
    assert {"service": "all models", "scope": "repository:a/b:pull"} == dict(url.query)
    assert "https://registry.example/token" == str(url.with_query(None))


@pytest.mark.parametrize(
    "realm",
    [
        "https://elsewhere.example/token",
        "https://registry.example.evil.example/token",
        "https://registry.example@evil.example/token",
        "http://registry.example/token",
        "ftp://registry.example/token",
        "//evil.example/token",
    ],
)
def test_a_token_comes_from_the_registry_itself(realm: str) -> None:
    """And over https: a manifest must not send us anywhere."""
    with pytest.raises(PolicyError):
        token_url([f'Bearer realm="{realm}"'], REMOTE)


@pytest.mark.parametrize(
    "challenges", [[], ["Basic realm=registry"], ["Bearer"], ['Bearer service="x"'], ['Bearer realm="https://[::1"']]
)
def test_who_wants_a_login_is_told_that_there_is_none(challenges: list[str]) -> None:
    """E_AUTH says that it may not exist either."""
    with pytest.raises(AuthError):
        token_url(challenges, REMOTE)
