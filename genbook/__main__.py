"""The book's command: ``python -m genbook train RECIPE``, ``list``, ``sample``."""

import argparse
import sys
from pathlib import Path

import torch

from genbook import data, plots, runs
from genbook.recipes import RECIPES

DATA = {
    "mnist": "mnist",
    "fashion-mnist": "fashion_mnist",
    "kmnist": "kmnist",
}


def main(words: list[str] | None = None) -> int:
    """Do what the words of a command line ask for; return the exit status."""
    options = parser().parse_args(words)
    try:
        return options.run(options)
    except (runs.Refused, FloatingPointError, OSError, ValueError) as error:
        print(f"genbook: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    top = argparse.ArgumentParser(prog="python -m genbook", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    add = commands.add_parser("train", help="train a recipe on images")
    add.set_defaults(run=train)
    add.add_argument("recipe", choices=RECIPES, metavar="RECIPE")
    add.add_argument("--data", choices=DATA, default="mnist")
    add.add_argument("--out", type=Path, help="folder (runs/RECIPE-DATA)")
    add.add_argument("--steps", type=int, help="how many (as the recipe says)")
    add.add_argument("--seed", type=int, default=0)
    add.add_argument("--every", type=int, help="steps between checkpoints")
    add.add_argument("--resume", action="store_true", help="go on exactly")
    add.add_argument("--device", help="cpu, cuda or mps (the best there is)")

    add = commands.add_parser("list", help="list the recipes")
    add.set_defaults(run=show)

    add = commands.add_parser("sample", help="draw samples of a trained model")
    add.set_defaults(run=sample)
    add.add_argument("name", help="the folder of a run")
    add.add_argument("-n", type=int, default=64)
    add.add_argument("--out", type=Path, default=Path("samples.png"))
    add.add_argument("--seed", type=int, default=0)
    return top


def train(options: argparse.Namespace) -> int:
    """Train a recipe; return 130 where it was interrupted."""
    folder = options.out or Path("runs") / f"{options.recipe}-{options.data}"
    finished = runs.train(
        RECIPES[options.recipe],
        getattr(data, DATA[options.data])().x_train,
        folder=folder,
        data=options.data,
        seed=options.seed,
        steps=options.steps,
        every=options.every,
        resume=options.resume,
        device=options.device,
    )
    if not finished:
        print(f"Stopped and saved; go on with the same command and --resume: {folder}")
    return 0 if finished else 130


def show(options: argparse.Namespace) -> int:
    """List the recipes, each with the first line of its docstring."""
    for name, make in RECIPES.items():
        print(f"{name:12} {make.__doc__.splitlines()[0]}")
    return 0


def sample(options: argparse.Namespace) -> int:
    """Draw samples into a picture."""
    recipe, model, card = runs.load(options.name)
    generator = torch.Generator().manual_seed(options.seed)
    with torch.no_grad():
        ink = recipe.sample(model, options.n, generator)
    alt = f"{options.n} samples of {card['recipe']} on {card['data']}"
    runs.write(options.out, runs.png(plots.images(ink, alt=alt, columns=16)))
    print(f"{options.out}: {alt}, after {card['step']} steps")
    return 0


if __name__ == "__main__":
    sys.exit(main())
