"""MLX runs in children and nowhere else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import roundhouse

ROOT = Path(roundhouse.__file__).parent
LAUNCHER = ROOT / "backends" / "kinds" / "mlx" / "foreign" / "launch.py"


def imported(path: Path) -> Iterator[str]:
    """The modules that *path* imports, whichever way and wherever in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (
                each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)
            )


def test_only_the_childs_own_program_imports_it() -> None:
    """A crash of native code, or a GPU that is full, must not take the server along."""
    who = {path for path in ROOT.rglob("*.py") for name in imported(path) if name.split(".")[0] in {"mlx", "mlx_lm"}}
    assert {LAUNCHER} == who


def test_that_program_knows_nothing_of_ours() -> None:
    """The interpreter that has MLX need not have Roundhouse, and what it imports must not depend on ours."""
    assert not [name for name in imported(LAUNCHER) if name.startswith("roundhouse")]
