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
    steps, each on `batch` positions drawn with `seed`; the rate falls to 0.  The maps begin as the plain logit lens.
    """
    import torch

    *before, last = streams(lm, rows).flatten(1, 2)  # each (example, width)
    draw = torch.Generator().manual_seed(seed)
    maps = [_fitted(lm, stream, last, (steps, batch, rate), draw) for stream in before]
    return TunedLens(lm, torch.stack(maps))


def read_out(lm, stream):
    """Log-probabilities (..., vocab) of the next token if the model stopped at a stream (..., width): the logit lens.

    Unlike `compare.logit_lens`, it stays in torch and in logarithms, so that gradients pass and no probability is 0.
    """
    norm = lm.model.get_submodule(PARTS["final LayerNorm"][lm.spec.family])
    logits = lm.model.get_output_embeddings()(norm(stream.to(next(norm.parameters()))))
    return logits.float().log_softmax(-1)


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


def _fitted(lm, stream, last, effort, draw):
    """One layer's map (width + 1, width).  stream: what it reads, last: the model's last stream, (example, width)."""
    import torch

    steps, batch, rate = effort
    change = torch.zeros(stream.shape[1] + 1, stream.shape[1], requires_grad=True)
    optimiser = torch.optim.Adam([change], rate)
    decay = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 1e-3, steps)
    for _ in range(steps):
        pick = torch.randint(len(stream), (batch,), generator=draw)
        with torch.no_grad():  # anew for each batch: of all examples it might not fit into memory
            final = read_out(lm, last[pick])
        with torch.enable_grad():
            said = read_out(lm, stream[pick] + _with_one(stream[pick]) @ change)
            loss = (final.exp() * (final - said)).sum(-1).mean()
            (change.grad,) = torch.autograd.grad(loss, change)
        optimiser.step()
        decay.step()
    return change.detach()


def _with_one(stream):
    """A 1 behind each vector, for the bias: (..., width) -> (..., width + 1)."""
    return stream.new_ones(*stream.shape[:-1], stream.shape[-1] + 1).slice_scatter(stream, -1, 0, stream.shape[-1])


def _copied(out):
    stream = out[0] if isinstance(out, tuple) else out
    return stream.detach().float().cpu().clone()
