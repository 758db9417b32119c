"""One offline HTML page of a report, its gallery of questions, and an index over several runs."""
