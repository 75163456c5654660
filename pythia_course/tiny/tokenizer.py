"""The course's tokenizer: byte-level BPE with 1,024 entries, trained on the Tiny Pile."""

from .corpus import END_OF_TEXT, SEED, TOKENIZER_FOLDER, training_document
from .dice import Dice

VOCABULARY = 1024
SPECIAL = ["<|endoftext|>", "<|padding|>"]  # ids 0 and 1, as in Pythia's tokenizer


def train_tokenizer(documents=20_000, seed=SEED):
    """A `tokenizers.Tokenizer` trained on documents of the corpus; the same every time."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    dice = Dice("tokenizer", seed)
    tokenizer.train_from_iterator((training_document(dice).text for _ in range(documents)), trainer)
    return tokenizer


def save_tokenizer(folder=TOKENIZER_FOLDER):
    """Train and save as an ordinary tokenizer folder of `transformers`."""
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer(),
        bos_token=SPECIAL[END_OF_TEXT],
        eos_token=SPECIAL[END_OF_TEXT],
        unk_token=SPECIAL[END_OF_TEXT],
        pad_token=SPECIAL[1],
        model_max_length=512,
    )
    fast.save_pretrained(folder)
