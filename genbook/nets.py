"""The networks that models are given. A model takes them as arguments."""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Size = int | tuple[int, ...]


def mlp(*sizes: Size, activation: type[nn.Module] = nn.SiLU) -> nn.Sequential:
    """Return a multilayer perceptron: linear layers with an activation between them.

    A size that is a tuple is the shape of an image: at the front the image is
    flattened, at the end the output is folded back into it. Leading dimensions pass
    through, so ``(B, K)`` and ``(S, B, K)`` both work.

        mlp((1, 8, 8), 128, 16)    (..., 1, 8, 8) -> (..., 16)
        mlp(8, 128, (1, 8, 8))     (..., 8)       -> (..., 1, 8, 8)

    Raises ``ValueError`` for fewer than two sizes or a size below 1.
    """
    flat = [math.prod(s) if isinstance(s, tuple) else s for s in sizes]
    if len(flat) < 2 or min(flat) < 1:
        raise ValueError(f"mlp expects two or more sizes of at least 1, got {sizes}")
    layers: list[nn.Module] = []
    if isinstance(sizes[0], tuple):
        layers.append(nn.Flatten(-len(sizes[0])))
    for n_in, n_out in itertools.pairwise(flat):
        layers += [nn.Linear(n_in, n_out), activation()]
    layers.pop()  # no activation after the last layer: it gives logits or parameters
    if isinstance(sizes[-1], tuple):
        layers.append(nn.Unflatten(-1, sizes[-1]))
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """A layer beside a path that goes straight on: x + SiLU(W x + b), (…, n) -> same.

    However many stand in a row, the signal and its gradient pass (He et al. 2016).
    """

    def __init__(self, n: int):
        super().__init__()
        self.linear = nn.Linear(n, n)

    def forward(self, x: Tensor) -> Tensor:
        """Return (…, n) for x (…, n)."""
        return x + F.silu(self.linear(x))


def residual_mlp(first: Size, width: int, last: Size, *, blocks: int) -> nn.Sequential:
    """Return an ``mlp(first, width, last)`` with ``blocks`` residual layers inside.

    With the same weights as a plain one of this depth it learns a VAE of digits better:
    see the recipe ``vae``. Raises ``ValueError`` for a size or blocks below 1.
    """
    if blocks < 1:
        raise ValueError(f"blocks: expected at least 1 residual layer, got {blocks}")
    middle = [nn.SiLU(), *(Residual(width) for _ in range(blocks))]
    return nn.Sequential(*mlp(first, width), *middle, *mlp(width, last))


class AnyBatch(nn.Module):
    """A network for one axis of codes, (B, K), given to codes of any, (…, K)."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, z: Tensor) -> Tensor:
        """Return (…, *shape) for codes z (…, K)."""
        out = self.net(z.reshape(-1, z.shape[-1]))
        return out.reshape(*z.shape[:-1], *out.shape[1:])


def image_shape(decoder: nn.Module, latent: int) -> tuple[int, ...]:
    """Return the shape of one image that ``decoder`` makes of a code (latent,).

    Raises ``ValueError`` for latent < 1, and if it does not take codes of this length.
    """
    if latent < 1:
        raise ValueError(f"latent: expected at least 1 dimension, got {latent}")
    code = next(decoder.parameters()).new_zeros(1, latent)
    try:
        with torch.no_grad():
            return tuple(decoder(code).shape[1:])
    except RuntimeError as error:
        raise ValueError(
            f"decoder: expected one that takes codes of {latent} numbers: {error}"
        ) from error


def sinusoidal(t: Tensor, dim: int) -> Tensor:
    """Return sin(ω_i t) and cos(ω_i t) for dim / 2 frequencies, (B,) -> (B, dim).

    ω_i = 10000^(-2i / dim): from one turn in 2π steps to one in 10000 times as many, so
    near times look alike and far ones differ. Vaswani et al. 2017, section 3.5, with
    all sines first. Raises ``ValueError`` for an odd dim or one below 2.
    """
    if dim < 2 or dim % 2:
        raise ValueError(f"dim: expected an even number of at least 2, got {dim}")
    i = torch.arange(dim // 2, dtype=torch.get_default_dtype(), device=t.device)
    angle = t[:, None] * 10000 ** (-2 * i / dim)  # (B, dim / 2)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class TimeMLP(nn.Module):
    """A small network for noisy points (B, dims) that is told their times t (B,).

    The time enters as ``sinusoidal`` features beside the point.
    """

    def __init__(self, dims: int = 2, *, width: int = 128, depth: int = 3):
        super().__init__()
        self.body = mlp(dims + 32, *[width] * depth, dims)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the network's answer for points x (B, dims) at times t (B,)."""
        return self.body(torch.cat([x, sinusoidal(t, 32).to(x)], dim=-1))


