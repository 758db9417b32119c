"""The benchmarks use the tests' helpers, their folder of real data and a cache of their own."""

from places import no_cache_of_the_user, real_data

__all__ = ["no_cache_of_the_user", "real_data"]  # fixtures
