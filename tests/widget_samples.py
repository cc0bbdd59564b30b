"""A decoder and a quiz to try the widgets with, in Python and in the browser."""

import torch
from torch import nn

QUESTIONS = [
    {
        "question": "Is a KL of 0 <em>not</em> a perfect posterior?",
        "answers": [
            {"text": "It is.", "correct": False, "reason": "It is <em>the prior</em>."},
            {"text": "Right: σ² = 1.", "correct": True, "reason": "The code is noise."},
            {"text": "Both.", "correct": False, "reason": "One of them, at most."},
        ],
    },
    {
        "question": "1 &lt; 2?",
        "answers": [
            {"text": "Yes.", "correct": True, "reason": "By one."},
            {"text": "No.", "correct": False, "reason": "Count again."},
        ],
    },
]


def decoder(k: int, pixels: int = 64) -> nn.Sequential:
    """Return a decoder with large random weights, so that its images differ."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(k, 32), nn.SiLU(), nn.Linear(32, pixels))
    for p in net.parameters():
        p.data *= 4
    return net