class ResBlock(nn.Module):
    """Two convolutions beside a path that goes straight on (He et al. 2016).

    Each convolution is preceded by GroupNorm (Wu & He 2018) and SiLU. Between them the
    time's features shift and scale every channel, and the last convolution starts at
    zero, so that a new block passes x on as it is.
    """

    def __init__(self, n_in: int, n_out: int, features: int):
        super().__init__()
        self.norm_in = nn.GroupNorm(8, n_in)
        self.conv_in = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.time = nn.Linear(features, 2 * n_out)
        self.norm_out = nn.GroupNorm(8, n_out)
        self.conv_out = zeroed(nn.Conv2d(n_out, n_out, 3, padding=1))
        self.straight = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Return (B, n_out, H, W) for x (B, n_in, H, W), time (B, features)."""
        h = self.conv_in(F.silu(self.norm_in(x)))
        scale, shift = self.time(time)[..., None, None].chunk(2, dim=1)
        h = self.norm_out(h) * (1 + scale) + shift
        return self.straight(x) + self.conv_out(F.silu(h))


class Attention(nn.Module):
    """Every pixel looks at every other (Vaswani et al. 2017), 4 heads, added to x."""

    def __init__(self, n: int):
        super().__init__()
        self.norm = nn.GroupNorm(8, n)
        self.qkv = nn.Conv2d(n, 3 * n, 1)
        self.out = zeroed(nn.Conv2d(n, n, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape as x (B, n, H, W)."""
        heads = self.qkv(self.norm(x)).flatten(2).unflatten(1, (3, 4, -1))
        q, k, v = heads.transpose(-1, -2).unbind(1)  # each (B, 4, H W, n / 4)
        seen = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(seen.transpose(-1, -2).reshape(x.shape))


class UNet(nn.Module):
    """A U-Net for noisy images (B, C, H, W) that is told their times t (B,).

    Down through one resolution after another, each half the last, and up again, with
    what was seen on the way down laid beside what comes up (Ronneberger et al. 2015).
    One block of ``ResBlock`` a level, two at the bottom with attention between (after
    Ho et al. 2020, appendix B).

    channels  C
    widths    channels at each resolution, from the finest, multiples of 8

    H and W must halve evenly once for each further width. Raises ``ValueError`` where
    they do not, and for other widths.
    """

    def __init__(self, channels: int = 1, *, widths: tuple[int, ...] = (16, 64)):
        super().__init__()
        if not widths or min(widths) < 8 or any(n % 8 for n in widths):
            raise ValueError(f"widths: expected multiples of 8, got {widths}")
        top, bottom = widths[0], widths[-1]
        self.widths, features = widths, 2 * bottom
        self.time = nn.Sequential(mlp(64, features, features), nn.SiLU())
        self.stem = nn.Conv2d(channels, top, 3, padding=1)
        steps = list(itertools.pairwise(widths))
        self.down = nn.ModuleList(ResBlock(a, a, features) for a, _ in steps)
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in steps)
        self.enter = ResBlock(bottom, bottom, features)
        self.attention = Attention(bottom)
        self.leave = ResBlock(bottom, bottom, features)
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in steps
        )
        self.up = nn.ModuleList(ResBlock(2 * a, a, features) for a, _ in steps)
        self.norm = nn.GroupNorm(8, top)
        self.head = zeroed(nn.Conv2d(top, channels, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the network's answer for images x (B, C, H, W) at times t (B,)."""
        halvings = len(self.widths) - 1
        if x.shape[-1] % 2**halvings or x.shape[-2] % 2**halvings:
            raise ValueError(
                f"x: expected sides that halve {halvings} times, got {tuple(x.shape)}"
            )
        time = self.time(sinusoidal(t, 64).to(x))  # (B, features)
        h, seen = self.stem(x), []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            seen.append(block(h, time))
            h = shrink(seen[-1])
        h = self.leave(self.attention(self.enter(h, time)), time)
        for grow, block in zip(self.grow[::-1], self.up[::-1], strict=True):
            h = block(torch.cat([grow(h), seen.pop()], dim=1), time)
        return self.head(F.silu(self.norm(h)))


class Folded(nn.Module):
    """A network for images that sees them at half the size, with four times as many
    channels: each square of 2 × 2 pixels becomes one.

    Nothing is lost, and each of its layers has a quarter of the work. ``net`` takes and
    gives (B, 4C, H/2, W/2), such as ``UNet(4)``. Shi et al. 2016 unfold at the end of a
    network in this way.
    """

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the network's answer for images x (B, C, H, W) at times t (B,)."""
        return F.pixel_shuffle(self.net(F.pixel_unshuffle(x, 2), t), 2)


def zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """Start a layer at zero: what it adds is learned from nothing."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
