"""Other packages' models of MNIST, each trained as that package trains.

Once as its own documentation or trainer does by default, apart from the size of the
network, and once more with the learning rate and the average that the book's recipe
has. A U-Net has as many parameters as the recipe's within 5 %, and is asked as often
for a sample.
"""

import copy
import logging
import tempfile
from collections.abc import Callable, Iterator

import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from ema_pytorch import EMA
from pythae.data.datasets import BaseDataset, DatasetOutput
from pythae.models import AE, VAE, AEConfig, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import Tensor, nn
from torch.nn import functional as F

from genbook import training, vae
from genbook.data import signed
from genbook.recipes import RECIPES, cosine
from genbook.recipes.noise import CALLS, PART, SHAPE
from tests.benchmarks.mnist import Clock, Contestant
from tests.benchmarks.peers import GaussianDiffusion, Unet

logging.disable(logging.INFO)  # pythae's trainer says much

RATE, AVERAGE = 2e-3, 0.999  # of the diffusion recipes
SIZE = RECIPES["ddpm_v"]().size


def stream(x: Tensor) -> Iterator[Tensor]:
    """Return endless batches of x, bytes (N, 1, 28, 28), in -1…1."""
    generator = torch.Generator().manual_seed(0)
    return map(signed, training.batches(x, size=SIZE, generator=generator))


def follow(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def in_parts(n: int, draw: Callable[[int], Tensor]) -> Tensor:
    """Draw n images, as many at a time as the book's recipe does."""
    with torch.inference_mode():
        parts = [draw(min(PART, n - i)) for i in range(0, n, PART)]
    return torch.cat(parts).clamp(0, 1)


def hugging_face(x: Tensor, *, ours: bool) -> Contestant:
    """``UNet2DModel`` and ``DDPMScheduler``, as in diffusers' training tutorial.

    That is epsilon-prediction over 1,000 linear steps, AdamW, a learning rate that
    warms up for 500 steps and falls like a cosine, clipped gradients, no average of the
    weights, and ancestral sampling. ``ours`` draws by DDIM, which is better at so few
    calls.
    """
    net = UNet2DModel(
        sample_size=28,
        in_channels=1,
        out_channels=1,
        block_out_channels=(20, 32, 40),
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
    )
    noise = DDPMScheduler(num_train_timesteps=1000)
    average = EMA(net, beta=AVERAGE, update_every=1) if ours else None

    def train(clock: Clock) -> None:
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
        net.train()
        for share, x0 in zip(clock, stream(x), strict=False):
            if ours:
                follow(optimizer, RATE * cosine(share))
            else:
                warm = min(1.0, clock.steps / 500)
                follow(optimizer, 1e-4 * warm * cosine(share, warm=0))
            eps, t = torch.randn_like(x0), torch.randint(0, 1000, (len(x0),))
            eps_hat = net(noise.add_noise(x0, eps, t), t, return_dict=False)[0]
            F.mse_loss(eps_hat, eps).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if average:
                average.update()

    def draw(n: int) -> Tensor:
        best = (average.ema_model if average else net).eval()
        walk = DDIMScheduler.from_config(noise.config) if ours else noise
        walk.set_timesteps(CALLS)
        x_t = torch.randn(n, *SHAPE)
        for t in walk.timesteps:
            x_t = walk.step(best(x_t, t).sample, t, x_t).prev_sample
        return x_t / 2 + 0.5

    return Contestant(net, SIZE, train, lambda n: in_parts(n, draw))


def lucidrains(x: Tensor, *, ours: bool) -> Contestant:
    """``Unet`` and ``GaussianDiffusion``, trained as that package's ``Trainer`` does.

    That is v-prediction over 1,000 steps of a sigmoid schedule, Adam, clipped
    gradients, an average of the weights taken every 10 steps, and DDIM to draw.
    """
    net = Unet(16, dim_mults=(1, 2, 3), channels=1)
    model = GaussianDiffusion(net, image_size=28, sampling_timesteps=CALLS)
    beta, every = (AVERAGE, 1) if ours else (0.995, 10)
    average = EMA(model, beta=beta, update_every=every)

    def train(clock: Clock) -> None:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.99))
        model.train()
        for share, x0 in zip(clock, stream(x), strict=False):
            if ours:
                follow(optimizer, RATE * cosine(share))
            model(x0 / 2 + 0.5).backward()  # it wants 0…1
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            average.update()

    def draw(n: int) -> Tensor:
        return average.ema_model.sample(batch_size=n)

    return Contestant(net, SIZE, train, lambda n: in_parts(n, draw))


class Binarized(BaseDataset):
    """Images that are drawn black or white anew each time that they are asked for."""

    def __getitem__(self, index: int) -> DatasetOutput:
        """Return one image; pythae's trainer asks for nothing else."""
        ink = self.data[index]
        return DatasetOutput(data=torch.bernoulli(ink), labels=self.labels[index])


class Over(Exception):
    """The time is up; raised since pythae's trainer counts in epochs."""


