"""The book's command: train a recipe on real images, and use what was trained.

python -m genbook list
python -m genbook train vae --data mnist
python -m genbook train vae --data mnist --resume
python -m genbook sample runs/vae-mnist
"""

import argparse
import sys
from pathlib import Path

import torch

from genbook import data, runs
from genbook.recipes import RECIPES

DATA = {
    "mnist": data.mnist,
    "fashion-mnist": data.fashion_mnist,
    "kmnist": data.kmnist,
}


def main(words: list[str] | None = None) -> int:
    """Do what the words of a command line ask for; return the exit status.

    0 for done, 1 for a failure, 2 for words that make no sense, 130 for interrupted.
    """
    options = _parser().parse_args(words)
    try:
        return options.run(options)
    except (runs.Refused, FloatingPointError, OSError, ValueError) as error:
        print(f"genbook: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("genbook: interrupted", file=sys.stderr)
        return 130


def train(options: argparse.Namespace) -> int:
    """Train a recipe."""
    folder = options.out or Path("runs") / f"{options.recipe}-{options.data}"
    finished = runs.train(
        RECIPES[options.recipe],
        DATA[options.data]().x_train,
        folder=folder,
        data=options.data,
        seed=options.seed,
        steps=options.steps,
        every=options.every,
        resume=options.resume,
        device=options.device,
        bf16=options.bf16,
        compiled=options.compile,
    )
    if finished:
        print(f"Done: {folder} holds the weights, the log and samples.")
        return 0
    print(f"Stopped and saved in {folder}; the same command with --resume goes on.")
    return 130


def show(options: argparse.Namespace) -> int:
    """List the recipes: name, number of parameters, first line of the docstring."""
    for name, make in RECIPES.items():
        weights = sum(p.numel() for p in make().model.parameters())
        print(f"{name:12} {weights / 1e6:6.2f} M  {make.__doc__.splitlines()[0]}")
    return 0


def sample(options: argparse.Namespace) -> int:
    """Draw samples into a picture."""
    from genbook import plots

    recipe, model, card = runs.load(options.name)
    generator = torch.Generator().manual_seed(options.seed)
    with torch.no_grad():
        ink = recipe.sample(model, options.n, generator)
    said = f"{options.n} samples of {card['recipe']} on {card['data']}"
    wall = plots.images(ink, alt=said, columns=min(16, options.n))
    runs.write(options.out, runs.png(wall))
    print(f"{options.out}: {said}, after {card['step']} steps.")
    return 0


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m genbook",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    add = commands.add_parser("list", help="list the recipes")
    add.set_defaults(run=show)

    add = commands.add_parser("train", help="train a recipe on images")
    add.set_defaults(run=train)
    add.add_argument(
        "recipe", choices=RECIPES, metavar="RECIPE", help="; ".join(RECIPES)
    )
    add.add_argument("--data", choices=DATA, default="mnist", help="; ".join(DATA))
    add.add_argument("--out", type=Path, help="the run's folder (runs/RECIPE-DATA)")
    add.add_argument("--steps", type=int, help="how many (as the recipe says)")
    add.add_argument("--seed", type=int, default=0, help="of everything random (0)")
    add.add_argument(
        "--every", type=int, help="steps between checkpoints (a 20th of all)"
    )
    add.add_argument("--resume", action="store_true", help="go on with the run")
    add.add_argument("--device", help="cpu, cuda or mps (the best there is)")
    add.add_argument("--bf16", action="store_true", help="bfloat16 autocast")
    add.add_argument("--compile", action="store_true", help="torch.compile the losses")

    add = commands.add_parser("sample", help="draw samples of a trained model")
    add.set_defaults(run=sample)
    add.add_argument("name", help="the folder of a run")
    add.add_argument("-n", type=int, default=64, help="how many (64)")
    add.add_argument(
        "--out", type=Path, default=Path("samples.png"), help="(samples.png)"
    )
    add.add_argument("--seed", type=int, default=0, help="of the noise (0)")
    return top


if __name__ == "__main__":
    sys.exit(main())
