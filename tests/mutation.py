"""Do the tests notice when the mathematics is wrong? Break it on purpose and see.

Each mutant is one small edit to a copy of the package: a flipped sign, a lost ½, a mean
in place of a sum. The unit tests then run on the copy, in a process of their own, and
at least one must go red. The checkout is never touched.

    python tests/mutation.py              every mutant, as a table
    python tests/mutation.py kl iwae      those with one of these words in their name

``tests/unit/test_mutation.py`` runs the same as part of the tests.
"""

import contextlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
MODULES = (
    "autoencoder",
    "data",
    "denoising",
    "diffusion",
    "evaluate",
    "files",
    "gan",
    "gan_dynamics",
    "gradients",
    "int8",
    "linear_gaussian",
    "metrics",
    "mixture",
    "mnist",
    "mnist_metrics",
    "nets",
    "runs",
    "score",
    "scoreboard",
    "training",
    "vae",
    "probability",
    "recipes/adversarial",
    "recipes/latent",
    "recipes/noise",
    "zoo",
)
# What takes long to import; Adam's first step imports torch._dynamo.
PRELOAD = [
    *("torch", "torch._dynamo", "pytest", "hypothesis", "sklearn.model_selection"),
    *("pooch", "requests"),
]
TIMEOUT = 300  # seconds; a copy that hangs is an error, not a pass
GREEN, RED = 0, 1  # pytest's exit status; any other is a broken run


class Mutant(NamedTuple):
    """One edit of a module: ``old``, which must stand there once, becomes ``new``."""

    name: str
    module: str
    old: str
    new: str


