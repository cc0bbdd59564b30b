"""Why a GAN turns in circles, how lost modes are counted, and what helps (lesson 07).

First the Dirac-GAN (Mescheder et al. 2018): the data is a single point at 0, the
generator a single point at theta, the discriminator's logit is D(x) = psi x. A state is
w (..., 2) = (theta, psi), and the game's only equilibrium is (0, 0). A *field* says
where gradient descent of both players would move a state; an *update* takes a step of
size h by a field.

Then counting modes; then the fixes, for networks that stand side by side: with a first
axis of R independent runs, so that three seeds train in one go.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbook.data import Mixture

Field = Callable[[Tensor], Tensor]

# ------------------------------------------------------------------- Dirac-GAN: fields


def minimax(w: Tensor) -> Tensor:
    """Return the field of V = log sigmoid(0) + log(1 - sigmoid(psi theta)), (..., 2).

    psi climbs V and theta descends it. Goodfellow et al. 2014, eq. 1.
    """
    theta, psi = w.unbind(-1)
    fake = torch.sigmoid(psi * theta)  # how real the fake looks
    return torch.stack([psi * fake, -theta * fake], -1)


def non_saturating(w: Tensor) -> Tensor:
    """Return the field in which theta climbs log sigmoid(psi theta) instead, (..., 2).

    Goodfellow et al. 2014, section 3; Mescheder et al. 2018, section 2.
    """
    theta, psi = w.unbind(-1)
    fake = torch.sigmoid(psi * theta)
    return torch.stack([psi * (1 - fake), -theta * fake], -1)


def wasserstein(w: Tensor) -> Tensor:
    """Return the field of V = D(0) - D(theta) = -psi theta, a bilinear game, (..., 2).

    Arjovsky et al. 2017.
    """
    theta, psi = w.unbind(-1)
    return torch.stack([psi, -theta], -1)


def with_r1(field: Field, gamma: float) -> Field:
    """Return the field when psi also pays gamma/2 D'(x)² = gamma/2 psi² at the data.

    Mescheder et al. 2018, eq. 9.
    """

    def penalised(w: Tensor) -> Tensor:
        psi = w[..., 1]
        return field(w) - gamma * torch.stack([0 * psi, psi], -1)

    return penalised


def with_gradient_penalty(field: Field, gamma: float) -> Field:
    """Return the field when psi also pays gamma/2 (|D'| - 1)² = gamma/2 (|psi| - 1)².

    Gulrajani et al. 2017, eq. 3, whose lambda is gamma/2 here.
    """

    def penalised(w: Tensor) -> Tensor:
        psi = w[..., 1]
        pull = (psi.abs() - 1) * psi.sign()
        return field(w) - gamma * torch.stack([0 * psi, pull], -1)

    return penalised


# ------------------------------------------------------------------ Dirac-GAN: updates


def simultaneous(field: Field, w: Tensor, h: float) -> Tensor:
    """Return w after both players step at once: w + h v(w)."""
    return w + h * field(w)


def alternating(field: Field, w: Tensor, h: float) -> Tensor:
    """Return w after psi steps, and then theta, which already sees the new psi."""
    theta, psi = w.unbind(-1)
    psi = psi + h * field(w)[..., 1]
    theta = theta + h * field(torch.stack([theta, psi], -1))[..., 0]
    return torch.stack([theta, psi], -1)


def extragradient(field: Field, w: Tensor, h: float) -> Tensor:
    """Return w after a step by the field that a first, trial step would find.

    Korpelevich 1976; for GANs Gidel et al. 2019, section 3.
    """
    return w + h * field(w + h * field(w))


def consensus(field: Field, w: Tensor, h: float, gamma: float) -> Tensor:
    """Return w after a step that also shortens the field: v - gamma ∇ ½‖v‖².

    ∇ ½‖v‖² = Jᵀ v with J the Jacobian of v. Mescheder et al. 2017.
    """
    v, transposed = torch.func.vjp(field, w)
    return w + h * (v - gamma * transposed(v)[0])


def clip(w: Tensor, c: float) -> Tensor:
    """Return w with psi held inside [-c, c]. Arjovsky et al. 2017, algorithm 1."""
    theta, psi = w.unbind(-1)
    return torch.stack([theta, psi.clamp(-c, c)], -1)


def trajectory(update: Field, w: Tensor, steps: int) -> Tensor:
    """Return w (..., 2) and all states that follow, (steps + 1, ..., 2).

    Raises ``ValueError`` for steps below 1, or a state that is not (..., 2).
    """
    if steps < 1 or w.shape[-1:] != (2,):
        raise ValueError(
            f"trajectory: expected steps of at least 1 and a state (..., 2), got "
            f"{steps} and {tuple(w.shape)}"
        )
    path = [w]
    for _ in range(steps):
        path.append(update(path[-1]))
    return torch.stack(path)


def eigenvalues(update: Field) -> Tensor:
    """Return the eigenvalues (2,) of the Jacobian of an update at (0, 0), complex.

    Near the equilibrium each step multiplies by them: inside the unit circle it draws
    nearer, outside it leaves. It must be smooth there; with the gradient penalty it is
    not.
    """
    w = torch.zeros(2, dtype=torch.float64)
    return torch.linalg.eigvals(torch.func.jacrev(update)(w))


# ---------------------------------------------------------------------- counting modes


class Modes(NamedTuple):
    """What ``modes`` counts: modes found, share of good samples, KL in nats."""

    covered: int
    quality: float
    reverse_kl: float


def modes(x: Tensor, mixture: Mixture, *, within: float = 3.0) -> Modes:
    """Count how the samples x (N, D) fall on the modes of a mixture.

    A sample belongs to the nearest mean, and is of high quality if it lies closer than
    ``within`` standard deviations. A mode is covered if it has a sample of high
    quality. The reverse KL is KL(shares of the samples ‖ weights of the modes), in
    nats, over all samples, good or not. Srivastava et al. 2017; Lin et al. 2018.

    Raises ``ValueError`` if x is empty, not (N, D), or not finite.
    """
    if x.dim() != 2 or x.shape[1] != mixture.means.shape[1] or not len(x):
        raise ValueError(
            f"x: expected samples (N, {mixture.means.shape[1]}), got {tuple(x.shape)}"
        )
    if not x.isfinite().all():
        raise ValueError("x: expected finite samples, got NaN or infinity")
    distance, mode = torch.cdist(x, mixture.means.to(x)).min(1)  # each (N,)
    good = distance < within * mixture.sigmas.to(x)[mode]
    share = mode.bincount(minlength=len(mixture.means)) / len(x)
    reverse_kl = torch.special.xlogy(share, share / mixture.weights.to(share)).sum()
    return Modes(
        len(mode[good].unique()), float(good.float().mean()), float(reverse_kl)
    )


# ------------------------------------------------------------------ fixes, for networks


class Perceptrons(nn.Module):
    """R multilayer perceptrons side by side: x (R, B, widths[0]) -> (R, B, widths[-1]).

    Nothing passes from one run to another, so the sum of their losses trains each of
    them as if it were alone; but one large multiplication does the work of R small
    ones. ReLU between layers; weights start uniform, of variance 1/inputs.
    """

    def __init__(
        self, runs: int, *widths: int, generator: torch.Generator | None = None
    ):
        """Raise ``ValueError`` for no run, or fewer than two widths."""
        super().__init__()
        if runs < 1 or len(widths) < 2:
            raise ValueError(
                f"Perceptrons: expected at least 1 run and 2 widths, got {runs} and "
                f"{widths}"
            )

        def uniform(*shape: int, scale: float) -> nn.Parameter:
            u = torch.rand(shape, generator=generator)
            return nn.Parameter((2 * u - 1) * scale)

        self.weight, self.bias = nn.ParameterList(), nn.ParameterList()
        for inputs, outputs in pairwise(widths):
            scale = inputs**-0.5
            self.weight.append(uniform(runs, inputs, outputs, scale=3**0.5 * scale))
            self.bias.append(uniform(runs, 1, outputs, scale=scale))

    def matrices(self) -> list[Tensor]:
        """Return the matrix of each layer, (R, inputs, outputs)."""
        return list(self.weight)

    def hidden(self, x: Tensor) -> Tensor:
        """Return what the last layer reads, (R, B, widths[-2])."""
        # list(): a slice of a ParameterList is a copy, cut off from the graph.
        layers = list(zip(self.matrices(), self.bias, strict=True))
        for weight, bias in layers[:-1]:
            x = torch.baddbmm(bias, x, weight).relu()
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Return (R, B, widths[-1]) for x (R, B, widths[0])."""
        return torch.baddbmm(self.bias[-1], self.hidden(x), self.matrices()[-1])


def closeness(h: Tensor, weight: Tensor) -> Tensor:
    """Return how close each example is to the others of its batch, (R, B, kernels).

    ``Σ_j exp(-‖M_i - M_j‖₁)`` over all j ≠ i, where row k of M_i is h_i weight[k], for
    features h (R, B, A) and weight (R, kernels, A, C). Salimans et al. 2016, section
    3.2: minibatch discrimination.
    """
    m = torch.einsum("rba,rkac->rkbc", h, weight)  # (R, kernels, B, C)
    distance = torch.cdist(m, m, p=1)  # (R, kernels, B, B)
    return ((-distance).exp().sum(-1) - 1).mT  # less its closeness to itself


class MinibatchCritic(Perceptrons):
    """A discriminator whose last layer also reads how close the batch is together."""

    def __init__(
        self,
        runs: int,
        *widths: int,
        kernels: int = 5,
        generator: torch.Generator | None = None,
    ):
        """Raise ``ValueError`` as ``Perceptrons`` does."""
        super().__init__(runs, *widths[:-1], widths[-1], generator=generator)
        for name, shape in (
            ("kernel", (runs, kernels, widths[-2], 2)),
            ("closer", (runs, kernels, widths[-1])),
        ):
            start = torch.randn(shape, generator=generator) * 0.1
            setattr(self, name, nn.Parameter(start))

    def forward(self, x: Tensor) -> Tensor:
        """Return (R, B, widths[-1]) for x (R, B, widths[0]), a batch of one kind."""
        h = self.hidden(x)
        logits = torch.baddbmm(self.bias[-1], h, self.matrices()[-1])
        return logits + closeness(h, self.kernel) @ self.closer


def largest_singular(weight: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest singular value of weight (R, I, O), and a better u (R, O, 1).

    One round of power iteration; the value (R, 1, 1) has the right gradient once u
    has settled. Miyato et al. 2018, algorithm 1.
    """
    with torch.no_grad():
        v = F.normalize(weight @ u, dim=1)  # (R, I, 1)
        u = F.normalize(weight.mT @ v, dim=1)  # (R, O, 1)
    return v.mT @ weight @ u, u


class SpectralCritic(Perceptrons):
    """A critic each of whose matrices is divided by its largest singular value.

    With ReLU its slope is then 1 at most, everywhere. Miyato et al. 2018.
    """

    def __init__(
        self, runs: int, *widths: int, generator: torch.Generator | None = None
    ):
        """Raise ``ValueError`` as ``Perceptrons`` does."""
        super().__init__(runs, *widths, generator=generator)
        for i, outputs in enumerate(widths[1:]):
            u = torch.randn(runs, outputs, 1, generator=generator)
            self.register_buffer(f"u{i}", u)

    def matrices(self) -> list[Tensor]:
        """Return the matrices, each of spectral norm 1 once the iteration settled."""
        divided = []
        for i, weight in enumerate(self.weight):
            norm, u = largest_singular(weight, getattr(self, f"u{i}"))
            setattr(self, f"u{i}", u)
            divided.append(weight / norm)
        return divided


def gradient_penalty(
    critic: nn.Module, real: Tensor, fake: Tensor, t: Tensor
) -> Tensor:
    """Return (‖∇D(x)‖ - 1)² for each x on the way from fake to real, (R, B).

    x = t real + (1 - t) fake with t (R, B, 1) uniform in 0…1; the gradient's norm is
    taken over the coordinates of one point, the last axis. Gulrajani et al. 2017,
    eq. 3.
    """
    x = (t * real + (1 - t) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (slope.norm(dim=-1) - 1) ** 2


def r1(critic: nn.Module, real: Tensor) -> Tensor:
    """Return ‖∇D(x)‖² at each real point, (R, B). Mescheder et al. 2018, eq. 9."""
    x = real.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return slope.square().sum(-1)


def d_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the discriminator's loss from its logits (R, B, 1), summed over runs.

    -log sigmoid(real) - log(1 - sigmoid(fake)), averaged over the batch.
    """
    return (F.softplus(-real) + F.softplus(fake)).mean(1).sum()


def unrolled(
    critic: nn.Module, real: Tensor, fake: Tensor, *, k: int, lr: float
) -> Tensor:
    """Return the logits of fake after the discriminator took k more steps of size lr.

    The steps descend ``d_loss`` and are differentiated through: their gradient tells
    the generator how the discriminator would answer. The critic itself stays as it
    is. Metz et al. 2017, section 2.2.

    Raises ``ValueError`` for k below 1.
    """
    if k < 1:
        raise ValueError(f"k: expected at least 1 step, got {k}")
    weights = dict(critic.named_parameters())

    def logits(x: Tensor) -> Tensor:
        return torch.func.functional_call(critic, weights, (x,))

    for _ in range(k):
        loss = d_loss(logits(real), logits(fake))
        slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        weights = {
            name: w - lr * slope
            for (name, w), slope in zip(weights.items(), slopes, strict=True)
        }
    return logits(fake)
