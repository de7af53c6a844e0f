"""The environment decides where everything lies; bad values are named."""

from pathlib import Path

import pytest

from borealis_bootstrap.errors import CannotGoOn
from borealis_bootstrap.layout import layout_from

CHECKOUT, HERE = Path("/src/borealis"), Path("/home/me")


def test_the_checkout_is_the_root_unless_another_is_named() -> None:
    assert layout_from({}, checkout=CHECKOUT, here=HERE).root == CHECKOUT
    assert layout_from({"BOREALIS_ROOT": "/srv/b"}, checkout=CHECKOUT, here=HERE).root == Path("/srv/b")
    assert layout_from({"BOREALIS_ROOT": "b"}, checkout=CHECKOUT, here=HERE).root == Path("/home/me/b")
    assert layout_from({"BOREALIS_PROJECT_ROOT": "/srv/p"}, checkout=CHECKOUT, here=HERE).root == Path("/srv/p")


def test_the_engine_may_lie_elsewhere() -> None:
    layout = layout_from({"BOREALIS_ENGINE_ROOT": "/data/e"}, checkout=CHECKOUT, here=HERE)
    assert layout.owner_token == Path("/data/e/Data/Secrets/cli.token")
    assert layout.agent.folder == CHECKOUT / "Agent"


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1", "5000 ", "٥"])
def test_rejects_a_port_that_is_none(port: str) -> None:
    with pytest.raises(CannotGoOn, match="BOREALIS_ENGINE_PORT"):
        layout_from({"BOREALIS_ENGINE_PORT": port}, checkout=CHECKOUT, here=HERE)


def test_the_program_is_staged_under_a_name_that_hides_no_runtime() -> None:
    agent = layout_from({}, checkout=CHECKOUT, here=HERE).agent
    staged = agent.code / "0123" / agent.entry
    nearest = next(folder for folder in staged.parents if folder.name == "Agent")
    assert nearest == agent.folder
