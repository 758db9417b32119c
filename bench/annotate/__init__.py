"""A person answers: the desk where questions wait, and the page and contract through which they are answered."""
