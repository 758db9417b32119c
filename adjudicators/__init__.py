"""Rules of adjudication, one a file: what is done with an answer. The registry finds them: see `bench.registry`."""
