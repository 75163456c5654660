"""A lens that learns each layer's language: an affine map for each layer, fitted to the model's own final prediction.

    lens = tuned_lens(lm, rows)                  rows of token ids to learn from: (row, position)
    lens.log_probabilities(1, stream)            what the stream after one layer says of the next token

Source: Belrose et al. 2023, "Eliciting latent predictions from Transformers with the tuned lens".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pythia_course.inside.anatomy import FAMILIES
from pythia_course.inside.module_paths import PARTS
from pythia_course.inside.recording import hooks, run_quietly

if TYPE_CHECKING:
    import torch

    from pythia_course.inside.tracing import LanguageModel


@dataclass(frozen=True, eq=False)
class TunedLens:
    """One affine map for each number of layers read: `maps` (layers, width + 1, width), the last row the bias."""

    lm: LanguageModel
    maps: torch.Tensor

    def log_probabilities(self, layers: int, stream):
        """Of the next token (..., vocab), from the stream (..., width) after so many layers; 0: the embedding."""
        if not 0 <= layers <= len(self.maps):
            raise ValueError(f"This lens reads after 0 to {len(self.maps)} layers, not after {layers}.")
        if layers < len(self.maps):
            stream = stream + _with_one(stream) @ self.maps[layers]
        return read_out(self.lm, stream)


def tuned_lens(lm, rows, *, steps: int = 60, batch: int = 512, rate: float = 5e-3, seed: int = 0) -> TunedLens:
    """Fit a lens to a model that stays as it is: Adam on the KL divergence from its final prediction.

    rows: token ids (row, position), all of one length, of texts on which the lens is not judged afterwards.
    steps, each on `batch` positions drawn with `seed`, for all layers the same; the rate falls to 0.  The maps begin as
    the plain logit lens.
    """
    import torch

    *before, last = streams(lm, rows).flatten(1, 2)  # each (example, width)
    width, draw = last.shape[1], torch.Generator().manual_seed(seed)
    maps = [torch.zeros(width + 1, width, requires_grad=True) for _ in before]
    optimiser = torch.optim.Adam(maps, rate)
    decay = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 1e-3, steps)
    for _ in range(steps):
        pick = torch.randint(len(last), (batch,), generator=draw)
        with torch.no_grad():  # anew for each batch: of all examples it might not fit into memory
            final = _logits(lm, last[pick]).softmax(-1)
        for change, stream in zip(maps, before):
            change.grad = _slope(lm, change, stream[pick], final)
        optimiser.step()
        decay.step()
    return TunedLens(lm, torch.stack(maps).detach())


def read_out(lm, stream):
    """Log-probabilities (..., vocab) of the next token if the model stopped at a stream (..., width): the logit lens.

    Unlike `compare.logit_lens`, it stays in torch and in logarithms, so that gradients pass and no probability is 0.
    """
    return _logits(lm, stream).log_softmax(-1)


def streams(lm, rows):
    """The residual stream of many prompts of one length at once: (layer + 1, row, position, width), on the CPU.

    rows: token ids (row, position).  A shorter prompt may be filled up behind its end: no position reads a later one.
    """
    import torch

    caught = []
    layers = lm.model.get_submodule(FAMILIES[lm.spec.family].layers)
    places = [(layers[0].register_forward_pre_hook, lambda module, args: caught.append(_copied(args[0])))]
    for layer in layers:
        places.append((layer.register_forward_hook, lambda module, args, out: caught.append(_copied(out))))
    ids = torch.as_tensor(rows)
    if ids.ndim != 2 or not 0 < ids.shape[1] <= lm.spec.context:
        raise ValueError(
            f"streams reads rows of token ids, (row, position), of up to {lm.spec.context} tokens; shape "
            f"{tuple(ids.shape)} came."
        )
    with hooks(places):
        run_quietly(lm.model, lambda: lm.model(ids.to(lm.input_device), use_cache=False, logits_to_keep=1))
    return torch.stack(caught)


def _logits(lm, stream):
    """What the model would say, (..., vocab) float32, if it stopped at a stream (..., width)."""
    norm = lm.model.get_submodule(PARTS["final LayerNorm"][lm.spec.family])
    return lm.model.get_output_embeddings()(norm(stream.to(next(norm.parameters())))).float()


def _slope(lm, change, stream, final):
    """The gradient, by one layer's map, of the mean KL divergence from `final`, probabilities (example, vocab).

    By the logits of the lens it is known without one more pass: the lens's probabilities minus the final ones.
    """
    import torch

    with torch.enable_grad():
        logits = _logits(lm, stream + _with_one(stream) @ change)
    by_logits = (logits.detach().softmax(-1) - final) / len(stream)
    return torch.autograd.grad(logits, change, by_logits)[0]


def _with_one(stream):
    """A 1 behind each vector, for the bias: (..., width) -> (..., width + 1)."""
    return stream.new_ones(*stream.shape[:-1], stream.shape[-1] + 1).slice_scatter(stream, -1, 0, stream.shape[-1])


def _copied(out):
    stream = out[0] if isinstance(out, tuple) else out
    return stream.detach().float().cpu().clone()
