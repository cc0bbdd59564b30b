"""Does the page of the zoo say what the cards say, and show what it promises?"""

import copy
import json
import re
import sys

import pytest
import torch
from PIL import Image
from safetensors.torch import save

from genbook import data, runs, zoo
from genbook.recipes import RECIPES
from scripts import ship
from tests.project.lessons import ROOT

PAGE = (ROOT / "book/zoo.md").read_text(encoding="utf-8")
CARDS = [zoo.card(name) for name in zoo.names()]
CARD = {
    "name": "vae-test",
    "recipe": "vae",
    "summary": "A VAE.",
    "command": "python -m genbook train vae --data mnist",
    "data": {"train-images-idx3-ubyte": "0123456789abcdef0123"},
    "steps": 1500,
    "of": 2000,
    "seconds": 61.5,
    "machine": "a machine",
    "torch": "2.0",
    "date": "2026-01-02",
    "parameters": 12345,
    "calls": 50,
    "licence": "free",
    "metrics": [
        {"name": "Fréchet distance", "value": 2.5, "low": 2, "high": 3, "meaning": "a"}
        | {"n": 800},
        {"name": "-log p(x), IWAE", "value": 84, "low": 83.9, "high": 84.1}
        | {"meaning": "b"},
    ],
}


def test_the_page_is_made_from_the_cards():
    assert ship.page(PAGE, CARDS) == PAGE, "run `python -m scripts.ship`"
    assert PAGE.count(ship.BEGIN) == PAGE.count(ship.END) == 1


def test_a_card_that_changes_changes_the_page(monkeypatch, tmp_path):
    (tmp_path / "vae-test.safetensors").write_bytes(bytes(1234))
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    text = f"before {ship.BEGIN} old {ship.END} after"
    page = ship.page(text, [CARD])
    assert page.startswith("before ") and page.endswith(" after") and "old" not in page
    for words in (
        "## vae-test",
        "images/zoo/vae-test.png",
        "1,500 of 2,000 steps, 62 s on a machine",
        "12,345 in 1,234 bytes",
        "**2.50 ± 0.50**: a",
        "**84.00 ± 0.10**: b",
        "2.50 ± 0.50<br>800 samples".replace(" ", "\N{NO-BREAK SPACE}"),
        "| ≤ 84.00 ± 0.10 |".replace(" ", "\N{NO-BREAK SPACE}")[2:-2],
    ):
        assert words in page, words
    assert ship.page(page, [CARD]) == page
    for key in ("summary", "command", "steps", "machine", "calls", "licence", "date"):
        other = copy.deepcopy(CARD)
        other[key] = 77 if isinstance(CARD[key], int) else "something else"
        assert ship.page(text, [other]) != page, key


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card["name"])
def test_a_card_has_its_picture_and_no_other_is_there(card):
    path = ROOT / f"book/images/zoo/{card['name']}.png"
    assert path.stat().st_size < 120_000
    with Image.open(path) as picture:
        assert picture.width >= 600
    assert ship.alt(card) in PAGE
    assert {p.stem for p in path.parent.iterdir()} == {c["name"] for c in CARDS}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card["name"])
def test_the_command_on_a_card_is_one_that_trains_it(card):
    words = card["command"].split()
    assert words[:4] == ["python", "-m", "genbook", "train"]
    assert words[4] == card["recipe"] in RECIPES
    steps = re.search(r"--steps (\d+)", card["command"])
    asked = int(steps[1]) if steps else RECIPES[card["recipe"]]().steps
    assert asked == card["of"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run that has not learned anything, and an empty zoo."""
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "zoo")
    monkeypatch.setattr(ship, "BOOK", tmp_path)
    images = torch.zeros(10, 1, 28, 28, dtype=torch.uint8)
    monkeypatch.setattr(data, "mnist", lambda: data.Images(None, None, images, None))

    def write(**changes):
        said = {"recipe": "dcgan", "data": "mnist", "seed": 3, "step": 5, "steps": 9}
        said |= {"bf16": True, "compile": False, "seconds": 7.5} | changes
        weights = RECIPES["dcgan"]().model.state_dict()
        header = {"genbook": json.dumps(said)}
        (tmp_path / runs.WEIGHTS).write_bytes(save(weights, header))
        return tmp_path

    return write


def test_a_run_is_shipped_in_eight_bits_with_its_card(run):
    assert ship.ship(run(), n=4000) == "dcgan-mnist"
    packed, card = zoo.read(zoo.FOLDER / "dcgan-mnist.safetensors")
    assert packed["generator.0.weight"].dtype == torch.int8
    command = "python -m genbook train dcgan --data mnist --seed 3 --steps 9 --bf16"
    assert card["command"] == command
    assert (card["steps"], card["of"], card["seconds"]) == (5, 9, 7.5)
    assert card["calls"] == 1 and card["metrics"][0]["value"] > 100
    ship.picture("dcgan-mnist")
    assert (ship.BOOK / "images/zoo/dcgan-mnist.png").stat().st_size > 1000


def test_a_run_on_other_images_is_not_shipped(run):
    with pytest.raises(SystemExit, match="expected a run on mnist, got one on kmnist"):
        ship.ship(run(data="kmnist"))


@pytest.mark.parametrize(
    ("words", "said"),
    [("nowhere", "nowhere holds no weights"), (". -n 7", "a multiple of 10, 650 or")],
)
def test_what_cannot_be_shipped_is_a_sentence(run, monkeypatch, words, said):
    monkeypatch.chdir(run())
    monkeypatch.setattr(sys, "argv", ["ship", *words.split()])
    with pytest.raises(SystemExit, match=said):
        ship.main()


def test_a_command_names_all_that_is_not_as_usual():
    usual = {"recipe": "vae", "data": "mnist", "seed": 0, "bf16": False}
    usual |= {"steps": RECIPES["vae"]().steps, "compile": False}
    words = "python -m genbook train vae --data mnist"
    assert ship.command(usual) == words
    changes = {"seed": 3, "steps": 9, "bf16": True, "compile": True}
    words += " --seed 3 --steps 9 --bf16 --compile"
    assert ship.command(usual | changes) == words
    del usual["compile"]
    with pytest.raises(SystemExit, match="does not know compile: it is older"):
        ship.command(usual)


def test_names_are_those_of_the_recipes_with_hyphens():
    assert ship.named("wgan_gp", "mnist") == "wgan-gp-mnist"
    assert ship.named("ddpm_v", "mnist") == "ddpm-mnist"
    assert ship.named("ddpm_eps", "mnist") == "ddpm-eps-mnist"
