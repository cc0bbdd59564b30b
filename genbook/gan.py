"""Generative adversarial networks (lesson 06; Goodfellow et al. 2014).

A generator turns noise z ~ N(0, I) into a sample G(z); a discriminator says how likely
a sample is to be real, D(x) = sigmoid(logit). They play for the value

    V(D, G) = E_p[log D(x)] + E_z[log(1 - D(G(z)))],

which the discriminator raises and the generator lowers. Discriminators here return the
logit, and every loss takes logits, so that no log of a rounded 0 is ever taken. Losses
are averages over the batch, in nats.
"""

import copy
import functools
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbook.training import Step, ema_decay, pick_device


def value(d_real: Tensor, d_fake: Tensor) -> Tensor:
    """Return V = E log D(real) + E log(1 - D(fake)) in nats, a scalar.

    d_real and d_fake are logits of any shapes. At D* it is 2 JSD(p, q) - log 4
    (Goodfellow et al. 2014, eq. 1 and theorem 1).
    """
    return F.logsigmoid(d_real).mean() + F.logsigmoid(-d_fake).mean()


def d_loss(d_real: Tensor, d_fake: Tensor) -> dict[str, Tensor]:
    """Return the discriminator's terms: loss = real + fake = -V, in nats.

    It is the cross-entropy of telling real from fake: log 4 for a guess of one half
    everywhere, 0 for one that is always sure and right.
    """
    # softplus(-a) is -log sigmoid(a), and softplus(a) is -log(1 - sigmoid(a)).
    real, fake = F.softplus(-d_real).mean(), F.softplus(d_fake).mean()
    return {"loss": real + fake, "real": real, "fake": fake}


def g_loss_saturating(d_fake: Tensor) -> Tensor:
    """Return E log(1 - D(fake)) in nats: the generator's share of the value.

    Its slope over the logit is -D: it vanishes where the fake is found out (Goodfellow
    et al. 2014, section 3).
    """
    return -F.softplus(d_fake).mean()


def g_loss_nonsaturating(d_fake: Tensor) -> Tensor:
    """Return -E log D(fake) in nats: lowered by the same samples, and louder.

    Its slope over the logit is -(1 - D): it is largest where the fake is found out
    (Goodfellow et al. 2014, section 3).
    """
    return F.softplus(-d_fake).mean()