MUTANTS = [
    # ---- vae: densities
    Mutant("kl: sign", "vae", "return 0.5 * (mu**2 +", "return -0.5 * (mu**2 +"),
    Mutant("kl: ½ lost", "vae", "return 0.5 * (mu**2 +", "return (mu**2 +"),
    Mutant(
        "kl: mean for sum", "vae", "- 1 - logvar).sum(-1)", "- 1 - logvar).mean(-1)"
    ),
    Mutant("kl: sign of log σ²", "vae", "- 1 - logvar).sum", "- 1 + logvar).sum"),
    Mutant("kl: σ for σ²", "vae", "+ logvar.exp() - 1", "+ (0.5 * logvar).exp() - 1"),
    Mutant(
        "z: logvar taken for log σ",
        "vae",
        "mu + (0.5 * logvar).exp() * eps",
        "mu + logvar.exp() * eps",
    ),
    Mutant(
        "normal: σ for σ²",
        "vae",
        "(z - mu) ** 2 / logvar.exp()",
        "(z - mu) ** 2 / (0.5 * logvar).exp()",
    ),
    Mutant("normal: 2π lost", "vae", "+ logvar + math.log(2 * math.pi)", "+ logvar"),
    Mutant("binomial: coefficient lost", "vae", "return log_choose + x", "return x"),
    Mutant("binomial: one trial", "vae", "- n * F.softplus", "- F.softplus"),
    Mutant("binomial: sign", "vae", "x * logits - n", "-x * logits - n"),
    Mutant(
        "gaussian: σ for σ²",
        "vae",
        "2 * math.pi * self.sigma**2",
        "2 * math.pi * self.sigma",
    ),
    Mutant(
        "gaussian: samples with σ²",
        "vae",
        "out + self.sigma * _randn",
        "out + self.sigma**2 * _randn",
    ),
    Mutant("pixels in [0, 1]", "vae", "2 * x / self.total - 1", "x / self.total"),
    # ---- vae: bounds
    Mutant(
        "likelihood: mean over pixels",
        "vae",
        ".flatten(z.dim() - 1).sum(-1)",
        ".flatten(z.dim() - 1).mean(-1)",
    ),
    Mutant(
        "elbo: sign of kl",
        "vae",
        "\n        return log_px_z - kl",
        "\n        return log_px_z + kl",
    ),
    Mutant(
        "elbo: gradient cut at z",
        "vae",
        "z = reparameterize(mu, logvar, eps)  # (B, K)",
        "z = reparameterize(mu, logvar, eps).detach()",
    ),
    Mutant("encoder: mu and logvar swapped", "vae", "(2, dim=-1)", "(2, dim=-1)[::-1]"),
    Mutant(
        "loss: sign of recon", "vae", "kl = -log_px_z.mean()", "kl = log_px_z.mean()"
    ),
    Mutant("loss: sum over the batch", "vae", "-log_px_z.mean()", "-log_px_z.sum()"),
    Mutant("loss: kl summed over the batch", "vae", "(), kl.mean()", "(), kl.sum()"),
    Mutant("loss: β lost", "vae", "recon + self.beta * kl", "recon + kl"),
    Mutant(
        "iwae: log k lost",
        "vae",
        "log_w.logsumexp(0) - math.log(len(eps))",
        "log_w.logsumexp(0)",
    ),
    Mutant(
        "iwae: mean of logs",
        "vae",
        "log_w.logsumexp(0) - math.log(len(eps))",
        "log_w.mean(0)",
    ),
    Mutant("iwae: sign of log q", "vae", "log_pz - log_qz_x", "log_pz + log_qz_x"),
    Mutant("iwae: prior lost", "vae", "+ log_pz - log_qz_x", "- log_qz_x"),
    Mutant("iwae: parts unweighted", "vae", "bound + math.log(n)", "bound"),
    Mutant("noise: uniform", "vae", "return torch.randn(", "return torch.rand("),
    Mutant("weights: prior lost", "vae", "+ log_pz - normal_log", "- normal_log"),
    Mutant(
        "weights: sign of log q", "vae", "log_pz - normal_log", "log_pz + normal_log"
    ),
    Mutant("refine: descends", "vae", "grad(-elbo.sum()", "grad(elbo.sum()"),
    Mutant(
        "refine: kl lost", "vae", "z).mean(0) - kl_normal(mu, logvar)", "z).mean(0)"
    ),
    Mutant(
        "refine: mean and width swapped",
        "vae",
        "sum(), (mu, logvar))",
        "sum(), (mu, logvar))[::-1]",
    ),
    Mutant("refine: rate does not fall", "vae", "fade.step()", "pass"),
    Mutant(
        "refine: one noise for all steps",
        "vae",
        "normal_(generator=generator)",
        "fill_(1.0)",
    ),
    # ---- linear_gaussian
    Mutant(
        "exact: noise σ for σ² in p(x)", "linear_gaussian", "sigma**2 * d", "sigma * d"
    ),
    Mutant(
        "exact: prior lost in the posterior",
        "linear_gaussian",
        "= k + weight.T",
        "= 0 * k + weight.T",
    ),
    Mutant(
        "exact: 2π lost", "linear_gaussian", "(2 * math.pi * self.cov)", "(self.cov)"
    ),
    Mutant(
        "exact: posterior mean unscaled",
        "linear_gaussian",
        "@ cov / self.sigma**2",
        "@ cov",
    ),
    Mutant(
        "exact: width of q lost in the elbo", "linear_gaussian", " - 0.5 * blur", ""
    ),
    Mutant("exact: ½ lost in the elbo", "linear_gaussian", "0.5 * blur", "blur"),
    Mutant(
        "exact: gap without volume",
        "linear_gaussian",
        " - self.precision.logdet())",
        ")",
    ),
    Mutant(
        "exact: gap, diagonal alone",
        "linear_gaussian",
        "off @ self.precision * off",
        "off * self.precision.diag() * off",
    ),
    Mutant(
        "exact: gap, prior for precision",
        "linear_gaussian",
        "logvar.exp() * self.precision.diag() - 1",
        "logvar.exp() - 1",
    ),
    # ---- autoencoder
    Mutant("copy: mean over pixels", "autoencoder", "(1).sum(1)", "(1).mean(1)"),
    Mutant(
        "copy: absolute error", "autoencoder", "((x_hat - x) ** 2)", "(x_hat - x).abs()"
    ),
    Mutant(
        "copy: sum over the batch",
        "autoencoder",
        "self.error(x).mean()",
        "self.error(x).sum()",
    ),
    Mutant(
        "pca: not centred",
        "autoencoder",
        "covariance = (x - mean).T @ (x - mean)",
        "covariance = x.T @ x",
    ),
    Mutant("pca: N - 1", "autoencoder", "/ len(x)  # (D, D)", "/ (len(x) - 1)"),
    Mutant("pca: narrowest directions", "autoencoder", "vectors.flip(1)[", "vectors["),
    Mutant(
        "pca: variances unsorted", "autoencoder", "eigenvalues.flip(0)", "eigenvalues"
    ),
    Mutant("angle: the smallest", "autoencoder", "(b.T @ a), 2)", "(b.T @ a), -2)"),
    Mutant(
        "angle: bases as they are",
        "autoencoder",
        "torch.linalg.qr(a).Q, torch.linalg.qr(b).Q",
        "a, b",
    ),
    Mutant(
        "angle: in radians",
        "autoencoder",
        "torch.rad2deg(torch.asin(sine.clamp(max=1)))",
        "torch.asin(sine.clamp(max=1))",
    ),
    Mutant(
        "denoising: against the noisy",
        "autoencoder",
        "(x_noisy), x)",
        "(x_noisy), x_noisy)",
    ),
    Mutant(
        "denoising: σ² for σ", "autoencoder", "+ model.sigma *", "+ model.sigma**2 *"
    ),
    Mutant(
        "denoising: shown the clean",
        "autoencoder",
        "model.reconstruct(x_noisy)",
        "model.reconstruct(x)",
    ),
    Mutant("denoising: uniform noise", "autoencoder", "torch.randn(", "torch.rand("),
    Mutant("denoising: sum over the batch", "autoencoder", "eps).mean()", "eps).sum()"),
    Mutant("whiten: variance for σ", "autoencoder", "variances.sqrt()", "variances"),
    Mutant("whiten: shifted twice", "autoencoder", "copy_(-(mean @", "copy_((mean @"),
    Mutant("whiten: not undone", "autoencoder", "copy_(axes * scale)", "copy_(axes)"),
    # ---- probability
    Mutant("entropy: sign", "probability", "-torch.xlogy(p, p)", "torch.xlogy(p, p)"),
    Mutant(
        "entropy: 0 log 0 is NaN", "probability", "torch.xlogy(p, p)", "(p * p.log())"
    ),
    Mutant(
        "entropy: mean for sum",
        "probability",
        "-torch.xlogy(p, p).sum(-1)",
        "-torch.xlogy(p, p).mean(-1)",
    ),
    Mutant(
        "cross-entropy: arguments swapped",
        "probability",
        "torch.xlogy(p, q)",
        "torch.xlogy(q, p)",
    ),
    Mutant(
        "cross-entropy: in bits",
        "probability",
        "-torch.xlogy(p, q).sum(-1)",
        "-torch.xlogy(p, q).sum(-1) / math.log(2)",
    ),
    Mutant(
        "discrete kl: the wrong entropy",
        "probability",
        "q) - entropy(p)",
        "q) - entropy(q)",
    ),
    Mutant("check: of the sum alone", "probability", "(p >= 0).all()", "True"),
    Mutant(
        "check: of the signs alone",
        "probability",
        "((total - 1).abs() < 1e-4)",
        "(total > 0)",
    ),
    Mutant("normal entropy: e lost", "probability", "math.pi * math.e *", "math.pi *"),
    Mutant(
        "normal entropy: σ for σ²",
        "probability",
        "math.e * sigma**2",
        "math.e * sigma",
    ),
    Mutant(
        "normal cross-entropy: width of p lost",
        "probability",
        "squared = sigma_p**2 + (mu",
        "squared = (mu",
    ),
    Mutant(
        "normal cross-entropy: σ for σ²",
        "probability",
        "squared / sigma_q**2",
        "squared / sigma_q",
    ),
    Mutant(
        "normal kl: the wrong entropy",
        "probability",
        "normal_entropy(sigma_p)\n",
        "normal_entropy(sigma_q)\n",
    ),
    Mutant(
        "huffman: a tree weighs its lighter half",
        "probability",
        "(weight_0 + weight_1, i",
        "(min(weight_0, weight_1), i",
    ),
    Mutant("huffman: bits at the wrong end", "probability", '"1" + word', 'word + "1"'),
    Mutant("huffman: one bit for both", "probability", '"1" + word', '"0" + word'),
    # ---- mixture
    Mutant("lump: ½ lost", "mixture", "return -0.5 * (white**2)", "return -(white**2)"),
    Mutant(
        "lump: 2π lost", "mixture", "half_log_det + 0.5 * x", "half_log_det + 0 * x"
    ),
    Mutant(
        "lump: one dimension",
        "mixture",
        "0.5 * x.shape[-1] * math.log",
        "0.5 * math.log",
    ),
    Mutant("lump: sign of log det", "mixture", "constant = half", "constant = -half"),
    Mutant(
        "em: weights lost",
        "mixture",
        "weights.log() + log_normal(x, means",
        "log_normal(x, means",
    ),
    Mutant(
        "em: not normalised",
        "mixture",
        "means = (r.T @ x) / n[:, None]",
        "means = r.T @ x",
    ),
    Mutant(
        "em: floor lost", "mixture", "n[:, None, None] + floor\n", "n[:, None, None]\n"
    ),
    Mutant(
        "em: hard shares",
        "mixture",
        "r = log_joint.softmax(-1)",
        "r = (log_joint == log_joint.amax(-1, keepdim=True)).to(x)",
    ),
    Mutant(
        "condition: sign of the gain", "mixture", "+ (gain @ step", "- (gain @ step"
    ),
    Mutant(
        "condition: nothing learned", "mixture", "[..., a] - gain @ cov_ba", "[..., a]"
    ),
    Mutant(
        "condition: seen and hidden swapped",
        "mixture",
        "a, b = ~seen, seen",
        "a, b = seen, ~seen",
    ),
    Mutant(
        "condition: weights kept",
        "mixture",
        "weights = self.marginal(seen).posterior(x[None, seen])[0]",
        "weights = self.weights",
    ),
    Mutant(
        "mixture samples: factor turned",
        "mixture",
        "(scale[k] @ eps",
        "(scale[k].mT @ eps",
    ),
    Mutant(
        "mixture samples: weights lost",
        "mixture",
        "multinomial(self.weights,",
        "multinomial(self.weights * 0 + 1,",
    ),
    Mutant(
        "fit: likelihood after the step",
        "mixture",
        "return model, history",
        "return model, history[1:]",
    ),
    Mutant("fit: start without the floor", "mixture", "ball + floor", "ball"),
    Mutant("fit: starts with σ", "mixture", "x.var(0).mean()", "x.std(0).mean()"),
    # ---- gradients
    Mutant(
        "path: logvar taken for log σ",
        "gradients",
        "return slope, slope * 0.5 * sigma * eps",
        "return slope, slope * sigma * eps",
    ),
    Mutant(
        "path: noise forgotten",
        "gradients",
        "return slope, slope * 0.5 * sigma * eps",
        "return slope, slope * 0.5 * sigma",
    ),
    Mutant(
        "score function: sign",
        "gradients",
        "weight * eps / sigma",
        "-weight * eps / sigma",
    ),
    Mutant("score: σ² for σ", "gradients", "* eps / sigma,", "* eps / sigma**2,"),
    Mutant("score: 1 lost", "gradients", "0.5 * (eps**2 - 1)", "0.5 * eps**2"),
    Mutant("score: ½ lost", "gradients", "weight * 0.5 * (", "weight * ("),
    Mutant(
        "score: baseline added",
        "gradients",
        "(values - baseline)[",
        "(values + baseline)[",
    ),
    Mutant(
        "best baseline: unweighted",
        "gradients",
        "(weight * values).mean() / weight.mean()",
        "values.mean()",
    ),
    Mutant(
        "best baseline: |s| for s²", "gradients", "(grad_log_q**2)", "grad_log_q.abs()"
    ),
    Mutant(
        "leave one out: none left out",
        "gradients",
        "(values.sum(0) - values) / (len(values) - 1)",
        "values.mean(0).expand_as(values)",
    ),
    Mutant("leave one out: by n", "gradients", "/ (len(values) - 1)", "/ len(values)"),
    Mutant(
        "surrogate: decoder forgotten",
        "gradients",
        "return values + (values",
        "return values.detach() + (values",
    ),
    Mutant(
        "surrogate: baseline lost",
        "gradients",
        "return values + (values - baseline) *",
        "return values + values *",
    ),
    Mutant(
        "surrogate: value off",
        "gradients",
        "(log_prob - log_prob.detach())",
        "log_prob",
    ),
    Mutant("gumbel: sign", "gradients", "return -torch.empty", "return torch.empty"),
    Mutant(
        "soft draw: temperature lost",
        "gradients",
        "return ((logits + noise) / temperature)",
        "return (logits + noise)",
    ),
    Mutant(
        "soft draw: noise not cooled",
        "gradients",
        "return ((logits + noise) / temperature)",
        "return (logits / temperature + noise)",
    ),
    Mutant("soft draw: noise lost", "gradients", "n ((logits + noise)", "n ((logits)"),
    Mutant("hard draw: no way back", "gradients", "(soft - soft.detach())", "0 * soft"),
    Mutant(
        "hard draw: soft",
        "gradients",
        "return hard + (soft - soft.detach())",
        "return soft",
    ),
    Mutant("implicit: sign", "gradients", "- (u - u.detach())", "+ (u - u.detach())"),
    Mutant("implicit: density lost", "gradients", ".detach()) / density", ".detach())"),
    # ---- gan
    Mutant(
        "value: sign of the fakes",
        "gan",
        "F.logsigmoid(-d_fake)",
        "F.logsigmoid(d_fake)",
    ),
    Mutant(
        "value: sum for mean",
        "gan",
        "F.logsigmoid(d_real).mean()",
        "F.logsigmoid(d_real).sum()",
    ),
    Mutant(
        "d loss: labels swapped",
        "gan",
        "real, fake = F.softplus(-d_real).mean(), F.softplus(d_fake)",
        "real, fake = F.softplus(d_real).mean(), F.softplus(-d_fake)",
    ),
    Mutant(
        "d loss: the fakes forgotten",
        "gan",
        '{"loss": real + fake, "real"',
        '{"loss": real, "real"',
    ),
    Mutant(
        "saturating: sign",
        "gan",
        "return -F.softplus(d_fake).mean()",
        "return F.softplus(d_fake).mean()",
    ),
    Mutant(
        "non-saturating: saturates",
        "gan",
        "return F.softplus(-d_fake).mean()",
        "return -F.softplus(d_fake).mean()",
    ),
    Mutant(
        "best d: the wrong way round",
        "gan",
        "return log_p - log_q",
        "return log_q - log_p",
    ),
    Mutant("best d: p alone", "gan", "return log_p - log_q", "return log_p"),
    Mutant("gan: detach lost", "gan", "fake.detach()", "fake"),
    Mutant(
        "gan: detach for the generator",
        "gan",
        "nonsaturating(model.discriminator(fake))",
        "nonsaturating(model.discriminator(fake.detach()))",
    ),
    Mutant(
        "gan: real for fake",
        "gan",
        "model.discriminator(x), model.discriminator(fake.detach())",
        "model.discriminator(fake.detach()), model.discriminator(x)",
    ),
    Mutant(
        "gan: one noise for all",
        "gan",
        "            (n, self.latent), generator",
        "            (1, self.latent), generator",
    ),
    Mutant(
        "gan: real and fake share their norm",
        "gan",
        "d_loss(model.discriminator(x), model.discriminator(fake.detach()))",
        "d_loss(*model.discriminator(torch.cat([x, fake.detach()])).chunk(2))",
    ),
    Mutant(
        "gan: statistics of the last batch alone",
        "gan",
        "nn.BatchNorm2d(2 * width)",
        "nn.BatchNorm2d(2 * width, track_running_stats=False)",
    ),
    Mutant("play: D's old gradients kept", "gan", "adam_d.zero_grad()", "pass"),
    Mutant("play: G's old gradients kept", "gan", "adam_g.zero_grad()", "pass"),
    Mutant(
        "play: other fakes for G",
        "gan",
        "model.g_loss(fake)",
        "model.g_loss(model.sample(len(x)))",
    ),
    Mutant(
        "play: D never moves", "gan", "            adam_d.step()", "            pass"
    ),
    Mutant(
        "play: one turn of D", "gan", "for _ in range(d_steps)", "for _ in range(1)"
    ),
    Mutant(
        "fit_gan: one rate for both",
        "gan",
        "gan.discriminator.parameters(), lr=lr_d",
        "gan.discriminator.parameters(), lr=lr",
    ),
    Mutant(
        "fit_gan: betas lost",
        "gan",
        "torch.optim.Adam, betas=betas, fused",
        "torch.optim.Adam, fused",
    ),
    Mutant(
        "ema: the first weights remembered",
        "gan",
        "ema_decay(ema, step.step - 1)",
        "ema",
    ),
    Mutant(
        "ema: statistics of the first step",
        "gan",
        "if tensor.is_floating_point():",
        "if 'running' not in name and tensor.is_floating_point():",
    ),
    Mutant(
        "fit_gan: the average not kept",
        "gan",
        "if step.step == steps:",
        "if step.step > steps:",
    ),
    Mutant(
        "fit_gan: NaN passes",
        "gan",
        "if not math.isfinite(number)",
        "if math.isinf(number)",
    ),
    # ---- score
    Mutant("esm: ½ lost", "score", "0.5 * (field(x) - target)", "(field(x) - target)"),
    Mutant("ism: divergence lost", "score", "sum(1) + divergence(s, x)", "sum(1)"),
    Mutant("ism: sign", "score", "sum(1) + divergence", "sum(1) - divergence"),
    Mutant("divergence: one dimension", "score", "in range(x.shape[1])", "in range(1)"),
    Mutant("sliced: v once", "score", "+ slope * v)", "+ slope)"),
    Mutant("dsm: sign of the target", "score", "+ eps / sigma)", "- eps / sigma)"),
    Mutant("dsm: σ² for σ", "score", "+ eps / sigma)", "+ eps / sigma**2)"),
    Mutant("dsm: clean point", "score", "field(x + sigma * eps)", "field(x)"),
    Mutant(
        "langevin: √step", "score", "math.sqrt(2 * step) * eps", "math.sqrt(step) * eps"
    ),
    Mutant("langevin: downhill", "score", "x + step * field(x)", "x - step * field(x)"),
    Mutant("annealed: one step for all", "score", "step * float(sigma) ** 2", "step"),
    Mutant("corrector: not doubled", "score", "step = 2 * (ratio *", "step = (ratio *"),
    Mutant("corrector: squared twice", "score", "norms[1]) ** 2", "norms[1]) ** 4"),
    Mutant(
        "vp: drift not halved",
        "score",
        ".sqrt(), -0.5 * beta, beta",
        ".sqrt(), -beta, beta",
    ),
    Mutant(
        "vp: β not summed",
        "score",
        "0.5 * (beta_1 - beta_0) * t**2",
        "(beta_1 - beta_0) * t**2",
    ),
    Mutant("ve: g for g²", "score", "g2 = 2 * sigma**2 *", "g2 = 2 * sigma *"),
    Mutant("straight: drift", "score", "t, -1 / (1 - t),", "t, -1 / t,"),
    Mutant(
        "score at: not stretched back",
        "score",
        "level.sigma / level.a) / level.a",
        "level.sigma / level.a)",
    ),
    Mutant(
        "score at: σ not stretched",
        "score",
        "(x / level.a, level.sigma / level.a)",
        "(x / level.a, level.sigma)",
    ),
    Mutant(
        "flow: ½ of g² lost",
        "score",
        "- 0.5 * level.g2 * score_at",
        "- level.g2 * score_at",
    ),
    Mutant("flow: Euler", "score", "(u1 + 2 * u2 + 2 * u3 + u4)", "6 * u1"),
    Mutant("flow: volume by Euler", "score", "(d1 + 2 * d2 + 2 * d3 + d4)", "6 * d1"),
    Mutant(
        "ode: volume subtracted",
        "score",
        "return log_p1 + change",
        "return log_p1 - change",
    ),
    Mutant(
        "ode: standard normal end",
        "score",
        "var = process(times[-1]).sigma ** 2",
        "var = torch.ones(())",
    ),
    Mutant(
        "reverse: ½ g²",
        "score",
        "- level.g2 * score_at(score, x, level)\n        x",
        "- 0.5 * level.g2 * score_at(score, x, level)\n        x",
    ),
    Mutant(
        "reverse: no root of the step",
        "score",
        "(h * level.g2).sqrt()",
        "h * level.g2.sqrt()",
    ),
    Mutant("names: sign of v", "score", '"v": (-sigma, a)', '"v": (sigma, -a)'),
    Mutant(
        "names: sign of the score", "score", "(0.0, -1 / sigma)", "(0.0, 1 / sigma)"
    ),
    Mutant("names: score by σ²", "score", "(0.0, -1 / sigma)", "(0.0, -1 / sigma**2)"),
    Mutant(
        "names: velocity of the noise",
        "score",
        "(0.5 * g2 + f * sigma**2) / sigma",
        "(0.5 * g2) / sigma",
    ),
    Mutant(
        "convert: determinant",
        "score",
        "a * q - level.sigma * p",
        "a * q + level.sigma * p",
    ),
    Mutant(
        "model: not divided by σ",
        "score",
        "sigma.log()], 1)) / sigma",
        "sigma.log()], 1))",
    ),
    Mutant("model: x not scaled", "score", "(sigma**2 + self.spread**2).sqrt()", "1"),
    Mutant("model: weight σ", "score", "(sigma**2 * each)", "(sigma * each)"),
    Mutant(
        "model: levels not spread",
        "score",
        "u = (torch.arange(len(x), device=x.device) + u) / len(x)",
        "pass",
    ),
    Mutant(
        "model: even in σ",
        "score",
        "self.sigma_min * (self.sigma_max / self.sigma_min) ** u",
        "self.sigma_min + (self.sigma_max - self.sigma_min) * u",
    ),
    Mutant(
        "model: starts narrow",
        "score",
        "math.hypot(self.sigma_max, self.spread) * x",
        "self.spread * x",
    ),
    # ---- data
    Mutant("split: not stratified", "data", "stratify=y", "stratify=None"),
    Mutant("split: another seed", "data", "random_state=0", "random_state=1"),
    Mutant("counts to [0, 1]", "data", "return counts / 8 - 1", "return counts / 16"),
    Mutant("counts not whole", "data", "((x + 1) * 8).round()", "((x + 1) * 8)"),
    Mutant("mixture: ½ lost", "data", "log_normal = -0.5 * (", "log_normal = -1.0 * ("),
    Mutant("mixture: one dimension", "data", "+ dims * (2 * math.pi", "+ (2 * math.pi"),
    Mutant("mixture: weights lost", "data", "self.weights.to(x).log() + log", "log"),
    Mutant(
        "mixture: samples with σ²",
        "data",
        "self.sigmas[k, None] *",
        "self.sigmas[k, None] ** 2 *",
    ),
    Mutant(
        "score: sign",
        "data",
        "return ((r / var)[..., None] * step)",
        "return -((r / var)[..., None] * step)",
    ),
    Mutant("score: noise σ for σ²", "data", "(sigma), sigma**2)", "(sigma), sigma)"),
    Mutant("score: responsibilities lost", "data", "((r / var)", "((1 / var)"),
    Mutant(
        "posterior: ᾱ for √ᾱ in the mean",
        "data",
        "step = ab[..., None].sqrt() *",
        "step = ab[..., None] *",
    ),
    Mutant(
        "posterior: ᾱ for √ᾱ in the gain",
        "data",
        "gain = ab[..., None].sqrt() *",
        "gain = ab[..., None] *",
    ),
    Mutant("posterior: √(1-ᾱ) for 1-ᾱ", "data", "ab, 1 - ab)", "ab, (1 - ab).sqrt())"),
    Mutant("posterior: sign of the step", "data", "(x_t) - gain[", "(x_t) + gain["),
    Mutant("posterior: signal kept whole", "data", "var = ab * self", "var = self"),
    Mutant(
        "checkerboard: light squares", "data", ".sum(-1) % 2 == 0", ".sum(-1) % 2 == 1"
    ),
    Mutant("checkerboard: density halved", "data", "-math.log(8)", "-math.log(16)"),
    Mutant(
        "spirals: crowded at the centre",
        "data",
        "_uniform(n, 1, generator).sqrt()",
        "_uniform(n, 1, generator)",
    ),
    # ---- training
    Mutant("ema: decay swapped", "training", "avg_fn(ema)", "avg_fn(1 - ema)"),
    Mutant("ema: average not used", "training", "if step == steps:", "if step == 0:"),
    Mutant(
        "clip: forgotten",
        "training",
        "nn.utils.clip_grad_norm_(model.parameters(), clip)",
        "pass",
    ),
    Mutant("clip: each value", "training", "clip_grad_norm_", "clip_grad_value_"),
    Mutant("gradients pile up", "training", "optimizer.zero_grad()", "pass"),
    Mutant("lr ignored", "training", "parameters(), lr=lr)", "parameters())"),
    Mutant("nan let through", "training", "if not math.isfinite(value):", "if False:"),
    Mutant(
        "nan: the sum is blamed",
        "training",
        'key=lambda pair: pair[0] == "loss"',
        "key=lambda pair: 0",
    ),
    Mutant(
        "batches: not shuffled",
        "training",
        "torch.randperm(len(x), generator=generator)",
        "torch.arange(len(x))",
    ),
    Mutant(
        "batches: generator ignored",
        "training",
        "torch.randperm(len(x), generator=generator)",
        "torch.randperm(len(x))",
    ),
    Mutant("batches: the same again", "training", "[i : i + size]", "[:size]"),
    # ---- metrics
    Mutant("bits: nats", "metrics", "(dims * math.log(2))", "dims"),
    Mutant("bits: per image", "metrics", "(dims * math.log(2))", "math.log(2)"),
    Mutant("frechet: means lost", "metrics", "distance = means +", "distance = 0 +"),
    Mutant(
        "frechet: distance of means not squared",
        "metrics",
        "means = (a.mean(0) - b.mean(0)).square().sum()",
        "means = (a.mean(0) - b.mean(0)).norm()",
    ),
    Mutant("frechet: cross term once", "metrics", "- 2 * cross", "- cross"),
    Mutant("frechet: covariance by n", "metrics", "sqrt(len(x) - 1)", "sqrt(len(x))"),
    Mutant("frechet: not centred", "metrics", "qr(x - x.mean(0), mode", "qr(x, mode"),
    Mutant("frechet: root not transposed", "metrics", "root_b.T)", "root_b)"),
    Mutant("frechet: single precision", "metrics", ".cpu().double() for", ".cpu() for"),
    Mutant(
        "frechet: too few samples", "metrics", "<= x.shape[1]:", "< x.shape[1] - 9:"
    ),
    Mutant("manifold: own distance counts", "metrics", ".fill_diagonal_(math.inf)", ""),
    Mutant("manifold: one neighbour", "metrics", "kthvalue(k,", "kthvalue(1,"),
    Mutant("manifold: boundary left out", "metrics", "<= radius", "< radius"),
    Mutant("manifold: every ball", "metrics", "radius).any(1)", "radius).all(1)"),
    Mutant(
        "recall: precision again",
        "metrics",
        "recall = within(fake, real,",
        "recall = within(real, fake,",
    ),
    Mutant("critic: ink as it is", "metrics", "self.body(2 * x - 1)", "self.body(x)"),
    Mutant(
        "critic: logits",
        "metrics",
        "_critic()(_ink(x)).softmax(1)",
        "_critic()(_ink(x))",
    ),
    Mutant("critic: bytes are well", "metrics", "(x <= 1)", "(x <= 255)"),
    Mutant("frechet to: cov for its root", "metrics", "(min=0).sqrt()[", "(min=0)["),
    Mutant("frechet to: axes turned", "metrics", "* axes.T", "* axes"),
    Mutant("frechet to: means lost", "metrics", "- mean[0]).square", "* 0).square"),
    Mutant("frechet to: any matrix", "metrics", " and torch.allclose(cov, cov.T)", ""),
    # ---- mnist_metrics
    Mutant(
        "mnist critic: ink as it is",
        "mnist_metrics",
        "self.body(2 * x - 1)",
        "self.body(x)",
    ),
    Mutant("mnist critic: logits", "mnist_metrics", ".softmax(1)", ""),
    Mutant("mnist critic: another's hint", "mnist_metrics", "bytes / 255", "counts"),
    # ---- evaluate
    Mutant("distance: of one group", "evaluate", "torch.cat(groups)", "groups[0]"),
    Mutant(
        "distance: one standard error for two",
        "evaluate",
        "half = 2 * float(torch.tensor(resampled)",
        "half = 1 * float(torch.tensor(resampled)",
    ),
    Mutant(
        "distance: again the same noise",
        "evaluate",
        "for _ in range(n // size)",
        "for generator in [_seed(0) for _ in range(n // size)]",
    ),
    Mutant("nats: sign", "evaluate", "return -torch.cat", "return torch.cat"),
    Mutant("nats: rough alone", "evaluate", "+ change.mean())", "+ 0 * change.mean())"),
    Mutant(
        "nats: change of other images",
        "evaluate",
        "_seed(1)) - rough[some]",
        "_seed(1)) - rough[:fine]",
    ),
    Mutant("nats: one draw for two", "evaluate", "new.var() / 2", "new.var()"),
    Mutant("nats: change taken as exact", "evaluate", "+ change.var() / fine", "+ 0"),
    Mutant("nats: the first images", "evaluate", "* n // few", ""),
    Mutant(
        "nats: grey images",
        "evaluate",
        "x = binarize(images, generator=_seed(0))[",
        "x = (images / 255).round()[",
    ),
    Mutant("error: sum", "evaluate", "float(each.mean()), 2", "float(each.sum()), 2"),
    Mutant(
        "calls: layers counted",
        "evaluate",
        "recipe.model.children()",
        "recipe.model.modules()",
    ),
    # ---- zoo
    Mutant("zoo: digest unasked", "zoo", "digest != _digest(tensors)", "False"),
    Mutant("zoo: name unasked", "zoo", "if name != path.stem", "if not name"),
    Mutant("zoo: biases rounded", "zoo", "w.dim() < 2 or", "w.dim() < 1 or"),
    Mutant(
        "zoo: scale forgotten", "zoo", "int8.dequantize(w, ", "int8.dequantize(w, 0 * "
    ),
    Mutant(
        "zoo: every .scale is pack's",
        "zoo",
        ' or name.removesuffix(".scale") not in packed',
        "",
    ),
    Mutant("zoo: no matrix in bytes", "zoo", " and w.numel() < SMALL", ""),
    Mutant("zoo: small kernels in halves", "zoo", "w.dim() == 2 and ", ""),
    Mutant("zoo: small matrices in bytes", "zoo", "w.numel() < SMALL", "False"),
    Mutant("zoo: half stays half", "zoo", "w.float() if w.dtype", "w if w.dtype"),
    Mutant("zoo: in train mode", "zoo", "made.model.eval()", "made.model.train()"),
    Mutant(
        "zoo: global noise used",
        "zoo",
        "with torch.random.fork_rng(devices=[]):",
        "if True:",
    ),
    Mutant("zoo: written in place", "zoo", "files.write(path, ", "path.write_bytes("),
    Mutant("zoo: noise lost", "zoo", "n, generator or torch", "n, torch"),
    # ---- scoreboard
    Mutant(
        "floor: training digits with repeats",
        "scoreboard",
        "torch.randperm(len(x), generator=generator)[:n]",
        "torch.randint(len(x), (n,), generator=generator)",
    ),
    Mutant("line: the best group", "scoreboard", "distances.mean()", "distances.min()"),
    Mutant(
        "line: precision for recall",
        "scoreboard",
        "precision, recall = torch",
        "recall, precision = torch",
    ),
    Mutant("line: one group", "scoreboard", "in range(GROUPS)]", "in range(2)]"),
    Mutant("line: not held to the stored one", "scoreboard", "not faults,", "True,"),
    Mutant("line: bound hidden", "scoreboard", "'≤ ' * self.bound", "''"),
    # ---- diffusion: the forward half
    Mutant(
        "linear: no β_T",
        "diffusion",
        "linspace(beta_1, beta_T, T,",
        "linspace(beta_1, beta_T, T + 1,",
    ),
    Mutant(
        "linear: ᾱ of β", "diffusion", "(1 - beta).cumprod(0)])", "beta.cumprod(0)])"
    ),
    Mutant(
        "linear: in float32",
        "diffusion",
        "beta_T, T, dtype=torch.float64)",
        "beta_T, T)",
    ),
    Mutant(
        "cosine: not squared",
        "diffusion",
        "math.pi / 2).cos() ** 2)",
        "math.pi / 2).cos())",
    ),
    Mutant(
        "cosine: s not in the denominator",
        "diffusion",
        "(u + s) / (1 + s) *",
        "(u + s) *",
    ),
    Mutant(
        "cosine: π for π/2", "diffusion", "* math.pi / 2).cos()", "* math.pi).cos()"
    ),
    Mutant(
        "sigmoid: start and end swapped",
        "diffusion",
        "linspace(start, end, T + 1,",
        "linspace(end, start, T + 1,",
    ),
    Mutant(
        "sigmoid: τ multiplied",
        "diffusion",
        "(-u / tau).sigmoid()",
        "(-u * tau).sigmoid()",
    ),
    Mutant(
        "sigmoid: end not subtracted",
        "diffusion",
        "_cut(fall - fall[-1])",
        "_cut(fall)",
    ),
    Mutant(
        "schedule: β not cut", "diffusion", ".clamp(min=1 - 0.999)", ".clamp(min=1e-9)"
    ),
    Mutant(
        "β: ᾱ upside down",
        "diffusion",
        "alpha_bar[1:] / alpha_bar[:-1]\n    return torch.cat([beta",
        "alpha_bar[:-1] / alpha_bar[1:]\n    return torch.cat([beta",
    ),
    Mutant(
        "β: one step off",
        "diffusion",
        "torch.cat([beta.new_zeros(1), beta])",
        "torch.cat([beta, beta.new_zeros(1)])",
    ),
    Mutant(
        "snr: of amplitudes",
        "diffusion",
        "return alpha_bar / (1 - alpha_bar)",
        "return (alpha_bar / (1 - alpha_bar)).sqrt()",
    ),
    Mutant("t: off by one", "diffusion", "values[t].to(x)", "values[t - 1].to(x)"),
    Mutant(
        "t: 0 let through",
        "diffusion",
        "t.min() >= 1 and t.max()",
        "t.min() >= 0 and t.max()",
    ),
    Mutant(
        "jump: signal ᾱ for √ᾱ",
        "diffusion",
        "at(alpha_bar.sqrt(), t, x0),",
        "at(alpha_bar, t, x0),",
    ),
    Mutant(
        "jump: noise 1 - ᾱ without root",
        "diffusion",
        "at((1 - alpha_bar).sqrt(), t, x0)",
        "at(1 - alpha_bar, t, x0)",
    ),
    Mutant(
        "jump: noise 1 - √ᾱ",
        "diffusion",
        "at((1 - alpha_bar).sqrt(), t, x0)",
        "at(1 - alpha_bar.sqrt(), t, x0)",
    ),
    Mutant(
        "jump: signal not shrunk",
        "diffusion",
        "return signal * x0 + noise * eps",
        "return x0 + noise * eps",
    ),
    Mutant(
        "posterior: ᾱ_{t+1} for ᾱ_{t-1}",
        "diffusion",
        "alpha_bar.roll(1)",
        "alpha_bar.roll(-1)",
    ),
    Mutant(
        "posterior: β for β̃",
        "diffusion",
        "at(beta * (1 - before) / (1 - alpha_bar), t, x_t)",
        "at(beta, t, x_t)",
    ),
    Mutant(
        "posterior: √β̃",
        "diffusion",
        "at(beta * (1 - before) / (1 - alpha_bar), t, x_t)",
        "at((beta * (1 - before) / (1 - alpha_bar)).sqrt(), t, x_t)",
    ),
    Mutant(
        "posterior: root of ᾱ_{t-1} lost",
        "diffusion",
        "before.sqrt() * beta / (1",
        "before * beta / (1",
    ),
    Mutant(
        "posterior: root of α_t lost",
        "diffusion",
        "(1 - beta).sqrt() * (1 - before)",
        "(1 - beta) * (1 - before)",
    ),
    Mutant(
        "posterior: x0 and x_t swapped",
        "diffusion",
        "at(of_x0, t, x_t) * x0 + at(of_x_t, t, x_t) * x_t",
        "at(of_x0, t, x_t) * x_t + at(of_x_t, t, x_t) * x0",
    ),
    Mutant(
        "schedule: may rise",
        "diffusion",
        "falls = (alpha_bar[1:] < alpha_bar[:-1]).all()",
        "falls = (alpha_bar[1:] <= alpha_bar[:-1]).all()",
    ),
    # ---- gan_dynamics: the Dirac-GAN
    Mutant(
        "minimax: both climb",
        "gan_dynamics",
        "return torch.stack([psi * fake, -theta * fake], -1)",
        "return torch.stack([-psi * fake, -theta * fake], -1)",
    ),
    Mutant(
        "non-saturating: saturating",
        "gan_dynamics",
        "psi * (1 - fake), -theta * fake",
        "psi * fake, -theta * fake",
    ),
    Mutant(
        "Dirac: penalty on theta",
        "gan_dynamics",
        "return field(w) - gamma * torch.stack([0 * psi, psi], -1)",
        "return field(w) - gamma * torch.stack([psi, 0 * psi], -1)",
    ),
    Mutant(
        "Dirac: penalty climbed",
        "gan_dynamics",
        "return field(w) - gamma * torch.stack([0 * psi, psi], -1)",
        "return field(w) + gamma * torch.stack([0 * psi, psi], -1)",
    ),
    Mutant(
        "Dirac: slope 1 forgotten",
        "gan_dynamics",
        "pull = (psi.abs() - 1) * psi.sign()",
        "pull = psi.abs() * psi.sign()",
    ),
    Mutant(
        "Dirac: sign of the slope lost",
        "gan_dynamics",
        "(psi.abs() - 1) * psi.sign()",
        "(psi.abs() - 1)",
    ),
    Mutant(
        "alternating: theta sees the old psi",
        "gan_dynamics",
        "h * field(torch.stack([theta, psi], -1))[..., 0]",
        "h * field(w)[..., 0]",
    ),
    Mutant(
        "extragradient: no trial step",
        "gan_dynamics",
        "return w + h * field(w + h * field(w))",
        "return w + h * field(w)",
    ),
    Mutant(
        "extragradient: both steps taken",
        "gan_dynamics",
        "return w + h * field(w + h * field(w))",
        "return w + h * field(w) + h * field(w + h * field(w))",
    ),
    Mutant(
        "consensus: sign", "gan_dynamics", "(v - gamma * trans", "(v + gamma * trans"
    ),
    Mutant(
        "consensus: the field itself",
        "gan_dynamics",
        "gamma * transposed(v)[0]",
        "gamma * v",
    ),
    Mutant(
        "clip: theta as well",
        "gan_dynamics",
        "[theta, psi.clamp(-c, c)]",
        "[theta.clamp(-c, c), psi.clamp(-c, c)]",
    ),
    Mutant(
        "trajectory: start left out",
        "gan_dynamics",
        "return torch.stack(path)",
        "return torch.stack(path[1:])",
    ),
    # ---- gan_dynamics: modes
    Mutant(
        "modes: within 1 σ", "gan_dynamics", "distance < within *", "distance < 1 *"
    ),
    Mutant(
        "modes: one σ for all",
        "gan_dynamics",
        "mixture.sigmas.to(x)[mode]",
        "mixture.sigmas.to(x)[0]",
    ),
    Mutant(
        "modes: covered by anything",
        "gan_dynamics",
        "len(mode[good].unique())",
        "len(mode.unique())",
    ),
    Mutant(
        "modes: KL of the good alone",
        "gan_dynamics",
        "share = mode.bincount(",
        "share = mode[good].bincount(",
    ),
    Mutant(
        "modes: weights equal",
        "gan_dynamics",
        "share / mixture.weights.to(share)",
        "share * len(share)",
    ),
    # ---- gan_dynamics: fixes
    Mutant(
        "runs: slope cut from the graph",
        "gan_dynamics",
        "layers = list(zip(self.matrices(), self.bias, strict=True))",
        "layers = list(zip(self.weight[:], self.bias[:], strict=True))",
    ),
    Mutant(
        "closeness: counts itself", "gan_dynamics", "sum(-1) - 1).mT", "sum(-1)).mT"
    ),
    Mutant("closeness: L2", "gan_dynamics", "cdist(m, m, p=1)", "cdist(m, m, p=2)"),
    Mutant(
        "closeness: the batch is deaf",
        "gan_dynamics",
        "return logits + closeness(h, self.kernel) @ self.closer",
        "return logits + 0 * closeness(h, self.kernel) @ self.closer",
    ),
    Mutant(
        "spectral: iteration not normalised",
        "gan_dynamics",
        "u = F.normalize(weight.mT @ v, dim=1)",
        "u = weight.mT @ v",
    ),
    Mutant(
        "spectral: matrices as they are",
        "gan_dynamics",
        "divided.append(weight / norm)",
        "divided.append(weight)",
    ),
    Mutant(
        "gradient penalty: norm over the batch",
        "gan_dynamics",
        "return (slope.norm(dim=-1) - 1) ** 2",
        "return (slope.norm(dim=1, keepdim=True) - 1).mean(-1) ** 2",
    ),
    Mutant(
        "gradient penalty: at the real",
        "gan_dynamics",
        "x = (t * real + (1 - t) * fake).detach()",
        "x = real.detach()",
    ),
    Mutant(
        "r1: norm for its square",
        "gan_dynamics",
        "return slope.square().sum(-1)",
        "return slope.norm(dim=-1)",
    ),
    Mutant(
        "d_loss: sides exchanged",
        "gan_dynamics",
        "(F.softplus(-real) + F.softplus(fake))",
        "(F.softplus(real) + F.softplus(-fake))",
    ),
    Mutant(
        "d_loss: mean over runs",
        "gan_dynamics",
        "F.softplus(fake)).mean(1).sum()",
        "F.softplus(fake)).mean()",
    ),
    Mutant(
        "unrolled: uphill",
        "gan_dynamics",
        "name: w - lr * slope",
        "name: w + lr * slope",
    ),
    Mutant(
        "unrolled: steps not differentiated",
        "gan_dynamics",
        "name: w - lr * slope",
        "name: w - lr * slope.detach()",
    ),
    Mutant(
        "unrolled: one step", "gan_dynamics", "for _ in range(k):", "for _ in range(1):"
    ),
    # ---- denoising: the reverse half of diffusion
    Mutant(
        "x0 from eps: sign",
        "denoising",
        "return (x_t - noise * eps) / signal",
        "return (x_t + noise * eps) / signal",
    ),
    Mutant(
        "x0 from eps: not divided",
        "denoising",
        "return (x_t - noise * eps) / signal",
        "return x_t - noise * eps",
    ),
    Mutant(
        "eps from x0: divided by the signal",
        "denoising",
        "(x_t - signal * x0) / noise",
        "(x_t - signal * x0) / signal",
    ),
    Mutant(
        "velocity: sign",
        "denoising",
        "signal * eps - noise * x0",
        "noise * x0 - signal * eps",
    ),
    Mutant(
        "velocity: factors exchanged",
        "denoising",
        "signal * eps - noise * x0",
        "noise * eps - signal * x0",
    ),
    Mutant(
        "x0 from v: sign",
        "denoising",
        "signal * x_t - noise * v",
        "signal * x_t + noise * v",
    ),
    Mutant(
        "eps from v: sign",
        "denoising",
        "noise * x_t + signal * v",
        "noise * x_t - signal * v",
    ),
    Mutant(
        "v: read as x0",
        "denoising",
        "V = Prediction(velocity, eps_from_v)",
        "V = Prediction(velocity, x0_from_v)",
    ),
    Mutant(
        "clipped: the old eps kept",
        "denoising",
        "return eps_from_x0(x_t, x0_hat.clamp(-1, 1), t, alpha_bar)",
        "return eps_model(x_t, t)",
    ),
    Mutant("guided: away from the better one", "denoising", "weight)", "1 - weight)"),
    Mutant(
        "guided: where the data outweigh the noise",
        "denoising",
        ")] >= 0.5",
        ")] < 0.5",
    ),
    Mutant(
        "clipped: to 0 … 1", "denoising", "x0_hat.clamp(-1, 1)", "x0_hat.clamp(0, 1)"
    ),
    Mutant("ddpm: no noise at the last but one", "denoising", "if i > 1:", "if i > 2:"),
    Mutant(
        "ddpm: variance for σ",
        "denoising",
        "mean + var.sqrt() * noise",
        "mean + var * noise",
    ),
    Mutant(
        "ddpm: times forgotten",
        "denoising",
        "short = alpha_bar[[0, *times[::-1]]]",
        "short = alpha_bar[: len(times) + 1]",
    ),
    Mutant("ddim: η not squared", "denoising", "var = eta**2 *", "var = eta *"),
    Mutant(
        "ddim: β for β tilde",
        "denoising",
        "(1 - ab_s) / (1 - ab_t) * (1 - ab_t / ab_s)",
        "(1 - ab_t / ab_s)",
    ),
    Mutant(
        "ddim: too much noise in all",
        "denoising",
        "(1 - ab_s - var).sqrt()",
        "(1 - ab_s).sqrt()",
    ),
    Mutant(
        "levels: the first not open",
        "denoising",
        "x < -1 + half, -math.inf",
        "x < -2, -math.inf",
    ),
    Mutant(
        "levels: bins twice as wide",
        "denoising",
        "half = 1 / (levels - 1)",
        "half = 2 / (levels - 1)",
    ),
    Mutant("bound: 2 lost", "denoising", "** 2 / (2 * var)", "** 2 / var"),
    Mutant(
        "bound: mean for sum",
        "denoising",
        "terms.append(nats.flatten(1).sum(1))",
        "terms.append(nats.flatten(1).mean(1))",
    ),
    Mutant(
        "bound: sign in the prior",
        "denoising",
        "ab * x0**2 - ab - math",
        "ab * x0**2 + ab - math",
    ),
    Mutant(
        "bound: variance for σ in the decoder",
        "denoising",
        "sigma = (1 - alpha_bar[1]).sqrt().to(x0)",
        "sigma = (1 - alpha_bar[1]).to(x0)",
    ),
    Mutant(
        "simple loss: times from 0",
        "denoising",
        "return 1 + ((u + even)",
        "return ((u + even)",
    ),
    Mutant(
        "simple loss: one time a batch",
        "denoising",
        "(u + even) % 1",
        "(u + 0 * even) % 1",
    ),
    Mutant(
        "simple loss: mean for sum",
        "denoising",
        "error.flatten(1).sum(1).mean()",
        "error.flatten(1).mean(1).mean()",
    ),
    Mutant(
        "simple loss: data for noise",
        "denoising",
        "model.predict.target(x0, eps, t",
        "model.predict.target(eps, x0, t",
    ),
    Mutant(
        "diffusion model: half the noise to start",
        "denoising",
        "for state in self.chain(x, times",
        "for state in self.chain(x / 2, times",
    ),
    Mutant("multistep: η not squared", "denoising", "share * eta**2", "share * eta"),
    Mutant("multistep: half of half", "denoising", "+ 0.5 * ahead", "+ 0.25 * ahead"),
    Mutant(
        "multistep: back along the line",
        "denoising",
        "ahead * (x0_hat - x0_before)",
        "ahead * (x0_before - x0_hat)",
    ),
    Mutant(
        "multistep: ᾱ for its logit",
        "denoising",
        "alpha_bar.double().logit()",
        "alpha_bar.double()",
    ),
    Mutant(
        "multistep: always the first guess",
        "denoising",
        "r, x0_before = now, x0_hat",
        "r, x0_before = r or now, x0_hat if x0_before is None else x0_before",
    ),
    # ---- recipes for adversarial models
    Mutant(
        "dcgan recipe: D's loss reaches G",
        "recipes/adversarial",
        "        return model.d_loss(x, fake)",
        "        return model.g_loss(model.generator(z))",
    ),
    Mutant("gan recipes: ink in -1…1", "recipes/adversarial", " + 1) / 2", ")"),
    Mutant(
        "wgan recipe: sign of the distance",
        "recipes/adversarial",
        "penalty - distance, ",
        "penalty + distance, ",
    ),
    Mutant(
        "wgan recipe: slope of a batch",
        "recipes/adversarial",
        "slope.flatten(1).norm(dim=1)",
        "slope.norm()",
    ),
    Mutant(
        "wgan recipe: slope at the fakes",
        "recipes/adversarial",
        "(t * x + (1 - t) * fake)",
        "(0 * x + fake)",
    ),
    Mutant(
        "wgan recipe: a norm over the batch",
        "recipes/adversarial",
        "critic[3] = nn.Identity()",
        "critic[3] = nn.BatchNorm2d(4 * width)",
    ),
    Mutant(
        "wgan recipe: G lowers its score",
        "recipes/adversarial",
        "-critic(model.generator(z))",
        "critic(model.generator(z))",
    ),
    # ---- recipes for models with a latent variable
    Mutant("vae recipe: half a KL", "recipes/latent", "recon + kl,", "recon + kl / 2,"),
    Mutant(
        "vae recipe: any log σ²",
        "recipes/latent",
        "model.encoder.append(nn.Hardtanh(-10, 10))",
        "pass",
    ),
    Mutant("vae recipe: recon's sign", "recipes/latent", "-log_px_z", "log_px_z"),
    Mutant(
        "vae recipe: grey left grey",
        "recipes/latent",
        "return binarize(x, generator=generator), eps",
        "return x.float() / 255, eps",
    ),
    Mutant(
        "vae recipe: noise of its own",
        "recipes/latent",
        "len(x), model.latent, generator=generator, device",
        "len(x), model.latent, device",
    ),
    Mutant(
        "autoencoder recipe: no gauge", "recipes/latent", "error + gauge,", "error + 0,"
    ),
    Mutant(
        "autoencoder recipe: bytes", "recipes/latent", "float() / 255,)", "float(),)"
    ),
    Mutant("gauge: mean for covariance", "recipes/latent", "z - mean", "z"),
    Mutant("gauge: the volume lost", "recipes/latent", " - cov.logdet()", ""),
    Mutant(
        "gauge: log det's sign", "recipes/latent", "- cov.logdet()", "+ cov.logdet()"
    ),
    Mutant(
        "residual: nothing goes straight on", "nets", "x + F.silu(self.", "F.silu(self."
    ),
    Mutant(
        "residual: one block for all", "nets", "for _ in range(blocks)", "for _ in 'x'"
    ),
    Mutant(
        "any batch: axes in another order",
        "nets",
        "z.reshape(-1, z.shape[-1])",
        "z.transpose(0, -2).reshape(-1, z.shape[-1]) if z.dim() > 1 else z[None]",
    ),
    Mutant("bernoulli: one sign", "vae", "x * logits - F.soft", "x * logits + F.soft"),
    Mutant(
        "bernoulli: grey let through",
        "vae",
        """self._check(x)
        return x""",
        "return x",
    ),
    Mutant(
        "model: infinite pixels let through",
        "vae",
        "not all(extreme.isfinite() for extreme in x.aminmax())",
        "x.isnan().any()",
    ),
    # ---- recipes for models that learn to see noise
    Mutant(
        "fold: parts of a pixel in another order",
        "nets",
        "self.net(F.pixel_unshuffle(x, 2), t)",
        "self.net(F.pixel_unshuffle(x, 2).flip(1), t)",
    ),
    Mutant("score network: the sign of v", "recipes/noise", "x + answer", "x - answer"),
    Mutant(
        "score network: not scaled back",
        "recipes/noise",
        "answer) / (sigma**2 + 1).sqrt()",
        "answer)",
    ),
    Mutant(
        "score recipe: uphill for noise",
        "recipes/noise",
        "-sigma * score",
        "sigma * score",
    ),
    Mutant(
        "score recipe: σ for σ² in the ladder",
        "recipes/noise",
        "1 / (1 + sigmas**2)",
        "1 / (1 + sigmas)",
    ),
    Mutant(
        "ddpm recipe: v whatever is asked for",
        "recipes/noise",
        "SHAPE, predict=predict",
        "SHAPE, predict=denoising.V",
    ),
    Mutant(
        "recipes of noise: the guide is trained too",
        "recipes/noise",
        ".requires_grad_(False)",
        "",
    ),
    Mutant(
        "walk: led by itself",
        "recipes/noise",
        "eps_of(model.guide)",
        "eps_of(model.net)",
    ),
    Mutant(
        "walk: from -1 to 1",
        "recipes/noise",
        "(x.clamp(-1, 1) + 1) / 2",
        "x.clamp(-1, 1)",
    ),
    # ---- nets: what is told the time
    Mutant(
        "sinusoidal: half the frequencies",
        "nets",
        "10000 ** (-2 * i / dim)",
        "10000 ** (-i / dim)",
    ),
    Mutant(
        "block: deaf to the time",
        "nets",
        "self.norm_out(h) * (1 + scale) + shift",
        "self.norm_out(h)",
    ),
    Mutant(
        "block: no straight path",
        "nets",
        "return self.straight(x) + self.conv_out(F.silu(h))",
        "return self.conv_out(F.silu(h))",
    ),
    Mutant("attention: keys for values", "nets", "q, k, v = heads", "q, v, k = heads"),
    # ---- int8: rounding
    Mutant("int8: a step too coarse", "int8", ".amax(1) / LEVELS", ".amax(1) / 64"),
    Mutant("int8: a step too fine", "int8", ".amax(1) / LEVELS", ".amax(1) / 160"),
    Mutant("int8: sign of the extremes", "int8", "w.abs().amax(1)", "w.amax(1)"),
    Mutant("int8: cut for rounded", "int8", ".round().clamp", ".trunc().clamp"),
    Mutant(
        "int8: one scale for all",
        "int8",
        "(scale > 0, scale,",
        "(scale > 0, scale.amax(),",
    ),
    Mutant(
        "int8: scale of a channel of zeros",
        "int8",
        "scale > 0, scale, 1.0",
        "scale > 0, scale, scale",
    ),
    Mutant(
        "int8: scale along the inputs",
        "int8",
        "reshape(-1, *[1] * (q.ndim - 1))",
        "reshape(*[1] * (q.ndim - 1), -1)",
    ),
    # ---- mnist: files, mirrors, bytes
    Mutant(
        "idx: any number of axes",
        "mnist",
        'magic not in (b"\\0\\0\\x08\\x01", b"\\0\\0\\x08\\x03")',
        'magic[:3] != b"\\0\\0\\x08"',
    ),
    Mutant("idx: length unasked", "mnist", "if len(content) != expected", "if False"),
    Mutant("idx: too long is well", "mnist", "(content) != exp", "(content) < exp"),
    Mutant(
        "idx: little-endian", "mnist", '[i : i + 4], "big")', '[i : i + 4], "little")'
    ),
    Mutant("idx: head among the pixels", "mnist", "head = 4 + 4 *", "head = 8 + 4 *"),
    Mutant(
        "images: shape unasked",
        "mnist",
        "if tuple(x.shape) != SHAPES[name]",
        "if False",
    ),
    Mutant("digest: unasked", "mnist", "if got != expected:", "if not got:"),
    Mutant(
        "digest: of the gzip alone",
        "mnist",
        "(content, name) if name in source.digests",
        "(data, name) if name in source.digests",
    ),
    Mutant(
        "images: training and test swapped",
        "mnist",
        "x_train, y_train, x_test, y_test = (",
        "x_test, y_test, x_train, y_train = (",
    ),
    Mutant("images: labels as bytes", "mnist", "y_train.long()", "y_train"),
    Mutant("data: no way home", "mnist", "os.path.expanduser(root)", "root"),
    Mutant("data: packed files alone", "mnist", "in (folder / name, ", "in ("),
    Mutant("cache: never kept", "mnist", "        _keep(data, path)\n", ""),
    Mutant(
        "cache: never asked",
        "mnist",
        "_bytes())\n    except (F",
        "_bytes()[1:])\n    except (F",
    ),
    Mutant(
        "cache: kept before it is checked",
        "mnist",
        "            x = _checked(source, name, data)",
        "            _keep(data, path)\n            x = _checked(source, name, data)",
    ),
    Mutant(
        "cache: written in place",
        "mnist",
        "        os.replace(part, path)",
        "        path.write_bytes(data)",
    ),
    Mutant("cache: a part left", "mnist", "if part is not None", "if part is True"),
    Mutant(
        "cache: read-only is fatal", "mnist", "except OSError as", "except KeyError as"
    ),
    Mutant(
        "mirrors: the first alone",
        "mnist",
        "in source.mirrors:",
        "in source.mirrors[:1]:",
    ),
    Mutant(
        "mirrors: a wrong file is fatal",
        "mnist",
        "(requests.RequestException, ValueError)",
        "(requests.RequestException,)",
    ),
    Mutant(
        "bar: for nobody", "mnist", "disable=not training.", "disable=None is training."
    ),
    Mutant("signed: of 256", "mnist", "() / 127.5 - 1", "() / 128 - 1"),
    Mutant(
        "dequantized: bin of 255",
        "mnist",
        "return (x + u) / 256",
        "return (x + u) / 255",
    ),
    Mutant(
        "dequantized: half a bin",
        "mnist",
        "return (x + u) / 256",
        "return (x + u / 2) / 256",
    ),
    Mutant("dequantized: rounds up", "mnist", "(u * 2**16).floor()", "(u * 2**16)"),
    Mutant("dequantized: one draw", "mnist", "(u * 2**16)", "(u[:1] * 2**16)"),
    Mutant("binarized: the other way", "mnist", "u < x.float()", "u > x.float()"),
    Mutant("binarized: of 256", "mnist", "x.float() / 255", "x.float() / 256"),
    Mutant("binarized: by a threshold", "mnist", "(u < x", "(0.5 < x"),
    # ---- files
    Mutant(
        "file: written in place",
        "files",
        'path.with_name(path.name + ".part")',
        "path",
    ),
    # ---- runs
    Mutant("run: one noise for all steps", "runs", '"noise", step)', '"noise")'),
    Mutant("run: one order for all seeds", "runs", '(seed, "order", ', '("order", '),
    Mutant("run: one order for all passes", "runs", '"order", epoch)', '"order")'),
    Mutant(
        "run: dropout has a past",
        "runs",
        'torch.manual_seed(_mixed(seed, "step", step))',
        "pass",
    ),
    Mutant(
        "run: the average starts anew",
        "runs",
        'self.averaged.load_state_dict(saved["averaged"])',
        "pass",
    ),
    Mutant(
        "run: the optimizers start anew",
        "runs",
        "optimizer.load_state_dict(state)",
        "pass",
    ),
    Mutant(
        "run: a wrong bit goes unnoticed",
        "runs",
        "if bad := zipfile.ZipFile(io.BytesIO(content)).testzip():",
        "if bad := None:",
    ),
    Mutant(
        "run: two share a folder",
        "runs",
        "    if rank:\n        yield",
        "    if 1:\n        yield",
    ),
    Mutant(
        "run: the end is not mended",
        "runs",
        'if saved.get("step") == steps and crew.rank == 0:',
        "if False:",
    ),
    Mutant("run: a rate one step late", "runs", "rate((step - 1) /", "rate(step /"),
    Mutant("run: all players at once", "runs", "if step % player.every:", "if False:"),
    Mutant(
        "run: the first weights remembered",
        "runs",
        "ema_decay(self.recipe.ema, self.step - 1)",
        "self.recipe.ema",
    ),
    Mutant(
        "run: the last weights for the average",
        "runs",
        "return self.averaged.module if self.averaged else self.model",
        "return self.model",
    ),
    Mutant(
        "run: the guide grows up",
        "runs",
        'step <= self.recipe.young * self.run["steps"]',
        "True",
    ),
    Mutant(
        "run: the guide is not the average",
        "runs",
        "now = self.best().net",
        "now = self.model.net",
    ),
    Mutant(
        "run: the average's guide is drawn along",
        "runs",
        "for model in {self.model, self.best()}:",
        "for model in {self.best()}:",
    ),
    Mutant(
        "run: infinity passes",
        "runs",
        "if not math.isfinite(terms[name])",
        "if math.isnan(terms[name])",
    ),
    Mutant(
        "run: the sum takes the blame",
        "runs",
        'name.endswith("loss")):',
        'not name.endswith("loss")):',
    ),
    Mutant(
        "run: bad weights are kept",
        "runs",
        "if not weight.isfinite().all():",
        "if False:",
    ),
    Mutant("run: a sum in the log", "runs", "math.fsum(v) / len(v)", "math.fsum(v)"),
    Mutant("run: a row of all steps", "runs", "self.sums.clear()", "pass"),
    Mutant(
        "run: a pickle is trusted",
        "runs",
        'map_location="cpu", weights_only=True',
        'map_location="cpu", weights_only=False',
    ),
    Mutant("run: each process takes all", "runs", ".chunk(self.size)[self.rank]", ""),
    Mutant(
        "run: gradients of one process",
        "runs",
        "grad.copy_(mean.view(grad.shape))",
        "pass",
    ),
]


