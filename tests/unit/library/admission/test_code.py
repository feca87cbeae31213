from roundhouse.library.admission import code_flags


def test_what_executes_code_is_named() -> None:
    """Each once, in order, whatever the case of its name."""
    names = ["run.SH", "modeling_x.py", "m.gguf", "a/b.so", "n.ipynb", "setup.exe", "modeling_x.py", "README.md"]
    flags = code_flags(names)
    assert ["a/b.so", "modeling_x.py", "n.ipynb", "run.SH", "setup.exe"] == [flag.partition(" ")[0] for flag in flags]


def test_a_long_list_is_cut() -> None:
    """And says so."""
    flags = code_flags(f"{number}.py" for number in range(50))
    assert (21, "and 30 more files like these") == (len(flags), flags[-1])


def test_what_a_hub_says_and_a_template_come_too() -> None:
    """Neither is a file."""
    flags = code_flags(["m.gguf"], remote_code=True, chat_template=True)
    assert ["trust_remote_code" in flags[0], "chat template" in flags[1]] == [True, True]


def test_nothing_is_nothing() -> None:
    """Weights alone execute nothing."""
    assert () == code_flags(["m.gguf", "license", "params.json"])
