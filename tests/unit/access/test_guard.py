import pytest

from roundhouse.access.guard import Guard, is_loopback
from roundhouse.access.keys import Keyring, mint
from roundhouse.access.permissions import Role
from roundhouse.access.principal import LOCAL_USER, Principal
from roundhouse.core.errors import AuthError, ForbiddenError, RoundhouseError

ADMIN = Principal("admin", Role.ADMIN)
KEY = mint(bytes)
OTHER = mint(lambda size: b"\7" * size)
HOST = (b"host", b"127.0.0.1:8484")


def guard(bound: str = "127.0.0.1", public_url: str | None = None) -> Guard:
    """A guard that knows one key."""
    ring = Keyring(b"pepper")
    ring.add(KEY, ADMIN)
    return Guard(ring, bound_host=bound, public_url=public_url)


def ask(*headers: tuple[bytes, bytes], peer: str | None = "127.0.0.1", by: Guard | None = None) -> Principal:
    """Who asks, with a Host unless the headers have one."""
    hosts = [] if any(name == b"host" for name, _ in headers) else [HOST]
    return (by or guard()).authenticate(peer, [*hosts, *headers])


def bearer(key: str) -> tuple[bytes, bytes]:
    """The usual header."""
    return b"authorization", f"Bearer {key}".encode()


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_needs_no_key(peer: str) -> None:
    """Whoever sits at this machine may infer."""
    assert LOCAL_USER == ask(peer=peer)


@pytest.mark.parametrize("peer", ["192.168.1.9", "10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1", "not an address", None])
def test_anywhere_else_needs_a_key(peer: str | None) -> None:
    """Also from next door."""
    with pytest.raises(AuthError):
        ask(peer=peer)


@pytest.mark.parametrize("name", [b"x-forwarded-for", b"forwarded", b"x-real-ip", b"x-forwarded-host", b"via"])
def test_a_proxy_on_loopback_needs_a_key(name: bytes) -> None:
    """A proxy beside us speaks for somebody else."""
    with pytest.raises(AuthError):
        ask((name, b"127.0.0.1"))


@pytest.mark.parametrize("peer", ["127.0.0.1", "192.168.1.9"])
@pytest.mark.parametrize(
    "header", [bearer(KEY), (b"authorization", f"bearer  {KEY} ".encode()), (b"x-api-key", KEY.encode())]
)
def test_our_key_is_known_everywhere(peer: str, header: tuple[bytes, bytes]) -> None:
    """Each form of credential is the same credential."""
    assert ask(header, peer=peer) == ADMIN


@pytest.mark.parametrize("header", [bearer(OTHER), (b"x-api-key", OTHER.encode()), bearer("rh-"), bearer(f"{KEY}x")])
def test_a_wrong_key_of_our_form_is_refused_everywhere(header: tuple[bytes, bytes]) -> None:
    """Somebody who means to show a key hears that it is wrong, instead of becoming a user."""
    with pytest.raises(AuthError):
        ask(header)


@pytest.mark.parametrize("text", ["none", "ollama", "sk-1234567890", "", "Basic eDp5", "' OR '1'='1", "\xff\x00"])
def test_a_placeholder_is_no_key(text: str) -> None:
    """OpenAI's clients demand some key; on loopback a made-up one does no harm, and no good elsewhere."""
    assert LOCAL_USER == ask(bearer(text))
    with pytest.raises(AuthError):
        ask(bearer(text), peer="192.168.1.9")


def test_one_wrong_key_beside_a_right_one_is_refused() -> None:
    """Two credentials must not disagree: which one counts is what attacks are made of."""
    with pytest.raises(AuthError):
        ask(bearer(KEY), (b"x-api-key", OTHER.encode()))


def test_a_placeholder_beside_a_right_key_does_no_harm() -> None:
    """An SDK sends its own header whatever else is configured."""
    assert ask(bearer("none"), (b"x-api-key", KEY.encode())) == ADMIN


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8484", "127.0.0.1", "localhost:8484", "LOCALHOST", "a.localhost:1", "[::1]:8484", "127.9.9.9"]
)
def test_loopback_hosts_are_ours(host: str) -> None:
    """Every name that can only mean this machine."""
    assert LOCAL_USER == ask((b"host", host.encode()))


FOREIGN = [
    "evil.example",
    "evil.example:8484",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "192.168.1.5:8484",
    "[2001:db8::1]",
    "0.0.0.0",
    "127.0.0.1@evil.example",
    "evil.example#127.0.0.1",
    "127.0.0.1/evil",
    "127.0.0.1?x",
    "127.0.0.1\\@evil",
    "http://127.0.0.1",
    "127.0.0.1,evil.example",
    "127.0.0.1 evil",
    "127.0.0.1:84:84",
    "127.0.0.1:x",
    "127.0.0.1:99999",
    "[::1",
    "::1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "",
    " ",
    ".",
    ":",
    ":8484",
    "[]",
    "%31",
    "localhost%00",
    "ⓛocalhost",
    "localhost\x00",
    "local\thost",
    "[::ffff:8.8.8.8]",
    "[::1%eth0]",
    "user:pw@localhost",
    "xn--localhost",
    "-",
]


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_is_refused(host: str) -> None:
    """A name that somebody else can point at us, or that two parsers read differently, is not ours."""
    with pytest.raises(ForbiddenError):
        ask((b"host", host.encode()))


