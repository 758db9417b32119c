"""The commands of people who correct their own labels."""
