"""The settings of a run, besides its strategies, oracles and seeds. The command line is made from these fields."""

from dataclasses import MISSING, Field, dataclass, field, fields

from bench.files import default_cache
from bench.types import InputError

OF_MODEL = ("learner", "preset", "start", "cfg_options")  # settings that only a run with a model reads
MOST_ROUNDS = 1_000_000  # more are a typing error


def option(default, text: str, **more):
    """A field with the help text of its command-line option; ``more``: further arguments of the option."""
    return field(default=default, metadata={"help": text, **more})


@dataclass(frozen=True)
class Settings:
    """A round's ``budget`` is in questions or another unit (`bench.costs.budget`); None is a twentieth of the pool.

    ``cfg_options``: values by dotted key of the preset. ``cache``: the folder of pseudo labels and fits that were made.
    ``reuse``: take fits from there, which a run that is repeated to see how equal runs differ does not.
    """

    dataset: str = option("shapes", "the dataset; parameters in brackets")
    data_root: str | None = option(None, "the dataset's folder")
    foundation: str | None = option(None, "where labels and superpixels come from (shapes: simulated)")
    rounds: int = option(4, "rounds of questions after round 0")
    budget: str | None = option(
        None, "a round's questions, or 600s, 500clicks, 2000bits; default: a twentieth of the pool"
    )
    seconds: str = option("assumed", "of an action: assumed, measured, or a file", metavar="WHICH")
    learner: str | None = option(None, "what is trained and predicts; default: the one that the preset is for")
    preset: str = option("cpu", "of mmseg: smoke, quick, cpu, probe, paper, a2lc, or the path of an mmengine config")
    model: str = option("preset", "preset: train as --learner and --preset say; none: labels only, no training")
    scores: str | None = option(None, "CSV of statistics for --model none")
    start: str = option("cold", "cold (a new network each round) or warm")
    device: str = option("auto", "auto, cpu, cuda, cuda:1")
    cfg_options: dict = field(default_factory=dict)
    cache: str = field(default_factory=default_cache)
    reuse: bool = True

    def __post_init__(self):
        if type(self.rounds) is not int:
            raise InputError(f"--rounds must be a whole number, got {self.rounds!r}")
        if self.rounds < 0:
            raise InputError(f"--rounds must be 0 or more, got {self.rounds}")
        if self.rounds > MOST_ROUNDS:
            raise InputError(f"--rounds must be at most {MOST_ROUNDS:,}, got {self.rounds}")
        for name, known in (("model", ("preset", "none")), ("start", ("cold", "warm"))):
            if getattr(self, name) not in known:
                raise InputError(f"--{name} must be one of {', '.join(known)}; got {getattr(self, name)!r}")
        if self.scores and self.model != "none":
            raise InputError("--scores are statistics for a run without a model: add --model none")
        if self.model == "none" and (useless := [f for f in fields(self) if f.name in OF_MODEL and self._gives(f)]):
            flag = useless[0].name.replace("_", "-")
            raise InputError(f"--{flag} has no effect with --model none: leave one of the two out")

    def _gives(self, of: Field) -> bool:
        """Whether the field has another value than its default."""
        return getattr(self, of.name) != (of.default if of.default_factory is MISSING else of.default_factory())
