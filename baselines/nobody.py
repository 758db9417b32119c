"""The control that asks nothing: the labels, and the model, as they are without anybody's help."""

import numpy as np

from bench.acquisition import Strategy
from bench.types import InputError, Query


class Nobody(Strategy):
    """Nobody: asks nothing, in any round; every answer to another strategy must be worth more than this."""

    source = "a control of this suite: wrong answers may leave labels worse than they were"
    may_stop = True

    def acquire(self, pool, budget, rng):
        if budget < 0:
            raise InputError(f"the budget must be 0 or more questions, got {budget}")
        return Query(np.zeros(0, np.int64), self.question)
