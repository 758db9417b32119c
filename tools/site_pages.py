"""Put the pages of the documentation site together; mkdocs runs this through mkdocs-gen-files (mkdocs.yml).

The site has the same folders as the repository, so that links between Markdown files hold in both. Files that a page
links to come along.
"""

import re
import sys
from pathlib import Path
from urllib.parse import unquote

import mkdocs_gen_files

REPOSITORY = Path(__file__).parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tools")]

import reference  # noqa: E402 - found once the folder is on the path

WRITTEN = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md", "results/**/*.md")


def linked_files(page: Path) -> set[Path]:
    """Files of the repository, other than Markdown, that a page links to or shows."""
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    paths = {(page.parent / unquote(target)).resolve() for target in targets if "://" not in target}
    return {path for path in paths if path.is_file() and path.suffix != ".md" and path.is_relative_to(REPOSITORY)}


def add(path: Path) -> None:
    with mkdocs_gen_files.open(path.relative_to(REPOSITORY).as_posix(), "wb") as file:
        file.write(path.read_bytes())


written = sorted({path for pattern in WRITTEN for path in REPOSITORY.glob(pattern)})
for path in sorted({*written, *(file for page in written for file in linked_files(page))}):
    add(path)
for name, text in reference.pages().items():
    with mkdocs_gen_files.open(f"reference/{name}", "w") as file:
        file.write(text)
