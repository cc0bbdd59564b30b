"""Ship a run: put its model into the zoo, measured, with its card and a picture.

    python -m scripts.ship runs/vae-mnist

On the machine that trained it, with MNIST at hand. The weights go to
`genbook/weights/zoo/`, in eight bits; what the card says is measured on the weights as
rounded, not on those of the run. The page `book/zoo.md` is made anew from all cards;
without a run, only that is done.
"""

import argparse
import datetime
from pathlib import Path

import torch

from genbook import data, evaluate, mnist_metrics, plots, runs, zoo
from genbook.mnist import MNIST
from genbook.recipes import RECIPES
from scripts.scoreboard import machine, table

BOOK = Path(__file__).parents[1] / "book"
NAMES = {"ddpm_v": "ddpm"}  # the zoo's name where it is not the recipe's
LICENCE = (
    "weights: MIT, as the book; trained on MNIST, © Yann LeCun and Corinna Cortes, "
    "CC BY-SA 3.0 as the documentation of Keras states"
)

# Between these two comments the page belongs to this script, elsewhere to its writers.
BEGIN, END = (
    "<!-- cards, written by `python -m scripts.ship` -->",
    "<!-- end of cards -->",
)


def ship(folder: Path, *, n: int = 10_000) -> str:
    """Put the model of a run into the zoo; return its name there."""
    made, model, run = runs.load(folder)
    if run["data"] != "mnist":
        raise SystemExit(f"expected a run on mnist, got one on {run['data']}")
    recipe = run["recipe"]
    name = named(recipe, run["data"])
    path = zoo.FOLDER / f"{name}.safetensors"
    packed = zoo.pack(model.state_dict())
    said = {
        "recipe": recipe,
        "summary": RECIPES[recipe].__doc__.splitlines()[0],
        "command": command(run),
        "data": MNIST.digests,
        "steps": run["step"],
        "of": run["steps"],
        "seconds": run["seconds"],
        "machine": machine(),
        "torch": torch.__version__.split("+")[0],
        "date": datetime.date.today().isoformat(),
        "parameters": made.parameters,
        "licence": LICENCE,
    }
    model.load_state_dict(zoo.unpack(packed))  # as a reader will get it
    said["calls"] = evaluate.calls(made)
    found = evaluate.everything(made, data.mnist().x_test, n=n)
    said["metrics"] = [m._asdict() | {"small": m.small._asdict()} for m in found]
    zoo.write(path, packed, said)
    return name


def named(recipe: str, images: str) -> str:
    """Return what the zoo calls a recipe's model of these images."""
    return f"{NAMES.get(recipe, recipe)}-{images}".replace("_", "-")


def command(run: dict) -> str:
    """Return the command that trains this run again.

    Raises ``SystemExit`` for a run so old that it does not know all of its options.
    """
    if missing := {"bf16", "compile"} - run.keys():
        raise SystemExit(
            f"expected a run that says how it was trained, got one that does not know "
            f"{' and '.join(sorted(missing))}: it is older than that; train it again"
        )
    words = f"python -m genbook train {run['recipe']} --data {run['data']}"
    words += f" --seed {run['seed']}" if run["seed"] else ""
    if run["steps"] != RECIPES[run["recipe"]]().steps:
        words += f" --steps {run['steps']}"
    return words + "".join(f" --{o}" for o in ("bf16", "compile") if run[o])


def picture(name: str) -> None:
    """Draw 48 samples of a model into the picture of its card."""
    ink = zoo.sample(name, 48, generator=torch.Generator().manual_seed(0))
    path = BOOK / f"images/zoo/{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(runs.png(plots.images(ink, alt=alt(zoo.card(name)), columns=12)))


def alt(card: dict) -> str:
    """Return what a card's picture shows, for those who cannot see it."""
    return f"48 samples of {card['name']}: handwritten digits, four rows of twelve."


def page(text: str, cards: list[dict]) -> str:
    """Return the page's text with these cards."""
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    parts = [overview(cards), *(section(card) for card in cards)]
    return "\n".join([f"{before}{BEGIN}\n", *parts, f"{END}{after}"])


def overview(cards: list[dict]) -> str:
    """Return one line for each card, as a table, and the floor."""
    columns = ["", "Fréchet distance", "nats", "calls", "parameters", "training, s"]
    rows = []
    for card in cards:
        found = {metric["name"].split(",")[0]: metric for metric in card["metrics"]}
        nats, samples = found.get("-log p(x)"), found["Fréchet distance"]["n"]
        rows.append(
            [
                f"[{card['name']}](#{card['name']})",
                zoo.interval(found["Fréchet distance"])
                + ("" if samples == 10_000 else f"<br>{samples:,} samples"),
                "≤ " + zoo.interval(nats) if nats else "–",
                str(card["calls"]),
                f"{card['parameters']:,}",
                f"{card['seconds']:,.0f}",
            ]
        )
    floor = mnist_metrics.statistics().floor
    real = f"{floor.mean():.2f} ± {2 * floor.std():.2f}"
    rows.append(["real images", real, "–", "–", "–", "–"])
    return table(columns, [[_solid(cell) for cell in row] for row in rows])


def section(card: dict) -> str:
    """Return a card as a part of the page."""
    steps = f"{card['steps']:,} of {card['of']:,}"
    if card["steps"] == card["of"]:
        steps = f"{card['steps']:,}"
    size = zoo.FOLDER.joinpath(f"{card['name']}.safetensors").stat().st_size
    digest = card["data"]["train-images-idx3-ubyte"]
    facts = [
        ("command", f"`{card['command']}`"),
        ("training", f"{steps} steps, {card['seconds']:,.0f} s on {card['machine']}"),
        ("network calls for a sample", f"{card['calls']}"),
        ("parameters", f"{card['parameters']:,} in {size:,} bytes"),
        *(
            (metric["name"], f"**{zoo.interval(metric)}**: {metric['meaning']}")
            for metric in card["metrics"]
        ),
        ("data", f"MNIST; its training images have the SHA-256 {digest[:16]}…"),
        ("made", f"{card['date']} with torch {card['torch']}"),
        ("licence", card["licence"]),
    ]
    image = (
        f"```{{figure}} images/zoo/{card['name']}.png\n:alt: {alt(card)}\n\n"
        f"{card['summary']}\n```\n"
    )
    said = "\n".join(f"- {what}: {words}" for what, words in facts)
    return f"({card['name']})=\n## {card['name']}\n\n{image}\n{said}\n"


def _solid(words: str) -> str:
    return words.replace(" ", "\N{NO-BREAK SPACE}")


def main() -> None:
    """Ship the run that is named, if one is, and make the page again."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("run", type=Path, nargs="?", help="the folder of a run")
    ask.add_argument("-n", type=int, default=10_000, help="samples and images")
    options = ask.parse_args()
    if options.run:
        try:
            name = ship(options.run, n=options.n)
        except (runs.Refused, ValueError) as error:
            raise SystemExit(str(error)) from error
        picture(name)
        for metric in zoo.card(name)["metrics"]:
            print(f"{name}: {metric['name']} {zoo.interval(metric)}")
    path = BOOK / "zoo.md"
    text = page(path.read_text(encoding="utf-8"), list(map(zoo.card, zoo.names())))
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
