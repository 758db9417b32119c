"""Who is asked what: questions are offered to one person at a time, and second opinions to another one."""

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bench import seeds
from bench.annotate.answers import Asked

KEPT = 64  # questions that may still be answered, and their pictures asked for
HELD_S = 120.0  # a question that somebody has had for longer is offered to others, too
AWAY_S = 120.0  # who was not heard of for longer is not waited for
GAP = 10  # answers before somebody is asked one of his own questions again


class Offers:
    """The question that the loop waits for, those that come after it, and who has which.

    ``lines``: the answers so far, by question. ``repeat_share``: of the questions, asked twice to see how far people
    agree.
    """

    def __init__(self, lines: Mapping[str, dict[str, Any]], repeat_share: float):
        self.lines, self.repeat_share = lines, repeat_share
        self.waiting: Asked | None = None
        self.kept: OrderedDict[str, Asked] = OrderedDict()
        self.seen: dict[str | None, float] = {}  # people, and when they were heard of
        self._held: dict[str, tuple[str | None, float]] = {}  # by question: who has it, and since when
        self._skipped: dict[tuple[str | None, str], None] = {}
        self._repeats: dict[str, Asked] = {}
        self.expect(iter(()))

    def expect(self, coming: Iterator[Asked]) -> None:
        """``coming``: the questions after that which waits, if none is asked again."""
        self._coming = coming
        self._pulled: list[Asked] = []

    def clear(self) -> None:
        """A round is over: its questions wait no more."""
        for kept in (self.kept, self._held, self._skipped, self._repeats):
            kept.clear()
        self.expect(iter(()))

    def keep(self, asked: Asked) -> Asked:
        self.kept[asked.id] = asked
        if len(self.kept) > KEPT:
            del self.kept[next(id for id in self.kept if id not in self._held)]
        return asked

    def hold(self, asked: Asked, who: str | None) -> None:
        """This person has the question, and no other."""
        self._held = {id: (holder, since) for id, (holder, since) in self._held.items() if holder != who}
        self._held[asked.id] = who, time.monotonic()

    def skip(self, asked: Asked, who: str | None) -> None:
        """Offer the question to somebody else, or to this person after all others."""
        self._held.pop(asked.id, None)
        self._skipped[who, asked.id] = None

    def answered(self, id: str) -> None:
        self._held.pop(id, None)
        self._repeats.pop(id, None)

    def repeat(self, asked: Asked) -> None:
        """Offer a question a second time, if it is one of those that are repeated."""
        again = replace(asked, person=0)
        is_drawn = asked.person == 1 and seeds.integer(0, "repeat", asked.id) < self.repeat_share * 2**64
        if is_drawn and again.id not in self.lines:
            self._repeats[again.id] = again

    def next(self, who: str | None, but: str | None = None) -> Asked | None:
        """The most urgent question that this person may be asked, apart from ``but``; one that he skipped, if there is
        no other. While the loop is at work there is none, for what comes depends on it."""
        if self.waiting is None:
            return None
        skipped = []
        for asked in self._all():
            if asked.id not in self.lines and asked.id != but and self._is_free(asked, who):
                if (who, asked.id) not in self._skipped:
                    return self.keep(asked)
                skipped.append(asked)
        if not skipped:
            return None
        order = list(self._skipped)
        return self.keep(min(skipped, key=lambda asked: order.index((who, asked.id))))

    def _all(self) -> Iterator[Asked]:
        yield from list(self._repeats.values())
        if self.waiting is not None:
            yield self.waiting
        yield from self._pulled
        for coming in self._coming:
            self._pulled.append(coming)
            yield coming

    def _is_free(self, asked: Asked, who: str | None) -> bool:
        """Whether nobody else has the question, and this person has not answered about its superpixel, unless there is
        nobody else."""
        now = time.monotonic()
        holder, since = self._held.get(asked.id, (who, now))
        if holder != who and now - since < HELD_S:
            return False
        if asked.person == 1:
            return True
        said = {line["annotator"] for line in self.lines.values() if (line["image"], line["superpixel"]) == asked.place}
        if who not in said:
            return True
        if any(now - seen < AWAY_S for other, seen in self.seen.items() if other not in said):
            return False
        answered = list(self.lines)
        return asked.person > 1 or len(answered) - answered.index(replace(asked, person=1).id) > GAP
