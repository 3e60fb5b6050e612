"""The layout that all pages share: one HTML file without any dependency.

All text is escaped by jinja2. A Content-Security-Policy in the page forbids scripts and every request, so that
opening a page can neither run what a dataset calls its classes nor tell anybody that it was opened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sweep.report.chart import Chart, Images
from sweep.report.section import Section

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["render_document", "render_layout"]


def render_document(
    *,
    title: str,
    lead: str,
    notes: Sequence[str],
    sections: Sequence[Section],
    images: Mapping[str, Images],
    files: str,
) -> str:
    """The HTML of a page of sections.

    title, lead: of the page.
    notes: paragraphs above the sections.
    sections, images: as `render_layout` takes them.
    files: a sentence on the files beside the page.
    """
    return render_layout("document", sections, images, title=title, lead=lead, notes=notes, files=files)


def render_layout(template: str, sections: Sequence[Section], images: Mapping[str, Images], **values: Any) -> str:
    """The HTML of a page.

    template: name of the file that fills the layout in, by `values`.
    sections: in their order; those without content are left out.
    images: the drawn figure of every chart in the sections, by name.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def figure(chart: Chart) -> Markup:
        # The only text that jinja2 does not escape: matplotlib has escaped it, or drawn it as outlines.
        return Markup(images[chart.name].svg)  # noqa: S704

    environment = Environment(
        loader=PackageLoader("sweep.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["with_code"] = _with_code
    environment.filters["with_gap"] = _with_gap
    environment.filters["with_breaks"] = _with_breaks
    filled = [section for section in sections if not section.empty]
    return environment.get_template(f"{template}.html.j2").render(sections=filled, figure=figure, **values)


def _with_gap(cell: str) -> Markup:
    """The escaped number, which may be broken into two lines before the interval in brackets behind it."""
    from markupsafe import Markup, escape

    number, _, interval = cell.partition(" (")
    if " to " not in interval:
        return escape(cell)
    return escape(number) + Markup('<span class="gap"> </span>') + escape(f"({interval}")


def _with_breaks(text: str) -> Markup:
    """The escaped text, which may be broken before the value of a compared field, and not only inside of it."""
    from markupsafe import Markup, escape

    return Markup("=<wbr>").join(map(escape, text.split("=")))


def _with_code(text: str) -> Markup:
    """The escaped text, with the parts between backticks as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704
