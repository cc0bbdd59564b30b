"""recipes.adversarial: the players' losses on given noise, the penalty, what moves."""

import pytest
import torch
from torch import nn

from genbook import gan as family
from genbook import recipes, runs
from genbook.data import signed
from genbook.recipes import adversarial

RECIPES = [adversarial.dcgan, adversarial.wgan_gp]
pytestmark = pytest.mark.usefixtures("float32")


@pytest.fixture(params=RECIPES, ids=lambda make: make.__name__)
def make(request):
    return request.param


def test_recipes_are_listed_and_fit_into_the_zoo(make):
    assert recipes.RECIPES[make.__name__] is make
    weights = sum(p.numel() for p in make().model.parameters())
    assert weights * 2 < 1.5e6  # bytes of half precision


def test_a_batch_is_all_that_is_random(make, pixels, seeded):
    recipe = make()
    batch = recipe.draw(pixels, seeded(3))
    assert all(len(part) == 6 for part in batch)
    assert torch.equal(batch[0], signed(pixels))
    again = recipe.draw(pixels, seeded(3))
    assert all(torch.equal(a, b) for a, b in zip(batch, again, strict=True))
    z = batch[1]
    assert z.shape == (6, recipe.model.latent) and z.std(0).min() > 0
    for player in recipe.players:  # nothing else is drawn in a loss
        losses = [player.loss(*b)["loss"] for b in (batch, again)]
        assert torch.allclose(*losses, rtol=1e-5)


def test_each_player_trains_all_its_weights_and_no_others(make, pixels, seeded):
    recipe = make()
    D, G = recipe.players
    assert (D.module, G.module) == (recipe.model.discriminator, recipe.model.generator)
    D.loss(*recipe.draw(pixels, seeded()))["loss"].backward()
    assert all(p.grad is None for p in G.module.parameters())
    G.loss(*recipe.draw(pixels, seeded()))["loss"].backward()
    for name, p in recipe.model.named_parameters():
        # No bias of a critic's score changes a difference of scores.
        known = make is adversarial.wgan_gp and name == "discriminator.6.bias"
        assert p.grad is not None and (known or p.grad.abs().sum() > 0), name


def test_a_dcgan_plays_the_game_of_the_lesson(pixels, seeded):
    recipe = adversarial.dcgan()
    D, G = recipe.players
    x, z = recipe.draw(pixels, seeded())
    fake = recipe.model.generator(z)
    assert torch.allclose(
        D.loss(x, z)["loss"], family.judge(recipe.model, x, fake)["loss"], rtol=1e-5
    )
    assert torch.allclose(
        G.loss(x, z)["loss"], family.fool(recipe.model, fake)["loss"], rtol=1e-5
    )


def test_the_critic_judges_each_image_on_its_own():
    critic = adversarial.wgan_gp().model.discriminator.train()
    x = torch.randn(6, 1, 28, 28)
    assert torch.allclose(critic(x[:2]), critic(x)[:2], atol=1e-5)


@pytest.mark.parametrize("length", [0.2, 1.0, 3.0])
def test_the_loss_of_a_linear_critic(length, pixels, seeded):
    """D(x) = w · x: the slope is w everywhere, and the distance that of the means."""
    recipe = adversarial.wgan_gp()
    critic, generator = recipe.model.discriminator, recipe.model.generator
    w = nn.functional.normalize(torch.randn(1, 784), dim=1) * length
    linear = nn.Linear(784, 1, bias=False)
    linear.weight.data = w
    for i in range(len(critic)):
        critic[i] = nn.Identity()
    critic[0], critic[1], critic[2] = nn.Flatten(), linear, nn.Flatten(0)
    x, z, t = recipe.draw(pixels, seeded())
    fake = generator(z)
    D, G = recipe.players
    terms = D.loss(x, z, t)
    distance = ((x.mean(0) - fake.mean(0)).flatten() @ w.T).squeeze()
    assert torch.allclose(terms["distance"], distance, rtol=1e-4, atol=1e-4)
    assert abs(terms["penalty"] - 10 * (length - 1) ** 2) < 1e-3
    assert torch.allclose(terms["loss"], terms["penalty"] - terms["distance"])
    score = -(fake.flatten(1) @ w.T).mean()
    assert torch.allclose(G.loss(x, z, t)["loss"], score, rtol=1e-4, atol=1e-4)


def test_the_penalty_looks_between_real_and_fake(pixels, seeded):
    """D(x) = ½ ‖x‖² has the slope x: its length tells where the penalty looked."""
    recipe = adversarial.wgan_gp()
    critic = recipe.model.discriminator

    class Square(nn.Module):
        def forward(self, x):
            return x.flatten(1).square().sum(1) / 2

    for i in range(len(critic)):
        critic[i] = nn.Identity()
    critic[0] = Square()
    x, z, t = recipe.draw(pixels, seeded())
    fake = recipe.model.generator(z)
    norm = (t * x + (1 - t) * fake).flatten(1).norm(dim=1)
    oracle = 10 * (norm - 1).square().mean()
    terms = recipe.players[0].loss(x, z, t)
    assert torch.allclose(terms["penalty"], oracle, rtol=1e-4)
    assert t.min() >= 0 and t.max() <= 1 and t.flatten().unique().numel() == 6


def test_a_sample_is_ink(make, seeded):
    recipe = make()
    with torch.no_grad():
        ink = recipe.sample(recipe.model.eval(), 3, seeded(1))
        again = recipe.sample(recipe.model, 3, seeded(1))
    assert ink.shape == (3, 1, 28, 28) and torch.equal(ink, again)
    assert 0 <= ink.min() and ink.max() <= 1


def test_a_run_averages_the_statistics_with_the_weights(tmp_path, seeded):
    x = torch.randint(256, (64, 1, 28, 28), generator=seeded(), dtype=torch.uint8)
    runs.train(adversarial.dcgan, x, folder=tmp_path, data="noise", steps=2)
    saved = torch.load(tmp_path / runs.CHECKPOINT, weights_only=True)
    last = saved["model"]["generator.2.running_mean"]
    mean = saved["averaged"]["module.generator.2.running_mean"]
    assert not torch.allclose(mean, last, rtol=1e-2)
