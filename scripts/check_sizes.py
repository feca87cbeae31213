"""Hold modules, functions and rooms to sizes that a reader can take in.

Run: ``python scripts/check_sizes.py``; exit 1 and one line for each that has outgrown its room.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES, FUNCTION_LINES, ROOM_FILES, ROOM_README_LINES = 400, 50, 12, 15


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    first = node.body[0]
    start = first.lineno
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        start = (first.end_lineno or start) + 1
    return max(0, (node.end_lineno or start) - start + 1)


def complaints(module: Path) -> Iterator[str]:
    """What is too large in one module."""
    text = module.read_text(encoding="utf-8")
    name = module.relative_to(ROOT)
    lines = text.count("\n")
    if lines > MODULE_LINES:
        yield f"{name}: {lines} lines, the wall is {MODULE_LINES}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > FUNCTION_LINES:
            yield f"{name}:{node.lineno}: {node.name} has {body_lines(node)} lines, the wall is {FUNCTION_LINES}"


def room_complaints(room: Path) -> Iterator[str]:
    """What is wrong with a room as a whole."""
    files = len(list(room.glob("*.py")))
    if files > ROOM_FILES and room.name != "testing":  # one fake a file, none of which needs the others
        yield f"{room.relative_to(ROOT)}: {files} modules, the wall is {ROOM_FILES}"
    readme = room / "README.md"
    if not readme.exists():
        yield f"{room.relative_to(ROOT)}: no README.md"
    elif len(readme.read_text(encoding="utf-8").splitlines()) > ROOM_README_LINES:
        yield f"{readme.relative_to(ROOT)}: more than {ROOM_README_LINES} lines"


def main() -> int:
    """Print every complaint; 1 when there is one."""
    source = ROOT / "src" / "roundhouse"
    modules = [path for folder in ("src", "tests", "benchmarks", "scripts") for path in (ROOT / folder).rglob("*.py")]
    rooms = [path.parent for path in source.glob("*/__init__.py") if path.parent.name != "assets"]
    found = [line for module in sorted(modules) for line in complaints(module)]
    found += [line for room in sorted(rooms) for line in room_complaints(room)]
    print("\n".join(found) or f"{len(modules)} modules, {len(rooms)} rooms: all of a size to be read")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
