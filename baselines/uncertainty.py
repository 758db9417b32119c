"""The model's uncertainty, independent of the current label."""

from bench.acquisition import Strategy


class Entropy(Strategy):
    """Entropy: mean over the superpixel of -Σ p ln p."""

    needs = ("entropy_sum",)
    source = "Shannon, 1948; for superpixels: Siddiqui et al. (ViewAL), CVPR 2020"

    def score(self, pool):
        c = pool.candidates
        return c.entropy_sum / c.size


class Confidence(Strategy):
    """Least confidence: mean over the superpixel of 1 - max p."""

    needs = ("top1_sum",)
    source = "Lewis and Gale, SIGIR 1994; for superpixels: Wu et al. (ReDAL), ICCV 2021"

    def score(self, pool):
        c = pool.candidates
        return 1 - c.top1_sum / c.size


class Margin(Strategy):
    """Margin: mean over the superpixel of 1 - (best - second best)."""

    needs = ("top1_sum", "top2_sum")
    source = "Scheffer et al., IDA 2001; for superpixels: Wu et al. (ReDAL), ICCV 2021"

    def score(self, pool):
        c = pool.candidates
        return 1 - (c.top1_sum - c.top2_sum) / c.size


class Bvsb(Strategy):
    """Best versus second best: mean over the superpixel of p2/p1, of logits divided by ``temperature``."""

    needs = ("ratio_sum",)
    source = "Joshi et al., CVPR 2009; for superpixels: Cai et al., CVPR 2021; temperature: Hwang et al., NeurIPS 2023"

    def __init__(self, temperature=1.0):
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, got {temperature}")
        if temperature != 1:
            self.needs = (f"tempered_ratio_sum[temperature={temperature}]",)

    def score(self, pool):
        c = pool.candidates
        return getattr(c, self.needs[0]) / c.size
