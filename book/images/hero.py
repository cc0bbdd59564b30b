"""Draw the front page's picture: a walk through the latent plane of a VAE.

python book/images/hero.py    (half a minute; writes hero.png beside this file)
"""

from pathlib import Path

import numpy as np
import torch
from scipy.interpolate import CubicSpline

from genbook import data, nets, plots, training, vae
from genbook.palette import CLASSES, COLORS

torch.manual_seed(0)
digits = data.digits()
model = vae.VAE(
    nets.mlp((1, 8, 8), 128, 128, 4),
    nets.mlp(2, 128, 128, (1, 8, 8)),
    latent=2,
    likelihood=vae.Binomial(),
)
generator = torch.Generator().manual_seed(0)
stream = training.batches(digits.x_train, size=128, generator=generator)
training.fit(model, stream, steps=6000, device="cpu")

with torch.no_grad():
    mu, _ = model.encode(digits.x_train)
    # From class to class, in the order of their angles round the plane's centre.
    centres = torch.stack([mu[digits.y_train == c].median(0).values for c in range(10)])
    stops = centres[torch.atan2(centres[:, 1], centres[:, 0]).argsort(descending=True)]
    stops = stops[stops.norm(dim=1) > 0.6]  # the middle is no stop on a round trip
    # A closed, smooth curve through the stops, and 25 points equally far apart on it.
    closed = torch.cat([stops, stops[:1]])
    curve = CubicSpline(range(len(closed)), closed, bc_type="periodic")
    path = torch.tensor(curve(np.linspace(0, len(stops), 1000))).float()  # (1000, 2)
    way = torch.cat([torch.zeros(1), path.diff(dim=0).norm(dim=1).cumsum(0)])
    wanted = torch.linspace(0, float(way[-1]), 26)[:-1]
    at = path[torch.searchsorted(way, wanted)]
    drawn = model.decode(at)

fig, (plane, wall) = plots.figure(
    1, 2, alt="see book/intro.md", height=3.5, width=7.2, width_ratios=[1.1, 1]
)
plane.scatter(*mu.T, s=5, c=[CLASSES[c] for c in digits.y_train], alpha=0.55, lw=0)
plane.plot(*path.T, color=COLORS["model"], lw=1.4)
plane.plot(*at.T, "o", color=COLORS["model"], ms=3.5)
plane.plot(*at[0], "o", color="none", mec=COLORS["model"], ms=9, mew=1.6)
plane.set(xlabel="z₁", ylabel="z₂", aspect="equal", xlim=(-3.4, 3.4), ylim=(-3.4, 3.4))
plane.set(xticks=[-2, 0, 2], yticks=[-2, 0, 2])
plots.tiles(wall, drawn, columns=5)
picture = fig._repr_mimebundle_()[0]["image/png"]
Path(__file__).with_name("hero.png").write_bytes(picture)
