"""A hook of mkdocs: the site opens without a network, so no page may load a script, style or image from elsewhere."""

import re

from mkdocs.exceptions import PluginError

RESOURCE = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=[\"']?((?:https?:)?//[^\"' >]+)")


def on_post_page(output: str, page, config) -> str:
    """Refuse a page that loads something from another host."""
    if found := RESOURCE.findall(output):
        raise PluginError(f"{page.file.src_uri} loads {found[0]}; put the file into the repository instead")
    return output
