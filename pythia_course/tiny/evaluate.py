"""What is measured of a tiny model in training: loss by source on documents it never sees, and its heads' scores."""

from functools import lru_cache

import torch

from pythia_course.measures import best_head, induction_scores, previous_token_scores, repeated_random_tokens

from .corpus import END_OF_TEXT, SEED, SOURCE_NAMES, encode, held_out
from .dice import Dice
from .sources import weather
from .words import PLANTED

DOCUMENTS = 32


@torch.no_grad()
def evaluate(model, seed=SEED):
    """Losses (nats per token) by source and, of planted sentences, by how often planted; best heads' scores."""
    training, device = model.training, next(model.parameters()).device
    model.eval()
    row = {f"loss_{name}": document_loss(model, ids.to(device)) for name, ids in evaluation_documents(seed).items()}
    attention = probe_attention(model)
    row["previous_token"] = best_head(previous_token_scores(attention).mean(0))[2]
    row["induction"] = best_head(induction_scores(attention, period=32).mean(0))[2]
    model.train(training)
    return row


def probe_attention(model, seed=0):
    """Attention on 16 rows of 32 random tokens and the same 32 again: (row, layer, head, 64, 64), as a numpy array."""
    device = next(model.parameters()).device
    ids = torch.from_numpy(repeated_random_tokens(model.config.vocab_size, seed=seed)).to(device)
    with torch.no_grad():
        maps = model(input_ids=ids, output_attentions=True, use_cache=False).attentions
    return torch.stack(maps, 1).float().cpu().numpy()


def document_loss(model, ids):
    """Mean loss (nats) of the tokens of padded documents, ids (document, position); padding, -1, does not count.

    Documents of like length are read together, so that the model computes little of the padding.
    """
    ids, total = ids[(ids >= 0).sum(1).argsort()], 0
    for part in ids.split(16):
        part = part[:, : (part >= 0).sum(1).max()]
        logits = model(input_ids=part.clamp(min=0)[:, :-1], use_cache=False).logits.float().flatten(0, 1)
        targets = part[:, 1:].flatten()
        total += torch.nn.functional.cross_entropy(logits, targets, ignore_index=-1, reduction="sum").item()
    return total / (ids[:, 1:] >= 0).sum().item()


@lru_cache(maxsize=2)
def evaluation_documents(seed=SEED):
    """The texts behind the log: 32 held-out documents a source (weather: fresh draws), and the planted sentences.

    Each follows an `<|endoftext|>`, as documents do in training.
    """
    dice = Dice("weather evaluation", seed)
    texts = {"weather": [weather(dice) for _ in range(DOCUMENTS)]}
    for source in SOURCE_NAMES[:-1]:
        if source != "weather":
            texts[source] = [document.text for document in held_out(source, DOCUMENTS, seed)]
    texts = {name: texts[name] for name in SOURCE_NAMES[:-1]}
    texts |= {f"planted_{count}": sentences for count, sentences in PLANTED.items()}
    return {name: padded([[END_OF_TEXT, *encode(text)] for text in group]) for name, group in texts.items()}


def padded(rows):
    """Token rows of different lengths as one tensor (row, position), filled with -1, at most 128 + 1 long."""
    length = min(129, max(map(len, rows)))
    return torch.tensor([(row + [-1] * length)[:length] for row in rows])
