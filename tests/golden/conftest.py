"""``--write-golden``: write the digests anew instead of comparing with them."""


def pytest_addoption(parser):
    parser.addoption("--write-golden", action="store_true", help="write tests/golden/digests.json anew")