def optimal_d(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return the logit of the best discriminator, log p - log q, in one shape.

    Its sigmoid is D* = p / (p + q), where p is the density of the data and q that of
    the generator (Goodfellow et al. 2014, proposition 1). Raises ``ValueError`` if the
    shapes differ, which would broadcast unseen.
    """
    if log_p.shape != log_q.shape:
        raise ValueError(
            f"log_p and log_q: expected one shape, "
            f"got {tuple(log_p.shape)} and {tuple(log_q.shape)}"
        )
    return log_p - log_q


def judge(model: "GAN", x: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Return the discriminator's terms on real x (B, …) and on fakes (B, …).

    The fakes are detached: the generator gets no gradient from this loss. Real and fake
    are batches of their own, so that BatchNorm in D cannot compare them.
    """
    return d_loss(model.discriminator(x), model.discriminator(fake.detach()))


def fool(model: "GAN", fake: Tensor) -> dict[str, Tensor]:
    """Return the generator's non-saturating loss on fakes (B, …), as its only term."""
    return {"loss": g_loss_nonsaturating(model.discriminator(fake))}


def generator(latent: int = 32, *, width: int = 16, side: int = 8) -> nn.Sequential:
    """Return a DCGAN's generator: noise (B, latent) -> images (B, 1, side, side).

    Pixels are in [-1, 1]; the side is a multiple of 4. As in Radford et al. (2016) a
    linear map fills the smallest square, transposed convolutions double the side twice,
    and BatchNorm stands between (Ioffe & Szegedy 2015): in training an image depends on
    its batch, after ``eval()`` on its noise alone. The last transposed convolution is
    written out as what it is, patches that overlap and add, which draws 1.5 times as
    fast as PyTorch's own for one channel.
    """
    return nn.Sequential(
        nn.Linear(latent, width * side**2 // 4, bias=False),  # BatchNorm needs no bias
        nn.Unflatten(-1, (4 * width, side // 4, side // 4)),
        nn.BatchNorm2d(4 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),  # (B, 2 width, side / 2, side / 2)
        nn.ReLU(),
        nn.Flatten(2),  # (B, 2 width, side² / 4), one column for each place
        nn.Conv1d(2 * width, 16, 1),  # each becomes a patch of 4 × 4 pixels,
        nn.Fold(side, 4, stride=2, padding=1),  # and they overlap and add up
        nn.Tanh(),
    )


def discriminator(*, width: int = 16, side: int = 8) -> nn.Sequential:
    """Return a DCGAN's discriminator: images (B, 1, side, side) -> logits (B,).

    Convolutions of stride 2 halve the side twice, with leaky ReLUs, and BatchNorm
    everywhere but at the image (Radford et al. 2016). The side is a multiple of 4.
    """
    return nn.Sequential(
        nn.Conv2d(1, 2 * width, 4, stride=2, padding=1),  # half the side
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(4 * width),  # (B, 4 width, side / 4, side / 4)
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(width * side**2 // 4, 1),
        nn.Flatten(0),
    )


class GAN(nn.Module):
    """A generator and a discriminator, and what each of them lowers.

    generator      noise (B, latent) -> samples (B, …)
    discriminator  samples (B, …) -> logits, one for each sample
    latent         K, the length of the noise

    A subclass that has another ``d_loss`` or ``g_loss`` is another game. Raises
    ``ValueError`` for latent < 1, for a generator that does not take such noise, and
    unless the discriminator gives one logit for each of its samples.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, *, latent: int):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.latent = latent
        if latent < 1:
            raise ValueError(f"latent: expected at least 1 dimension, got {latent}")
        try:
            with torch.no_grad():
                two = generator(self.noise(2))
                logits = discriminator(two)
        except RuntimeError as error:
            raise ValueError(
                f"expected a generator that takes noise of {latent} numbers, and a "
                f"discriminator that takes what it makes: {error}"
            ) from error
        self.shape = tuple(two.shape[1:])
        if logits.numel() != 2:
            raise ValueError(
                f"discriminator: expected one logit a sample, got "
                f"{tuple(logits.shape)} for 2 samples"
            )

    def d_loss(self, x: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Return the discriminator's terms, as ``judge`` does."""
        return judge(self, x, fake)

    def g_loss(self, fake: Tensor) -> dict[str, Tensor]:
        """Return the generator's non-saturating loss, as ``fool`` does."""
        return fool(self, fake)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Return n samples, (n, *shape). Raises ``ValueError`` for n < 1."""
        if n < 1:
            raise ValueError(f"n: expected at least 1 sample, got {n}")
        return self.generator(self.noise(n, generator=generator))

    def noise(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Return standard normal noise (n, K)."""
        like = next(self.generator.parameters())
        return torch.randn(
            (n, self.latent), generator=generator, dtype=like.dtype, device=like.device
        )


def play(
    model: nn.Module,
    stream: Iterator[Tensor],
    adam_d: torch.optim.Optimizer,
    adam_g: torch.optim.Optimizer,
    *,
    steps: int,
    d_steps: int = 1,
) -> Iterator[Step]:
    """Play ``steps`` rounds: d_steps updates of D, then one of G, and yield a ``Step``.

    Algorithm 1 of Goodfellow et al. (2014), except that G learns from the fakes that D
    has just seen, which spares making others. Terms carry the player's name: ``"D
    real"`` or ``"G loss"``; those of D are of its last update. Raises
    ``FloatingPointError`` as ``numbers`` does, before that update.
    """
    weights = list(model.generator.parameters())
    for step in range(1, steps + 1):
        for _ in range(d_steps):
            x = next(stream)
            fake = model.sample(len(x))  # for both turns
            d_terms = model.d_loss(x, fake)
            values = numbers(step, "D", d_terms)
            adam_d.zero_grad()
            d_terms["loss"].backward()
            adam_d.step()  # moves the discriminator alone
        g_terms = model.g_loss(fake)  # judged anew, by the D that has moved
        values |= numbers(step, "G", g_terms)
        adam_g.zero_grad()
        g_terms["loss"].backward(inputs=weights)  # through D into G, and only there
        adam_g.step()  # moves the generator alone
        yield Step(step, values)


def numbers(step: int, player: str, terms: dict[str, Tensor]) -> dict[str, float]:
    """Return a player's terms as numbers, under names such as ``"D real"``.

    Raises ``FloatingPointError`` naming step and term if one is not finite.
    """
    # One transfer for all terms: on a GPU each transfer waits for the device.
    values = torch.stack([t.detach().float() for t in terms.values()]).tolist()
    pairs = list(zip(terms, values, strict=True))
    # A part that is not finite spoils the sum: look at "loss" last.
    for name, number in sorted(pairs, key=lambda pair: pair[0] == "loss"):
        if not math.isfinite(number):
            raise FloatingPointError(
                f"step {step}: the term '{player} {name}' is {number}; "
                f"the weights are those before this update"
            )
    return {f"{player} {name}": number for name, number in pairs}


def fit_gan(
    gan: nn.Module,
    stream: Iterator[Tensor],
    *,
    steps: int,
    lr: float = 1e-3,
    lr_d: float | None = None,
    betas: tuple[float, float] = (0.5, 0.999),
    d_steps: int = 1,
    ema: float | None = None,
    device: str | torch.device | None = None,
) -> Iterator[Step]:
    """Train the two players of ``gan``, an Adam each; yield a ``Step`` a round.

    Arguments are checked at once; training happens as the iterator is consumed. ``gan``
    has ``generator`` and ``discriminator``, ``sample(n)``, and ``d_loss(x, fake)`` and
    ``g_loss(fake)`` with their terms: a ``GAN``, or any module like it. It is left in
    training mode: where there is BatchNorm, ``eval()`` comes before drawing.

    lr       G's learning rate, and D's unless lr_d is given (two time-scales).
    betas    of both Adams; 0.5 rather than 0.9 forgets the past sooner, since the other
             player has moved on (Radford et al. 2016).
    d_steps  updates of D, each on a batch of its own, before each of G.
    ema      decay of a moving average of G's weights, which G holds after the last step
             (Yazıcı et al. 2019). At step n it is at most (n - 1) / (n + 8), a memory
             of the last ninth or so, else the first weights would count for long.
             BatchNorm's running statistics are averaged with the weights.
    device   where to train; ``None`` leaves the model where it is.

    Raises ``ValueError`` for an argument out of range and for a stream that ends too
    early, ``FloatingPointError`` naming step and term if a term is not finite.
    """
    here = next(gan.parameters()).device
    device = here if device is None else pick_device(device)
    lr_d = lr if lr_d is None else lr_d
    if min(steps, d_steps) < 1:
        raise ValueError(
            f"expected steps and d_steps of at least 1, got {steps} and {d_steps}"
        )
    if not (lr > 0 and lr_d > 0):
        raise ValueError(f"expected positive learning rates, got {lr} and {lr_d}")
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas: expected two numbers in [0, 1), got {betas}")
    if ema is not None and not 0 < ema < 1:
        raise ValueError(f"ema: expected a decay between 0 and 1, got {ema}")

    def batches() -> Iterator[Tensor]:
        got = 0
        for x in stream:
            got += 1
            yield x.to(device, non_blocking=True)
        raise ValueError(f"stream: expected {steps * d_steps} batches, got {got}")

    def loop() -> Iterator[Step]:
        gan.to(device).train()
        # fused: one call for all weights, where a step is mostly calls
        adam = functools.partial(torch.optim.Adam, betas=betas, fused=True)
        adam_d = adam(gan.discriminator.parameters(), lr=lr_d)
        adam_g = adam(gan.generator.parameters(), lr=lr)
        now = gan.generator.state_dict()  # the tensors themselves, statistics too
        mean = ema and copy.deepcopy(now)
        rounds = play(gan, batches(), adam_d, adam_g, steps=steps, d_steps=d_steps)
        for step in rounds:
            if ema:
                decay = ema_decay(ema, step.step - 1)  # 0 at the first step
                for name, tensor in mean.items():
                    if tensor.is_floating_point():
                        tensor.lerp_(now[name], 1 - decay)
                    else:  # a count
                        tensor.copy_(now[name])
                if step.step == steps:
                    gan.generator.load_state_dict(mean)
            yield step

    return loop()