def test_a_foreign_host_is_refused_even_with_a_key() -> None:
    """A browser that was tricked sends what it has."""
    with pytest.raises(ForbiddenError):
        ask((b"host", b"evil.example"), bearer(KEY))


@pytest.mark.parametrize("hosts", [[], [HOST, HOST], [HOST, (b"host", b"evil.example")]])
def test_there_is_exactly_one_host(hosts: list[tuple[bytes, bytes]]) -> None:
    """None or two is a request that somebody else may read differently."""
    with pytest.raises(ForbiddenError):
        guard().authenticate("127.0.0.1", hosts)


@pytest.mark.parametrize("host", ["models.example", "models.example:443", "Models.Example"])
def test_public_url_is_ours(host: str) -> None:
    """What the owner says people call us by."""
    by = guard(public_url="https://models.example/ai")
    assert ask((b"host", host.encode()), by=by) == LOCAL_USER


@pytest.mark.parametrize("host", ["192.168.1.5:8484", "[2001:db8::1]:8484", "10.1.1.1"])
def test_bound_everywhere_every_address_is_ours(host: str) -> None:
    """An address, unlike a name, cannot be pointed elsewhere."""
    assert ask((b"host", host.encode()), by=guard("0.0.0.0")) == LOCAL_USER


def test_bound_everywhere_a_foreign_name_is_not_ours() -> None:
    """Rebinding works by name."""
    with pytest.raises(ForbiddenError):
        ask((b"host", b"evil.example"), by=guard("0.0.0.0"))


def test_the_address_we_are_bound_to_is_ours() -> None:
    """And no other."""
    by = guard("192.168.1.5")
    assert ask((b"host", b"192.168.1.5:8484"), by=by) == LOCAL_USER
    with pytest.raises(ForbiddenError):
        ask((b"host", b"192.168.1.6:8484"), by=by)


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8484", "http://localhost:8484", "http://[::1]:8484"])
def test_our_own_pages_may_send(origin: str) -> None:
    """Every loopback name on the same port is the same site."""
    assert ask((b"origin", origin.encode())) == LOCAL_USER


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://127.0.0.1",
        "http://localhost:3000",
        "file://",
        "chrome-extension://abc",
        "http://127.0.0.1:8484@evil.example",
        "http://127.0.0.1:8484.evil.example",
        "http://127.0.0.1:8484/",
    ],
)
def test_another_site_may_not_send(origin: str) -> None:
    """No web page gets to talk to the models of whoever looks at it."""
    with pytest.raises(ForbiddenError):
        ask((b"origin", origin.encode()))


def test_a_public_site_behind_tls_is_the_same_site() -> None:
    """The default port of the origin's scheme counts."""
    by = guard(public_url="https://models.example")
    found = ask((b"host", b"models.example:443"), (b"origin", b"https://models.example"), by=by)
    assert found == LOCAL_USER


def test_a_unix_socket_is_loopback() -> None:
    """Whoever can open the socket's folder is the owner of the machine's account."""
    scope = {"client": None, "server": ("/tmp/x/socket", None), "headers": [HOST]}  # noqa: S108 - only a name
    assert guard().of_scope(scope) == LOCAL_USER


def test_a_peer_without_an_address_is_not() -> None:
    """A TCP connection that was reset at once has no peer any more; it gets no benefit of the doubt."""
    with pytest.raises(AuthError):
        guard().of_scope({"client": None, "server": ("127.0.0.1", 8484), "headers": [HOST]})


def test_of_scope_reads_the_peer() -> None:
    """The peer is the socket's, whatever headers say."""
    with pytest.raises(AuthError):
        guard().of_scope({"client": ("10.0.0.1", 1), "server": ("10.0.0.2", 8484), "headers": [HOST]})


def test_what_clients_send_is_not_remembered_without_bound() -> None:
    """Accepted spellings of Host are cached; whoever invents them gets no memory for it."""
    by = guard()
    for number in range(1000):
        assert ask((b"host", f"a{number}.localhost".encode()), by=by) == LOCAL_USER
    assert len(by._trusted) <= 64


def test_errors_say_what_to_do() -> None:
    """A refusal names the next step, and never the credential."""
    with pytest.raises(RoundhouseError) as caught:
        ask(bearer(OTHER))
    assert caught.value.hint is not None
    assert OTHER not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize(("text", "expected"), [("127.0.0.1", True), ("::1", True), ("8.8.8.8", False), ("x", False)])
def test_is_loopback(text: str, expected: object) -> None:
    """An address of this machine alone."""
    assert is_loopback(text) is expected
