"""Figures that move: sliders that live in JupyterLab, in Colab and on the page.

Each is a canvas that computes in the browser, joined there to ipywidgets sliders; no
kernel is asked, so the same figure works on a static page (`hydrate.js`).

=================  =====================================================================
latent_plane       drag a point through a latent plane, see what is decoded there
interpolation      from one digit to another, in a straight line or along a great circle
chain              sixteen digits on their way from noise, and the guesses of their end
critic_and_artist  a classifier and a density, fitted to the same points
gallery            what each family draws, side by side, with its numbers
real_or_generated  a game: whose images are taken for real?
diffusion_live     a diffusion in the plane that trains and samples on the page
elbo_gap           move a guess q; its ELBO and its gap always reach log p(x)
gan_game           a GAN in the plane that trains on the page, on data chosen or drawn
gradient_noise     one gradient estimated two ways, a thousand times each
noise_schedule     a digit drowned in noise by three schedules, and their curves
phase_portrait     the Dirac-GAN by any method: where it goes, and why
score_field        the score of a mixture at any noise; particles that follow it
two_gaussians      move two Gaussians; their entropy, cross-entropy and both KLs
quiz               questions, with a reason for every answer
Panel              a column of widgets that is one figure: alt text and a still picture
=================  =====================================================================
"""

from genbook.widgets.chain import Chain, chain
from genbook.widgets.critic_and_artist import CriticAndArtist, critic_and_artist
from genbook.widgets.diffusion_live import DiffusionLive, diffusion_live
from genbook.widgets.elbo_gap import ElboGap, elbo_gap
from genbook.widgets.gallery import Family, Gallery, gallery
from genbook.widgets.gan_game import GanGame, gan_game
from genbook.widgets.gradient_noise import GradientNoise, gradient_noise
from genbook.widgets.interpolation import Interpolation, interpolation
from genbook.widgets.latent_plane import LatentPlane, latent_plane
from genbook.widgets.noise_schedule import NoiseSchedule, noise_schedule
from genbook.widgets.panel import Panel
from genbook.widgets.phase_portrait import PhasePortrait, phase_portrait
from genbook.widgets.quiz import Quiz, quiz
from genbook.widgets.real_or_generated import RealOrGenerated, real_or_generated
from genbook.widgets.score_field import ScoreField, score_field
from genbook.widgets.two_gaussians import TwoGaussians, two_gaussians

__all__ = [
    "Chain",
    "CriticAndArtist",
    "DiffusionLive",
    "ElboGap",
    "Family",
    "Gallery",
    "GanGame",
    "GradientNoise",
    "Interpolation",
    "LatentPlane",
    "NoiseSchedule",
    "Panel",
    "PhasePortrait",
    "Quiz",
    "RealOrGenerated",
    "ScoreField",
    "TwoGaussians",
    "chain",
    "critic_and_artist",
    "diffusion_live",
    "elbo_gap",
    "gallery",
    "gan_game",
    "gradient_noise",
    "interpolation",
    "latent_plane",
    "noise_schedule",
    "phase_portrait",
    "quiz",
    "real_or_generated",
    "score_field",
    "two_gaussians",
]
