"""``alc-bench rank``: what to check first, as a list for other tools; ``annotate --answers`` takes the answers back."""

from pathlib import Path

from bench import files, registry
from bench.annotate import lists, pictures
from bench.annotate.answers import Asked
from bench.annotate.desk import CHANCES, Desk
from bench.commands import progress
from bench.commands.people import serving
from bench.commands.run import add_settings, settings_of
from bench.datasets import coverage
from bench.experiment.cell import acquire
from bench.experiment.problem import Setup
from bench.experiment.ranking import first_pool
from bench.types import InputError, Question

SETTINGS = ("dataset", "data_root", "foundation", "budget", "learner", "preset", "model", "scores", "device")
EXAMPLES = (
    "alc-bench rank --strategy cil_pixel --out list",
    'alc-bench rank --dataset "folder[name=streets]" --data-root streets --foundation "files[root=labels]" '
    "--model none --strategy area --budget 200 --out list",
)


def add_arguments(parser) -> None:
    parser.add_argument("--strategy", default="cil_pixel", help="ranks the superpixels")
    parser.add_argument("--seed", type=int, default=0)
    add_settings(parser, SETTINGS)
    parser.add_argument("--strict", action="store_true", help="refuse a dataset of which images are missing")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="of the list")
    parser.add_argument("--no-crops", action="store_true", help="write no pictures; the images need not be there")


def main(args) -> int:
    strategy, settings = registry.load_strategy(args.strategy).strategy, settings_of(args)
    if strategy.reads_truth:
        raise InputError(f"{args.strategy} reads the truth, which no list may")
    with serving.answering(Desk(1), CHANCES if settings.model != "none" else ()), progress.bar() as bar:
        setup = Setup.of(settings)
        coverage.tell(setup.dataset, args.strict)
        bar.begin("making and reading labels", 2 * len(setup.dataset.names("train")))
        problem = setup.read(bar.step)
        table, pool = first_pool(setup, problem, args.strategy, "person", args.out, args.seed, bar.step)
    query = acquire(strategy, pool, problem, args.seed)
    score = strategy.ranking(pool, query)[query.rows]
    chosen, rows = table.take(query.rows), []
    for k, (image, superpixel) in enumerate(zip(chosen.image.tolist(), chosen.superpixel.tolist(), strict=True)):
        where, labels = problem.pseudo.region(image, superpixel), problem.pseudo.labels(image)
        at = int(chosen.row[k]), int(chosen.column[k])
        shown = labels.ravel()[where.pixels]
        question = Question(query.kind, image, superpixel, *at, int(labels[at]), shown, k, problem.n_classes)
        chances = chosen.probability_sum[k] / where.size if settings.model != "none" else None
        asked = Asked(question, problem.names[image], where, labels.shape, labels, 1, chances)
        crop = "" if args.no_crops else f"crops/{k:06d}.jpg"
        if crop:
            files.write_bytes(args.out / crop, pictures.crop(asked, problem.image(image)))
        rows.append(lists.row(asked, problem.classes, float(score[k]), crop))
    lists.write(args.out, rows, problem.classes)
    print(f"{len(rows)} questions in {args.out / 'rank.csv'} and rank.json; fill the columns action and label")
    return 0
