"""The prompts of a detector: phrases, the class of each, and the class of each token of the text."""

from pathlib import Path

import numpy as np

from bench.datasets import Dataset
from bench.datasets.names import composed
from bench.files import read_text
from bench.types import InputError

FOLDER = Path(__file__).with_name("prompts")

Phrases = list[tuple[str, int]]  # phrase in lower case, class id


def phrases(dataset: Dataset, text: str | None = None) -> Phrases:
    """The phrases to look for in ``dataset``, by class.

    ``text``: a line a class, ``class name: phrase, another phrase``; # begins a comment. None: the file in prompts/
    that is named after the dataset, else the class names but the background's. Raises InputError for unusable text.
    """
    path = FOLDER / f"{type(dataset).__name__.lower()}.txt"
    if text is None and path.is_file():
        text = read_text(path)
    if text is None:
        return [(name.lower(), i) for i, name in enumerate(dataset.classes) if i != dataset.background]
    found, seen = [], set()
    for number, line in enumerate(composed(text).splitlines(), 1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        name, colon, rest = line.partition(":")
        words = [" ".join(phrase.split()).lower() for phrase in rest.split(",")]
        if not colon or not all(words) or "." in rest:
            raise InputError(f"prompts, line {number}: expected 'class: phrase, phrase' without dots, got {line!r}")
        if name.strip() not in dataset.classes or name in seen:
            raise InputError(
                f"prompts, line {number}: expected each class once, of {', '.join(dataset.classes)}; got {name!r}"
            )
        seen.add(name)
        found += [(phrase, dataset.classes.index(name.strip())) for phrase in words]
    if not found:
        raise InputError("prompts: there is no 'class: phrase' line")
    return found


def encode(asked: Phrases, tokenizer, n_most: int) -> tuple[dict, np.ndarray]:
    """The detector's text, as its tokenizer encodes it, and the class of each token (n_tokens,) int64; -1 for none.

    Tokens belong to the phrase that their characters come from, by the tokenizer's own offsets, so that phrases may
    share words. Raises InputError for a tokenizer without offsets and for a text of more than ``n_most`` tokens.
    """
    if not tokenizer.is_fast:
        raise InputError("the detector's tokenizer gives no character offsets; use its fast version (tokenizer.json)")
    text, owner = "", []
    for phrase, class_id in asked:
        owner += [class_id] * len(phrase) + [-1, -1]
        text += f"{phrase}. "
    encoded = tokenizer(text.strip(), return_offsets_mapping=True, return_tensors="pt")
    offsets = encoded.pop("offset_mapping")[0].tolist()
    if len(offsets) > n_most:
        raise InputError(f"the prompt has {len(offsets)} tokens, the detector takes {n_most}; use fewer phrases")
    classes = np.array([owner[start] if end > start else -1 for start, end in offsets])
    missing = {class_id for _, class_id in asked} - set(classes.tolist())
    if missing:
        raise InputError(f"the detector's tokenizer knows no token of the classes {sorted(missing)}; change the prompt")
    return dict(encoded), classes
