"""``alc-bench list``: every plug-in, with a caption and its needs."""

import json

from rich.console import Console

from bench import registry

EXAMPLES = (
    "alc-bench list",
    "alc-bench list --json",
)


def add_arguments(parser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def main(args) -> int:
    described = {kind: registry.describe(kind) for kind in registry.KINDS}
    if args.json:
        print(json.dumps(described, indent=2))
        return 0
    console = Console(soft_wrap=True, highlight=False)
    for kind, entries in described.items():
        console.print(f"[bold]{kind}[/bold]")
        for entry in entries:
            parameters = f"[{','.join(entry['parameters'])}]" if entry["parameters"] else ""
            console.print(
                f"  {entry['name']}{parameters}", style="red" if entry.get("broken") else "cyan", markup=False, end=""
            )
            console.print(f"  {entry['caption']}", markup=False)
            if notes := _notes(entry):
                console.print(f"      {notes}", style="dim", markup=False)
    return 0


def _notes(entry: dict) -> str:
    notes = [
        f"asks: {entry['question']}" if "question" in entry else "",
        f"needs: {', '.join(entry['needs'])}" if entry.get("needs") else "",
        f"source: {entry['source']}" if entry.get("source") else "",
        f"answers: {', '.join(entry['kinds'])}" if entry.get("kinds") else "",
        "reads the truth: a reference line, never ranked" if entry.get("reads_truth") else "",
        "leaky: reads more truth than its price covers" if entry.get("leaky") else "",
        "broken: does not import" if entry.get("broken") else "",
    ]
    return "; ".join(note for note in notes if note)