def edit(mutant: Mutant, package: Path) -> None:
    """Apply the mutant to a copy. A text that is not there once is an error."""
    path = package / f"{mutant.module}.py"
    source = path.read_text(encoding="utf-8")
    if source.count(mutant.old) != 1:
        raise LookupError(
            f"{mutant.name}: expected {mutant.old!r} once in {path.name}, "
            f"got it {source.count(mutant.old)} times"
        )
    path.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")


@contextlib.contextmanager
def copy() -> Iterator[Path]:
    """Copy the package and the unit tests to a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        root, skip = Path(folder), shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "genbook", root / "genbook", ignore=skip)
        shutil.copytree(ROOT / "tests/unit", root / "tests", ignore=skip)
        yield root


def run(root: Path, modules: tuple[str, ...]) -> tuple[int | None, str]:
    """Run the modules' tests on a copy; return pytest's status and its output.

    Each run is a fresh process, forked from one that has torch imported already: that
    alone takes longer than most mutants live.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    process = context.Process(target=_child, args=(root, modules))
    process.start()
    process.join(TIMEOUT)
    if process.exitcode is None:
        process.kill()
        process.join()
        return None, f"no end after {TIMEOUT} s"
    output = root / "output.txt"
    return process.exitcode, output.read_text() if output.exists() else ""


