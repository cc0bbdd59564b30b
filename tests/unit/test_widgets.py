"""Widgets in Python: what they hold, how they are shown, what they refuse."""

import base64
import importlib
import io
import subprocess
import sys

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from genbook import widgets
from genbook.widgets import mlp
from tests.widget_samples import QUESTIONS, decoder


def latent_plane(**changed: object) -> widgets.Panel:
    """Return a latent plane, with some of its arguments changed."""
    arguments = {"decoder": decoder(2), "codes": torch.zeros(3, 2), "labels": [0, 5, 9]}
    return widgets.latent_plane(**(arguments | changed))


def interpolation(**changed: object) -> widgets.Panel:
    """Return an interpolation, with some of its arguments changed."""
    arguments = {
        "decoder": decoder(4),
        "codes": torch.randn(3, 4),
        "images": torch.rand(3, 8, 8),
    }
    return widgets.interpolation(**(arguments | changed))


def test_plane_holds_what_it_was_given():
    """Codes come through as they are, and all of them lie on the plane."""
    codes = torch.tensor([[0.5, -4.2], [3.0, 1.0]])
    plane = latent_plane(codes=codes, labels=torch.tensor([1, 2])).children[0]
    assert np.array_equal(
        np.frombuffer(plane.codes, "<f4").reshape(-1, 2), codes.float()
    )
    assert plane.labels == [1, 2]
    assert plane.limit == 4.5
    assert latent_plane(labels=None).children[0].labels == []
    assert latent_plane().children[0].limit == 3  # the prior's own extent


def test_shell_is_where_the_prior_lies():
    """Nine in ten codes of N(0, I) are as long as the shell says."""
    low, typical, high = interpolation().children[0].shell
    z = torch.randn(200_000, 4, generator=torch.Generator().manual_seed(0)).norm(dim=-1)
    assert ((z > low) & (z < high)).float().mean().item() == pytest.approx(
        0.9, abs=0.004
    )
    assert typical == 2


def test_images_are_kept_to_a_shade():
    """They travel as bytes; a channel of one may be there."""
    x = torch.rand(3, 1, 8, 8)
    got = np.frombuffer(interpolation(images=x).children[0].images, "u1")
    assert np.abs(got / 255 - x.flatten().numpy()).max() <= 0.5 / 255 + 1e-7


def test_decoder_keeps_its_numbers():
    """float32 as it is; no bias is a bias of zero; shapes are the browser's affair."""
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(2, 3, bias=False), nn.GELU("tanh"), nn.Linear(3, 4),
        nn.Unflatten(-1, (2, 2)),
    )  # fmt: skip
    traits = mlp.layers(net.double())
    weights = np.frombuffer(traits["weights"], "<f4")
    expected = [net[1].weight, torch.zeros(3), net[3].weight, net[3].bias]
    expected = torch.cat([p.detach().float().flatten() for p in expected])
    assert np.array_equal(weights, expected)
    assert traits["widths"] == [2, 3, 4]
    assert traits["activations"] == ["GELU tanh", "Identity"]


