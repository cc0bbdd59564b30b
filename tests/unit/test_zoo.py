"""zoo: few bytes, and files that are read only when they are whole."""

import math
import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from genbook import zoo
from genbook.recipes import RECIPES


def weights(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scales = torch.tensor([1.0, 1e-3, 50.0, 0.0])[:, None, None, None]
    return {
        "conv.weight": scales * torch.randn(4, 1000, 3, 3, generator=generator),
        "conv.bias": torch.randn(4, generator=generator),
        "linear.weight": torch.randn(50, 700, generator=generator),
        "head.weight": torch.randn(5, 7, generator=generator),
        "norm.scale": torch.randn(5, generator=generator),  # not a scale of pack's
        "schedule": torch.linspace(1, 1e-6, 100),
        "count": torch.tensor(7),
    }


# ------------------------------------------------------------------------ few bytes


@given(st.integers(0, 2**31 - 1))
def test_eight_bits_are_off_by_half_a_step_of_their_row_at_most(seed):
    state = weights(seed)
    packed = zoo.pack(state)
    back = zoo.unpack(packed)
    assert back.keys() == state.keys()
    for name in ("conv.weight", "linear.weight"):
        assert packed[name].dtype == torch.int8 and back[name].dtype == torch.float32
        step = state[name].flatten(1).abs().amax(1) / 127
        off = (back[name] - state[name]).abs().flatten(1).amax(1)
        assert (off <= 0.5001 * step).all()
        assert back[name].shape == state[name].shape


def test_a_small_matrix_is_off_by_the_last_bit_of_half_precision_at_most():
    state = weights()
    packed = zoo.pack(state)
    assert packed["head.weight"].dtype == torch.float16
    back = zoo.unpack(packed)["head.weight"]
    assert back.dtype == torch.float32
    assert torch.allclose(back.double(), state["head.weight"], rtol=2**-11, atol=1e-7)
    assert not torch.equal(back.double(), state["head.weight"])


def test_a_small_kernel_has_eight_bits():
    packed = zoo.pack({"w": torch.randn(4, 3, 3, 3), "v": torch.randn(4, 3, 3)})
    assert packed["w"].dtype == packed["v"].dtype == torch.int8


def test_what_has_one_axis_or_none_is_not_rounded():
    state = weights()
    back = zoo.unpack(zoo.pack(state))
    for name in ("conv.bias", "norm.scale", "schedule"):
        assert torch.equal(back[name], state[name])
    assert back["count"] == 7 and back["count"].dtype == torch.int64


# ------------------------------------------------------------------ files, good and bad


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A zoo with one model, untrained: vae-test."""
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    torch.manual_seed(3)
    state = RECIPES["vae"]().model.float().state_dict()
    path = tmp_path / "vae-test.safetensors"
    zoo.write(path, zoo.pack(state), {"recipe": "vae", "n": 1})
    return path


def test_a_model_is_loaded_as_it_was_stored(shelf):
    torch.manual_seed(3)
    stored = zoo.unpack(zoo.pack(RECIPES["vae"]().model.float().state_dict()))
    before = torch.get_rng_state()
    model = zoo.load("vae-test")
    assert torch.equal(before, torch.get_rng_state()), "the global generator was used"
    assert not model.training
    for name, w in model.state_dict().items():
        assert w.dtype == torch.float32
        assert torch.equal(w, stored[name]), name
    said = zoo.card("vae-test")
    assert (said["name"], said["recipe"], said["n"]) == ("vae-test", "vae", 1)


def test_samples_are_ink_and_their_noise_is_passed_in(shelf, seeded):
    torch.set_default_dtype(torch.float32)
    ink = zoo.sample("vae-test", 3, generator=seeded())
    assert ink.shape == (3, 1, 28, 28) and not ink.requires_grad
    assert ink.min() >= 0 and ink.max() <= 1
    assert torch.equal(ink, zoo.sample("vae-test", 3, generator=seeded()))


def test_a_model_that_cannot_be_written_leaves_the_old_one(shelf, monkeypatch):
    def broken(*given):
        raise OSError("broken")

    before = shelf.read_bytes()
    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="broken"):
        zoo.write(shelf, {"w": torch.zeros(2, 2)}, {"recipe": "vae"})
    assert shelf.read_bytes() == before and zoo.names() == ["vae-test"]


def test_no_samples_are_no_question(shelf):
    with pytest.raises(ValueError, match="n: expected at least 1 sample, got 0"):
        zoo.sample("vae-test", 0)


def test_an_unknown_name_hears_what_there_is(shelf):
    assert zoo.names() == ["vae-test"]
    for ask in (zoo.load, zoo.card):
        with pytest.raises(ValueError, match="expected one of vae-test, got 'cat'"):
            ask("cat")
    with pytest.raises(ValueError, match="expected one of vae-test"):
        zoo.load("../vae-test")


@pytest.mark.parametrize("left", [0, 5, 100, 2000, -1])
def test_a_file_cut_short_is_refused(shelf, left):
    shelf.write_bytes(shelf.read_bytes()[:left])
    with pytest.raises(ValueError, match=r"is no whole safetensors file .* cut short"):
        zoo.load("vae-test")


def test_a_file_of_something_else_is_refused_and_not_unpickled(shelf):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("the file was unpickled",)

    torch.save({"weights": Trap()}, shelf)
    with pytest.raises(ValueError, match="is no whole safetensors file"):
        zoo.load("vae-test")


def test_one_wrong_bit_is_noticed(shelf):
    content = bytearray(shelf.read_bytes())
    content[-1000] ^= 1
    shelf.write_bytes(content)
    with pytest.raises(ValueError, match="weights are not those that its card was"):
        zoo.load("vae-test")


@pytest.mark.parametrize(
    "header", [None, {"card": "{"}, {"card": "[]"}, {"card": "{}"}]
)
def test_weights_without_a_card_are_refused(shelf, header):
    save_file({"w": torch.zeros(2)}, shelf, header)
    with pytest.raises(ValueError, match="expected a model of the zoo, with its card"):
        zoo.card("vae-test")


def test_a_renamed_file_is_refused(shelf):
    shelf.rename(shelf.with_stem("gan-test"))
    with pytest.raises(
        ValueError, match="is the model 'vae-test' under another's name"
    ):
        zoo.load("gan-test")


def test_weights_of_another_network_are_refused(shelf):
    zoo.write(shelf, {"decoder.0.weight": torch.zeros(2, 2)}, {"recipe": "vae"})
    with pytest.raises(
        ValueError, match=r"vae-test: expected weights that fit .*'vae'"
    ):
        zoo.load("vae-test")


def test_a_recipe_of_another_version_is_refused(shelf):
    zoo.write(shelf, {"w": torch.zeros(2, 2)}, {"recipe": "gone"})
    with pytest.raises(ValueError, match=r"a recipe of this version .* got 'gone'"):
        zoo.load("vae-test")


@pytest.mark.parametrize(
    "w",
    [
        torch.full((2, 2), math.nan),
        torch.full((2, 2, 2), math.nan),
        torch.full((2,), math.inf),
        torch.full((2, 2), 1e6),
    ],
)
def test_what_cannot_be_packed_gets_a_sentence(w):
    with pytest.raises(
        ValueError, match="w: expected finite weights, none over 65,504"
    ):
        zoo.pack({"w": w})
