"""A node whose model runs at another one: what happens to the child there is no more than a delay here."""

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.peer, pytest.mark.xdist_group("mlx")]
