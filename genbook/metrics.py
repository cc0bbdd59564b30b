"""Numbers that judge a generative model: tensors in, numbers out.

Likelihood asks how well a model foresees new data; the distances here ask how its
samples look to a critic. That critic is one small digit classifier, whose weights ship
with the package. A distance in its features compares models inside this book, where
everybody is judged by the same critic on the same number of samples, and nowhere else.
"""

import functools
import math
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).parent / "weights/digits_classifier.safetensors"


def bits_per_dim(nats: Tensor | float, dims: int) -> float:
    """Return what a model spends on one dimension in bits: mean nats / (dims log 2).

    ``nats`` is minus the log-likelihood of each example, summed over its ``dims``
    dimensions: a number, or a tensor whose mean is taken. Raises ``ValueError`` for no
    example, NaN or infinity, and dims < 1.
    """
    nats = torch.as_tensor(nats, dtype=torch.float64, device="cpu")
    if dims < 1 or not nats.numel() or not nats.isfinite().all():
        raise ValueError(
            f"bits_per_dim: expected finite nats and dims of at least 1, "
            f"got {nats.numel()} values with mean {nats.mean():g} and dims={dims}"
        )
    return float(nats.mean()) / (dims * math.log(2))


def frechet(a: Tensor, b: Tensor) -> float:
    """Return the squared Fréchet distance of the Gaussians fitted to a and b.

    ‖m_a - m_b‖² + tr(C_a + C_b - 2 (C_a C_b)^½) with the means m and covariances C of
    two sets of features, (N, D) and (M, D) (Dowson & Landau 1982). With features of a
    classifier it is the FID's formula (Heusel et al. 2017). Few samples make it larger:
    compare only at equal N and M.

    Raises ``ValueError`` for other shapes, NaN or infinity, and unless N, M > D.
    """
    a, b = _points(a=a, b=b)
    for name, x in (("a", a), ("b", b)):
        _enough(name, x)
    means = (a.mean(0) - b.mean(0)).square().sum()
    return _distance(means, _root(a), _root(b))


def frechet_to(x: Tensor, mean: Tensor, cov: Tensor) -> float:
    """Return the squared Fréchet distance of the Gaussian fitted to x from a given one.

    As ``frechet``, where of the second set only its mean (D,) and covariance (D, D) are
    known. Raises ``ValueError`` for other shapes, NaN or infinity, unless x (N, D) has
    N > D, and for a matrix that is no covariance.
    """
    x, mean = _points(x=x, mean=mean[None])
    _enough("x", x)
    cov = cov.detach().cpu().double()
    n = x.shape[1]
    right = cov.shape == (n, n) and cov.isfinite().all() and torch.allclose(cov, cov.T)
    if right:
        values, axes = torch.linalg.eigh(cov)
        right = bool(values[0] >= -1e-6 * values[-1])  # float32 rounds a zero to this
    if not right:
        raise ValueError(
            f"cov: expected a covariance, a symmetric matrix {(n, n)} with no negative "
            f"eigenvalue, got shape {tuple(cov.shape)}"
        )
    root = values.clamp(min=0).sqrt()[:, None] * axes.T  # rootᵀ root = cov
    return _distance((x.mean(0) - mean[0]).square().sum(), _root(x), root)


def _distance(means: Tensor, root_a: Tensor, root_b: Tensor) -> float:
    """Add to ‖m_a - m_b‖² what the covariances say; a root R has RᵀR = C."""
    # C_a C_b has the eigenvalues of M Mᵀ with M = root_a root_bᵀ, so the trace of its
    # root is the sum of M's singular values: no root of a matrix need be taken.
    cross = torch.linalg.svdvals(root_a @ root_b.T).sum()
    distance = means + root_a.square().sum() + root_b.square().sum() - 2 * cross
    return max(0.0, float(distance))  # equal sets may round to -1e-15


def _enough(name: str, x: Tensor) -> None:
    if len(x) <= x.shape[1]:
        raise ValueError(
            f"{name}: expected more samples than features, so that a covariance "
            f"can be estimated, got {len(x)} samples of {x.shape[1]} features"
        )


def _root(x: Tensor) -> Tensor:
    """Return a triangular R (D, D) with RᵀR = the covariance of x (N, D)."""
    return torch.linalg.qr(x - x.mean(0), mode="r").R / math.sqrt(len(x) - 1)


