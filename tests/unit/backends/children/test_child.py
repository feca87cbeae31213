from roundhouse.backends.children.child import scrubbed


def test_secrets_stay_here() -> None:
    """The child gets paths and devices; keys, tokens and addresses with passwords it does not."""
    kept = {"PATH": "/bin", "HOME": "/root", "LC_ALL": "C", "CUDA_VISIBLE_DEVICES": "0", "GGML_METAL": "1"}
    lost = {
        "HF_TOKEN": "x",
        "OPENAI_API_KEY": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "DATABASE_URL": "x",
        "LLAMA_ARG_X": "1",
    }
    assert kept == scrubbed({**kept, **lost})


def test_names_count_in_any_case() -> None:
    """Windows writes them as it likes."""
    assert {"SystemRoot": "C:\\Windows"} == scrubbed({"SystemRoot": "C:\\Windows", "Token": "x"})