def pythae(
    x: Tensor,
    model: AE | VAE,
    *,
    dataset: type[BaseDataset] = Binarized,
    recipe: str | None = None,
) -> Contestant:
    """A model of pythae and its ``BaseTrainer``: Adam of 1e-4 and batches of 64.

    It trains by the batches and the rate of one of the book's recipes instead, if
    named, and is averaged as that is.
    """
    options = {"no_cuda": True, "num_epochs": 10_000}
    size, ours = 64, None
    if recipe:
        ours = RECIPES[recipe]()
        rate = ours.players[0].optimizer.keywords["lr"]
        size = ours.size
        options |= {"per_device_train_batch_size": size, "learning_rate": rate}
    average = EMA(model, beta=ours.ema, update_every=1) if ours else None

    def train(clock: Clock) -> None:
        shares = iter(clock)

        class Turn(TrainingCallback):
            def on_train_begin(self, *_: object, **__: object) -> None:
                self.next()

            def on_train_step_end(self, *_: object, **__: object) -> None:
                if average:
                    average.update()
                self.next()

            def next(self) -> None:
                share = next(shares, None)
                if share is None:
                    raise Over
                if ours:
                    follow(trainer.optimizer, rate * ours.rate(share))

        with tempfile.TemporaryDirectory() as folder:
            trainer = BaseTrainer(
                model,
                dataset(x / 255, torch.zeros(len(x))),
                training_config=BaseTrainerConfig(output_dir=folder, **options),
                callbacks=[Turn()],
            )
            try:
                trainer.train()
            except Over:
                pass

    def best() -> VAE:
        return (average.ema_model if average else model).eval()

    def draw(n: int) -> Tensor:
        z = torch.randn(n, model.latent_dim)
        return best().decoder(z)["reconstruction"]

    return Contestant(
        model, size, train, lambda n: in_parts(n, draw), lambda: as_ours(best())
    )


def as_ours(model: VAE) -> vae.VAE:
    """Return pythae's VAE as one of the book's, with the same weights.

    Its decoder ends in a sigmoid, which is left out: what comes before are the logits.
    """

    class Encoder(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            out = model.encoder((x + 1) / 2)  # the book's likelihood made it -1…1
            return torch.cat([out["embedding"], out["log_covariance"]], -1)

    hidden, last = copy.deepcopy(model.decoder.layers)
    decoder = nn.Sequential(*hidden, last[0], nn.Unflatten(-1, SHAPE))
    return vae.VAE(
        Encoder(), decoder, latent=model.latent_dim, likelihood=vae.Bernoulli()
    ).eval()


def mlp(make: type[AE | VAE], latent: int, width: int | None = None) -> AE | VAE:
    """Return a model of pythae's own MLPs, with layers of another width if given."""
    if make is AE:
        model = AE(AEConfig(input_dim=SHAPE, latent_dim=latent))
    else:
        config = VAEConfig(
            input_dim=SHAPE, latent_dim=latent, reconstruction_loss="bce"
        )
        model = VAE(config)
    if width:
        encoder, decoder = model.encoder, model.decoder
        encoder.layers[0][0] = nn.Linear(784, width)
        encoder.embedding = nn.Linear(width, latent)
        if make is VAE:
            encoder.log_var = nn.Linear(width, latent)
        decoder.layers[0][0] = nn.Linear(latent, width)
        decoder.layers[1][0] = nn.Linear(width, 784)
    return model


def convolutional() -> VAE:
    """Return pythae's VAE with the networks of ``vae_conv``.

    The convolutions that pythae proposes for MNIST have 18 million parameters, and one
    step with them takes three seconds.
    """
    ours = RECIPES["vae_conv"]().model

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = ours.encoder

        def forward(self, x: Tensor) -> ModelOutput:
            mu, log_var = self.net(2 * x - 1).chunk(2, -1)
            return ModelOutput(embedding=mu, log_covariance=log_var)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.net = ours.decoder

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.net(z).sigmoid())

    config = VAEConfig(
        input_dim=SHAPE, latent_dim=ours.latent, reconstruction_loss="bce"
    )
    return VAE(config, Encoder(), Decoder())


PEERS: dict[str, Callable[[Tensor], Contestant]] = {
    "diffusers": lambda x: hugging_face(x, ours=False),
    "diffusers, our rate and average": lambda x: hugging_face(x, ours=True),
    "denoising-diffusion-pytorch": lambda x: lucidrains(x, ours=False),
    "denoising-diffusion-pytorch, our rate and average": lambda x: lucidrains(
        x, ours=True
    ),
    "pythae": lambda x: pythae(x, mlp(VAE, 40)),
    "pythae, our size, batch, rate and average": lambda x: pythae(
        x, mlp(VAE, 40, width=793), recipe="vae"
    ),
    "pythae, an autoencoder of our size": lambda x: pythae(
        x, mlp(AE, 16, width=379), dataset=BaseDataset, recipe="autoencoder"
    ),
    "pythae, two latent dimensions, our size": lambda x: pythae(
        x, mlp(VAE, 2, width=381), recipe="vae_plane"
    ),
    "pythae, our convolutions": lambda x: pythae(x, convolutional(), recipe="vae_conv"),
}
