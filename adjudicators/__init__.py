"""Rules of adjudication, one a file: the effect of an answer on the label. The registry finds them: see
`bench.registry`."""