def within(real: Tensor, x: Tensor, *, k: int) -> Tensor:
    """Say which points of x (M, D) lie on the manifold of the points real (N, D).

    A point lies on it if it is no farther from some real point than that one's own
    k-th nearest neighbour among the others (Kynkäänniemi et al. 2019, eq. 1). Returns
    (M,) booleans. Raises ``ValueError`` for other shapes, NaN or infinity, and unless
    1 ≤ k < N.
    """
    real, x = _points(real=real, x=x)
    if not 1 <= k < len(real):
        raise ValueError(
            f"k: expected 1 … {len(real) - 1}, one less than there are points, got {k}"
        )
    among = _distances(real, real).fill_diagonal_(math.inf)
    radius = among.kthvalue(k, dim=1).values  # (N,)
    return (_distances(x, real) <= radius).any(1)


def precision_recall(real: Tensor, fake: Tensor, *, k: int) -> tuple[float, float]:
    """Return the precision and recall of fake points (M, D) for real ones (N, D).

    Precision is the share of the fake ``within`` the real's manifold, how many samples
    are plausible; recall is the share of the real ``within`` the fake's, how much of
    the data is covered (Kynkäänniemi et al. 2019). Both depend on k, N and M: compare
    only at equal ones. Raises ``ValueError`` as ``within`` does.
    """
    precision = within(real, fake, k=k).double().mean()
    recall = within(fake, real, k=k).double().mean()
    return float(precision), float(recall)


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # Not by way of a product of matrices: a point's distance to itself must be 0.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _points(**named: Tensor) -> list[Tensor]:
    """Return two sets of points in float64 on the CPU; raise if they are not that."""
    (a, x), (b, y) = named.items()
    if (
        x.dim() != 2
        or y.dim() != 2
        or x.shape[1:] != y.shape[1:]
        or 0 in (*x.shape, *y.shape)
    ):
        raise ValueError(
            f"{a} and {b}: expected points (N, D) and (M, D), "
            f"got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    for name, points in named.items():
        if not points.isfinite().all():
            bad = int((~points.isfinite()).any(1).sum())
            raise ValueError(f"{name}: {bad} of {len(points)} points hold NaN or inf")
    return [points.detach().cpu().double() for points in (x, y)]


class DigitClassifier(nn.Module):
    """The book's critic: a small convolutional network that reads 8 × 8 digits.

    Takes ink (N, 1, 8, 8) in 0…1; ``features`` gives its last 32 hidden numbers, and
    calling it the logits (N, 10) of the classes. ``digit_features`` and ``digit_probs``
    use the weights that ship with the package. ``scripts/train_classifier.py`` trained
    those, on the training digits alone; the file's own header is their card: recipe,
    and how many of the 360 test digits they read right.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.SiLU(),
            nn.MaxPool2d(2),  # (N, 32, 4, 4)
            nn.Conv2d(32, 32, 3, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(512, 32),
            nn.SiLU(),
        )
        self.head = nn.Linear(32, 10)

    def features(self, x: Tensor) -> Tensor:
        """Return the features (N, 32) of ink (N, 1, 8, 8) in 0…1."""
        return self.body(2 * x - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, 10) of ink (N, 1, 8, 8) in 0…1."""
        return self.head(self.features(x))


def digit_features(x: Tensor) -> Tensor:
    """Return the critic's features (N, 32) of images (N, 1, 8, 8), ink in 0…1.

    On the CPU, float32. Raises ``ValueError`` for other shapes, no image, and pixels
    outside 0…1, NaN included; counts of ink want dividing by 16.
    """
    with torch.no_grad():
        return _critic().features(_ink(x))


def digit_probs(x: Tensor) -> Tensor:
    """Return the critic's probabilities (N, 10) of the classes of images (N, 1, 8, 8).

    Ink in 0…1; raises ``ValueError`` as ``digit_features`` does.
    """
    with torch.no_grad():
        return _critic()(_ink(x)).softmax(1)


@functools.cache
def _critic() -> DigitClassifier:
    critic = DigitClassifier().float()  # whatever the default dtype
    critic.load_state_dict(load_file(WEIGHTS))
    return critic.eval()


def checked_ink(x: Tensor, *, side: int, hint: str) -> Tensor:
    """Return images (N, 1, side, side), ink in 0…1, as a critic takes them.

    On the CPU, float32. Raises ``ValueError`` for other shapes, no image, and pixels
    outside 0…1, NaN included; a hint such as "bytes / 255" says how to make ink.
    """
    if x.shape[1:] != (1, side, side) or not len(x):
        raise ValueError(
            f"x: expected images (N, 1, {side}, {side}), one or more, got "
            f"{tuple(x.shape)}"
        )
    # Written so that NaN, which compares false with everything, fails too.
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(
            f"x: expected ink between 0 and 1 ({hint}), got values from "
            f"{x.min():g} to {x.max():g}"
        )
    return x.detach().cpu().float()


def _ink(x: Tensor) -> Tensor:
    return checked_ink(x, side=8, hint="counts / 16")