def _child(root: Path, modules: tuple[str, ...]) -> None:
    sys.stdout.flush()
    sink = os.open(root / "output.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.chdir(root)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(root))
    import pytest
    import torch

    import genbook

    if Path(genbook.__file__).resolve().parent != (root / "genbook").resolve():
        print(f"imported {genbook.__file__} rather than the copy in {root}")
        sys.exit(9)
    torch.set_num_threads(1)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they cost half of a short run
    plugins = ["-p", "_hypothesis_pytestplugin", "-p", "no:cacheprovider"]
    options = ["-x", "-q", "--tb=line", f"--rootdir={root}", "-c", os.devnull]
    tests = [f"tests/test_{name.replace('/', '_')}.py" for name in modules]
    profile = "--hypothesis-profile=mutation"
    sys.exit(pytest.main([*plugins, *options, profile, *tests]))


def check(mutant: Mutant) -> str:
    """Return which test noticed the mutant, or "" if none did. Raise if none could."""
    with copy() as root:
        edit(mutant, root / "genbook")
        status, output = run(root, (mutant.module,))
    if status not in (GREEN, RED):
        raise RuntimeError(f"{mutant.name}: the tests did not run:\n{output}")
    failed = [line for line in output.splitlines() if line.startswith("FAILED ")]
    if status == RED and not failed:
        raise RuntimeError(f"{mutant.name}: red, but no test failed:\n{output}")
    return failed[0].split("::", 1)[1].split(" - ")[0] if failed else ""


def check_unchanged() -> None:
    """Raise unless the tests are green on a copy that nobody changed."""
    with copy() as root:
        status, output = run(root, MODULES)
    if status != GREEN:
        raise RuntimeError(f"the tests are not green without a mutant:\n{output}")


def main(words: list[str]) -> int:
    """Print a table of the mutants chosen by ``words``; return how many live."""
    chosen = [m for m in MUTANTS if not words or any(w in m.name for w in words)]
    start, alive = time.perf_counter(), 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        unchanged = pool.submit(check_unchanged)
        for mutant, killer in zip(chosen, pool.map(check, chosen), strict=True):
            alive += not killer
            print(f"{mutant.module:9}{mutant.name:36}{killer or 'ALIVE'}", flush=True)
        unchanged.result()
    took = time.perf_counter() - start
    print(f"{len(chosen)} mutants, {len(chosen) - alive} killed, {took:.0f} s")
    return alive


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
