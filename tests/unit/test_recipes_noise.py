"""recipes.noise: what is drawn, what is lowered, how large, and where samples end."""

import math

import pytest
import torch
from torch import nn

from genbook import denoising, nets, recipes
from genbook import score as family
from genbook.data import signed
from genbook.recipes import noise

RECIPES = [noise.ddpm_eps, noise.ddpm_v, noise.score]
MU, SIGMA = -0.4, 0.2  # every pixel of the exact models' data, independently
pytestmark = pytest.mark.usefixtures("float32")


@pytest.fixture(params=RECIPES, ids=lambda make: make.__name__)
def make(request):
    return request.param


def awake(model):
    """Give the last layer, which starts at zero, something to say."""
    heads = [m.head for m in model.modules() if isinstance(m, nets.UNet)]
    for head in heads:
        nn.init.normal_(head.weight, std=0.1)
    return model


def test_recipes_are_listed_and_fit_into_the_zoo(make):
    assert recipes.RECIPES[make.__name__] is make
    weights = sum(p.numel() for p in make().model.parameters())
    assert weights < 1.3e6  # bytes of eight bits


def test_a_batch_is_all_that_is_random(make, pixels, seeded):
    """The loss of what was drawn is the model's own, from the same generator."""
    recipe = make()
    awake(recipe.model)
    (player,) = recipe.players
    batch = recipe.draw(pixels, seeded(3))
    assert all(len(part) == 6 for part in batch)
    assert torch.equal(batch[0].flatten(), signed(pixels).flatten())
    x = batch[0]
    own = recipe.model.loss(x, generator=seeded(3))["loss"]
    assert torch.equal(player.loss(*batch)["loss"], own)
    assert not torch.equal(own, recipe.model.loss(x, generator=seeded(4))["loss"])


def test_every_weight_is_trained(make, pixels, seeded):
    recipe = make()
    awake(recipe.model)
    for block in recipe.model.modules():
        if isinstance(block, nets.ResBlock):
            nn.init.normal_(block.conv_out.weight, std=0.1)
        if isinstance(block, nets.Attention):
            nn.init.normal_(block.out.weight, std=0.1)
    (player,) = recipe.players
    player.loss(*recipe.draw(pixels, seeded()))["loss"].backward()
    for name, p in recipe.model.named_parameters():
        trained = p.grad is not None and bool(p.grad.abs().sum() > 0)
        assert p.requires_grad == trained == (not name.startswith("guide.")), name


def test_what_is_predicted():
    assert noise.ddpm_eps().model.predict is denoising.EPS
    assert noise.ddpm_v().model.predict is denoising.V


def test_a_sample_is_ink_in_at_most_fifty_calls(make, seeded):
    recipe, calls = make(), []
    for unet in (m for m in recipe.model.modules() if isinstance(m, nets.UNet)):
        unet.register_forward_hook(lambda *_: calls.append(1))
    ink = recipe.sample(awake(recipe.model), 3, seeded())
    assert ink.shape == (3, 1, 28, 28) and not ink.requires_grad
    assert 0 <= ink.min() and ink.max() <= 1
    assert len(calls) == noise.CALLS <= 50


def test_the_guide_leads_the_samples_and_nothing_else(make, pixels, seeded):
    recipe = make()
    awake(recipe.model)
    with torch.no_grad():
        drawn = recipe.sample(recipe.model, 2, seeded())
        lost = recipe.players[0].loss(*recipe.draw(pixels, seeded()))["loss"]
        for p in recipe.model.guide.parameters():
            p.mul_(1.5)
        assert not torch.equal(recipe.sample(recipe.model, 2, seeded()), drawn)
        again = recipe.players[0].loss(*recipe.draw(pixels, seeded()))["loss"]
    assert torch.equal(lost, again)


# ---- A network that knows the answer -------------------------------------------------


class Exact(nn.Module):
    """The v of data N(MU, SIGMA²) in every pixel, from x_t and what t says of ᾱ."""

    def __init__(self, alpha_bar):
        super().__init__()
        self.alpha_bar = alpha_bar
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x_t, t):
        ab = self.alpha_bar(t).to(x_t).reshape(-1, 1, 1, 1)
        gain = ab.sqrt() * SIGMA**2 / (ab * SIGMA**2 + 1 - ab)
        x0 = MU + gain * (x_t - ab.sqrt() * MU)  # E[x0 | x_t]
        return (ab.sqrt() * x_t - x0) / (1 - ab).sqrt()


def ladder(t):
    """Return ᾱ = 1 / (1 + σ²) for the time that ``Flat`` makes of a level."""
    return (math.pi / 2000 * t).cos() ** 2


@pytest.mark.parametrize("sigma", [0.02, 0.7, 50.0])
def test_v_becomes_the_score(sigma, seeded):
    model = family.ScoreModel(noise.Flat(Exact(ladder)), sigma_min=0.02, sigma_max=50.0)
    x = MU + math.hypot(sigma, SIGMA) * torch.randn(5, 784, generator=seeded())
    true = (MU - x) / (sigma**2 + SIGMA**2)
    assert torch.allclose(model.score(x, sigma), true, rtol=1e-3, atol=1e-3 / sigma)


def test_a_diffusion_model_asked_for_v_knows_the_score(seeded):
    """One network, two names: its times are those that ``Flat`` tells, nearly."""
    alpha_bar = noise.ddpm_v().model.alpha_bar
    t = torch.tensor([50, 200, 500, 800, 950])
    sigma, told = (1 / alpha_bar[t] - 1).sqrt(), []

    def net(x, t):
        told.append(t)
        return x

    points = torch.zeros(5, 784)
    noise.Flat(net)(torch.cat([points, sigma.log()[:, None].float()], 1))
    assert (told[0] - t).abs().max() < 10


def test_an_exact_network_ends_at_the_data(seeded):
    """Ink (x + 1) / 2, so mean 0.3 and spread 0.1 in each pixel."""
    score, ddpm = noise.score(), noise.ddpm_v()
    score.model.net.net = Exact(ladder)
    ddpm.model.net = Exact(lambda t: ddpm.model.alpha_bar[t])
    for recipe in (score, ddpm):
        recipe.model.guide = recipe.model.net
        ink = recipe.sample(recipe.model, 20, seeded())
        assert abs(ink.mean() - (MU + 1) / 2) < 0.005
        assert abs(ink.std() / (SIGMA / 2) - 1) < 0.05
