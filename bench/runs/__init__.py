"""All that the folder of a run says: `bench.experiment` writes it; report, export, merge, pack and info read it."""
