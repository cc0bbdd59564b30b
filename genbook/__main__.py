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

from genbook import data, files, runs
from genbook.recipes import RECIPES, Recipe

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
    """List the recipes: name, trained parameters, first line of the docstring."""
    for name, make in RECIPES.items():
        millions = make().parameters / 1e6
        print(f"{name:12} {millions:6.2f} M  {make.__doc__.splitlines()[0]}")
    return 0


def sample(options: argparse.Namespace) -> int:
    """Draw samples into a picture."""
    from genbook import plots

    if options.out.is_dir() or not options.out.parent.is_dir():
        raise runs.Refused(
            f"--out {options.out}: expected the name of a picture, in a folder that is "
            "there"
        )
    recipe, _, title = _find(options.name)
    generator = torch.Generator().manual_seed(options.seed)
    with torch.no_grad():
        ink = recipe.sample(recipe.model, options.n, generator)
    said = f"{options.n} samples of {title}"
    wall = plots.images(ink, alt=said, columns=min(16, options.n))
    files.write(options.out, runs.png(wall))
    print(f"{options.out}: {said}.")
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Measure all that a model of MNIST can answer, and say how."""
    from genbook.evaluate import everything

    recipe, images, title = _find(options.name)
    if images != "mnist":
        raise runs.Refused(
            f"expected a model of mnist, which alone has a critic; got {title}"
        )
    print(f"{title[0].upper()}{title[1:]}:")
    for metric in everything(recipe, data.mnist().x_test, n=options.n):
        print(f"{metric.name} {metric.value:.2f} ({metric.low:.2f}…{metric.high:.2f})")
        print(f"    {metric.meaning}")
    return 0


def _find(name: str) -> tuple[Recipe, str, str]:
    """Return a trained recipe, what it was trained on, and a title.

    The name is that of a run's folder, or of a model of the zoo.
    """
    from genbook import zoo

    if Path(name).is_dir():
        recipe, _, card = runs.load(name)
        title = f"{card['recipe']} on {card['data']}, after {card['step']} steps"
        return recipe, card["data"], title
    if name in zoo.names():
        return zoo.recipe(name), "mnist", f"{name} from the zoo"
    raise runs.Refused(
        f"{name} is neither the folder of a run nor a model of the zoo, one of "
        f"{', '.join(zoo.names())}"
    )


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m genbook",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    named = "the folder of a run, or a model that ships with the package: vae-mnist"

    add = commands.add_parser("list", help="list the recipes")
    add.set_defaults(run=show)

    add = commands.add_parser("train", help="train a recipe on images")
    add.set_defaults(run=train)
    add.add_argument(
        "recipe", choices=RECIPES, metavar="RECIPE", help="; ".join(RECIPES)
    )
    add.add_argument("--data", choices=DATA, default="mnist", help="; ".join(DATA))
    add.add_argument("--out", type=Path, help="the run's folder (runs/RECIPE-DATA)")
    add.add_argument("--steps", type=_positive, help="how many (as the recipe says)")
    add.add_argument("--seed", type=_seed, default=0, help="of everything random (0)")
    add.add_argument(
        "--every", type=_positive, help="steps between checkpoints (a 20th of all)"
    )
    add.add_argument("--resume", action="store_true", help="go on with the run")
    add.add_argument("--device", help="cpu, cuda or mps (the best there is)")
    add.add_argument("--bf16", action="store_true", help="bfloat16 autocast")
    add.add_argument("--compile", action="store_true", help="torch.compile the losses")

    add = commands.add_parser("sample", help="draw samples of a trained model")
    add.set_defaults(run=sample)
    add.add_argument("name", metavar="RUN_OR_ZOO_NAME", help=named)
    add.add_argument("-n", type=_positive, default=64, help="how many (64)")
    add.add_argument(
        "--out", type=Path, default=Path("samples.png"), help="(samples.png)"
    )
    add.add_argument("--seed", type=_seed, default=0, help="of the noise (0)")

    add = commands.add_parser("evaluate", help="measure a trained model of MNIST")
    add.set_defaults(run=evaluate)
    add.add_argument("name", metavar="RUN_OR_ZOO_NAME", help=named)
    add.add_argument("-n", type=_positive, default=10_000, help="samples (10000)")
    return top


def _positive(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number ≥ 1, got {word!r}")
    return int(word)


def _seed(word: str) -> int:
    if not word.isdecimal() or int(word) >= 2**63:
        raise argparse.ArgumentTypeError(
            f"expected a whole number 0 … 2⁶³ - 1, got {word!r}"
        )
    return int(word)


if __name__ == "__main__":
    sys.exit(main())
