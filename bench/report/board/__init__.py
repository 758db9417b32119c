"""One page over all committed results of a folder, with a chooser."""