def pixels(png: bytes) -> np.ndarray:
    """Return a PNG as RGBA bytes (H, W, 4)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


@pytest.mark.parametrize("panel", [latent_plane(), interpolation()])
def test_panel_is_shown_with_a_still(panel, monkeypatch):
    """A live view, a picture with its alt text, and the alt text as plain text."""
    shown = []
    monkeypatch.setattr(
        "genbook.widgets.panel.display",
        lambda data, metadata, raw: shown.append((data, metadata)),
    )
    panel._ipython_display_()
    [(data, metadata)] = shown
    assert data["text/plain"] == repr(panel) == panel.alt
    assert metadata == {"image/png": {"alt": panel.alt}}
    view = data["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == panel.model_id
    png = base64.b64decode(data["image/png"])
    image = pixels(png)
    assert len(png) < 25_000
    assert image[..., 3].min() == 0 and image[..., 3].max() == 255
    assert panel.get_state()["_model_name"] == "VBoxModel"


def test_the_same_call_gives_the_same_text_and_picture():
    """A notebook that runs again does not change by itself."""
    one, two = latent_plane(), latent_plane()
    assert repr(one) == repr(two)
    assert one.still == two.still


def test_still_shows_what_the_decoder_says():
    """The still's digit is the decoder's, light where there is ink."""
    dark = nn.Sequential(nn.Linear(2, 64))
    dark[0].bias.data[:], dark[0].weight.data[:] = -9, 0
    light = nn.Sequential(nn.Linear(2, 64))
    light[0].bias.data[:], light[0].weight.data[:] = 9, 0
    mean = [
        pixels(latent_plane(decoder=d).still)[150:250, 450:600, :3].mean()
        for d in (dark, light)
    ]
    assert mean[0] < 60 and mean[1] > 220


def test_quiz_reads_as_text():
    """Where nothing runs, the questions are there without their tags."""
    panel = widgets.quiz(QUESTIONS)
    assert panel.alt == (
        "Quiz. 1. Is a KL of 0 not a perfect posterior? 2. 1 < 2?"
    )  # fmt: skip
    assert panel.children[0].questions[1] == {
        "question": "1 &lt; 2?",
        "answers": [
            {"text": "Yes.", "correct": True, "reason": "By one."},
            {"text": "No.", "correct": False, "reason": "Count again."},
        ],
    }


def relu_at_the_end():
    """Return a decoder whose output is not a logit."""
    return nn.Sequential(nn.Linear(2, 64), nn.ReLU())


BAD_PLANES = {
    "expected an nn.Sequential, got Linear": {"decoder": nn.Linear(2, 64)},
    "got Softplus": {"decoder": nn.Sequential(nn.Linear(2, 64), nn.Softplus())},
    "got ReLU": {"decoder": relu_at_the_end()},
    "got no layer at all": {"decoder": nn.Sequential()},
    "got SiLU": {"decoder": nn.Sequential(nn.SiLU(), nn.Linear(2, 64))},
    "Tanh follows another activation": {
        "decoder": nn.Sequential(
            nn.Linear(2, 8), nn.ReLU(), nn.Tanh(), nn.Linear(8, 64)
        )
    },
    "expects 9 inputs, the one before it gives 8": {
        "decoder": nn.Sequential(nn.Linear(2, 8), nn.Linear(9, 64))
    },
    "expected 2 inputs, for a plane, got 3": {"decoder": decoder(3)},
    "expected (H, W) with H·W = 64, the decoder's output, got (8, 9)": {
        "shape": (8, 9)
    },
    "expected shape (N, 2) as the decoder does, got (3, 3)": {
        "codes": torch.zeros(3, 3)
    },
    "expected shape (N, 2) as the decoder does, got (0, 2)": {
        "codes": torch.zeros(0, 2)
    },
    "codes: expected finite numbers": {"codes": torch.full((3, 2), torch.nan)},
    "one for each of 3 codes, got shape (2,)": {"labels": [1, 2]},
    "whole numbers 0 … 9, got 3 … 10": {"labels": [3, 10, 4]},
    "whole numbers 0 … 9, got 0.5 … 2.0": {"labels": [0.5, 1, 2]},
}


@pytest.mark.parametrize("said", BAD_PLANES)
def test_latent_plane_refuses(said):
    """A sentence says what was expected and what came."""
    with pytest.raises(ValueError) as error:
        latent_plane(**BAD_PLANES[said])
    assert said in str(error.value)


def test_weights_that_are_not_finite_are_refused():
    """A decoder that has diverged draws nothing."""
    net = decoder(2)
    net[0].weight.data[0, 0] = torch.nan
    with pytest.raises(ValueError, match="finite weights"):
        latent_plane(decoder=net)


BAD_INTERPOLATIONS = {
    "expected shape (N, 4) as the decoder does, got (3, 2)": {
        "codes": torch.zeros(3, 2)
    },
    "got (2, 8, 8) for 3 codes": {"images": torch.zeros(2, 8, 8)},
    "got (3, 64) for 3 codes": {"images": torch.zeros(3, 64)},
    "got (1, 8, 8) for 1 codes": {
        "images": torch.zeros(1, 8, 8),
        "codes": torch.zeros(1, 4),
    },
    "expected values 0 … 1, got 0.0 … 16.0": {
        "images": torch.linspace(0, 16, 192).reshape(3, 8, 8)
    },
    "expected values 0 … 1, got nan": {"images": torch.full((3, 8, 8), torch.nan)},
    "H·W = 64, the decoder's output, got (8, 9)": {"images": torch.zeros(3, 8, 9)},
    "names: expected one for each of 3 images, got 2": {"names": ["a", "b"]},
}


@pytest.mark.parametrize("said", BAD_INTERPOLATIONS)
def test_interpolation_refuses(said):
    """A sentence says what was expected and what came."""
    with pytest.raises(ValueError) as error:
        interpolation(**BAD_INTERPOLATIONS[said])
    assert said in str(error.value)


YES, NO = ("Yes", True, "It is so."), ("No", False, "It is not.")
BAD_QUIZZES = {
    "questions: expected at least one, got none": {},
    "question 1: expected one right answer, got 2": {"Why?": [YES, YES]},
    "question 1: expected one right answer, got 0": {"Why?": [NO, NO]},
    "question 1: expected two or more answers, got 1": {"Why?": [YES]},
    "question 1, answer 2: expected (text, bool, reason), got ('No', False)": {
        "Why?": [YES, ("No", False)]
    },
    "question 1, answer 2: expected (text, bool, reason), got ('No', 0, 'x')": {
        "Why?": [YES, ("No", 0, "x")]
    },
    "question 1, answer 2, reason: expected a text, got ' '": {
        "Why?": [YES, ("No", False, " ")]
    },
    "question 2: expected a text, got 3": {"Why?": [YES, NO], 3: [YES, NO]},
    "got <script>": {"<script>alert(1)</script>": [YES, NO]},
    "got <img src=x onerror=y>": {
        "Why?": [("<img src=x onerror=y>", True, "It is so."), NO]
    },
    "got <em onclick=y>": {"Why?": [YES, ("<em onclick=y>a</em>", False, "No.")]},
    "got < 2": {"1 < 2": [YES, NO]},
}


@pytest.mark.parametrize("said", BAD_QUIZZES)
def test_quiz_refuses(said):
    """A sentence names the question and what is wrong with it."""
    with pytest.raises(ValueError) as error:
        widgets.quiz(BAD_QUIZZES[said])
    assert said in str(error.value)


def test_panel_needs_alt_text():
    """A figure without words is not published."""
    with pytest.raises(ValueError, match="alt: expected a sentence"):
        widgets.Panel([ipywidgets.IntSlider()], alt=" ")


def test_the_page_is_built_without_torch():
    """The build reads the list of known widgets; it must not wait for torch."""
    importlib.import_module("genbook.widgets.known")
    code = "import sys, genbook.widgets.known; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
