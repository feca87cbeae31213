"""What attackers write: paths that lead elsewhere, and files whose headers lie."""

import random
from collections.abc import Sequence
from itertools import product

_UP = ("..", "../..", "..\\..", "%2e%2e", "..%2f", "....//", ".. ", "..\0", "\N{FULLWIDTH FULL STOP}" * 2)
_STARTS = ("", "/", "//", "\\\\host\\share\\", "C:", "C:\\", "D:/", "~", "~root/", "./", "file:///", "\\\\?\\C:\\")
_NAMES = ("etc/passwd", "model.gguf", "blobs/sha256-x", "con", "NUL.gguf", "aux.txt", "lpt1", "x:stream", "")
_ODD = (
    *(".", "..", "...", " ", "a ", "a.", "a/", "/a", "a//b", "a/./b", "a/../b", "a\\b", "a\0b", "a\nb", "a\rb", "a\tb"),
    *(
        "a" * 256,
        "a" * 255,
        "\N{SNOWMAN}" * 86,
        "a/" * 600,
        "\ud800",
        "\udcff.gguf",
        "\u202efugg.ledom",
        "\ufeffa",
        "a\u200b",
    ),
    *("-rf", "--help", "$(id)", "`id`", "a;b", "a|b", "a&b", "a*b", "a?b", "a<b", "a>b", 'a"b', "a'b", "%00", "%2f"),
    *(
        "CON",
        "con.gguf",
        "COM1",
        "com9.x",
        "PRN.",
        "NuL",
        "clock$",
        "CONIN$",
        "a:b",
        "::$DATA",
        "a::$DATA",
        "\x7f",
        "\x1b[2J",
    ),
    *("sha256-../../x", "sha256:../x", ".git/config", ".ssh/id_rsa", ".new", "model.gguf.new", "x.part", "x.repair"),
)


def paths() -> Sequence[str]:
    """More than five hundred of them, the same ones each time."""
    crossed = (f"{start}{up}/{name}" for start, up, name in product(_STARTS, _UP, _NAMES))
    rooted = (f"{start}{name}" for start, name in product(_STARTS, _NAMES))
    folded = (f"good/{odd}" for odd in _ODD)
    return list(dict.fromkeys([*_ODD, *folded, *rooted, *crossed]))


#: Numbers that overflow something, or are off by one.
_NUMBERS = (0, 1, 7, 8, 9, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 40)


def mutated(data: bytes, head: int, chance: random.Random) -> bytes:
    """*data* with some of its first *head* bytes changed in ways that parsers dislike."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(min(head, len(changed)) or 1)
        match chance.randrange(7):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                width = chance.choice((4, 8))
                changed[at : at + width] = (chance.choice(_NUMBERS) % (1 << 8 * width)).to_bytes(width, "little")
            case 2:
                del changed[at : at + chance.randrange(1, 64)]
            case 3:
                changed[at:at] = chance.randbytes(chance.randrange(1, 64))
            case 4:
                del changed[at:]
            case 5:
                source = chance.randrange(len(changed) or 1)
                changed[at : at + 16] = changed[source : source + 16]
            case _:
                changed[at : at + 1] = chance.choice((b'"', b"[", b"{", b"-", b"9" * 40, b"[" * 2000, b"\xff", b"null"))
    return bytes(changed)
