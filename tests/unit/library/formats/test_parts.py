from roundhouse.library.formats.parts import projector_of, weights_of
from roundhouse.testing.builders import a_file

FIRST, SECOND = a_file("big-00001-of-00002.gguf"), a_file("big-00002-of-00002.gguf")
TEMPLATE, PROJECTOR = a_file("template"), a_file("mmproj-big.gguf")


def test_weights_are_the_first_file_and_its_shards() -> None:
    """In their order."""
    assert [FIRST, SECOND] == weights_of([FIRST, PROJECTOR, SECOND, TEMPLATE])


def test_the_first_file_is_the_model_whatever_it_is_called() -> None:
    """Somebody asked for exactly that one."""
    assert [PROJECTOR] == weights_of([PROJECTOR])
    assert [TEMPLATE] == weights_of([TEMPLATE])
    assert projector_of([PROJECTOR]) is None


def test_a_projector_is_known_by_its_name() -> None:
    """It is GGUF like the weights."""
    assert PROJECTOR == projector_of([FIRST, TEMPLATE, PROJECTOR])
    assert projector_of([FIRST, SECOND]) is None
