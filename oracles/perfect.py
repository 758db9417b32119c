from bench.annotation import Oracle, reply, true_classes
from bench.types import VOID, Answer, InputError

CHOICES = {"gate": ("pixel", "superpixel"), "answer": ("representative", "dominant"), "void": ("keep", "void")}


class Perfect(Oracle):
    """Noise-free; gate=superpixel and answer=dominant are leaky: they read the whole superpixel for one click.

    ``gate`` and ``answer`` concern correction questions. ``gate=pixel``: the person compares the label shown at the
    representative pixel with the answer, and confirms when they are equal. ``gate=superpixel``: the papers' rule. The
    person confirms when more than half of the superpixel's labels equal the truth (pixels of void truth stay in the
    denominator), and gives the answer otherwise. ``answer=representative``: the truth at the representative pixel;
    ``answer=dominant``: the modal truth of the superpixel, void included (tie: lowest class).

    ``void``: the effect of an answer without a class. ``keep``, the default, leaves the labels as they are: "this pixel
    is none of the classes" says nothing on the rest of the superpixel, and nobody pays for an answer to delete labels.
    ``void`` writes 255 over the superpixel, as both released codes do.

    Sources: Kim et al., ICML 2024 (representative answer); Jeon et al., AAAI 2026 (dominant answer).
    """

    def __init__(self, gate="pixel", answer="representative", void="keep"):
        for name, value in (("gate", gate), ("answer", answer), ("void", void)):
            if value not in CHOICES[name]:
                raise InputError(f"{name} must be one of {', '.join(CHOICES[name])}; got {value!r}")
        self.gate, self.dominant = gate, answer == "dominant"
        self.void = (VOID,) if void == "void" else ()
        self.leaky = gate == "superpixel" or self.dominant

    def answer(self, question, truth, rng):
        seen = true_classes(question, truth, self.dominant and question.kind == "correction")
        if self.gate == "pixel" or question.kind != "correction":
            return reply(question, seen, self.void)
        if (question.labels == truth.region).mean() > 0.5:
            return Answer((), ("confirm",))
        return Answer(self.void, ("void",)) if seen == (VOID,) else Answer(seen, ("correct",))
