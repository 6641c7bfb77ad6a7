"""A review as one HTML page that needs nothing else: no script, no font, no picture from afar."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from . import words
from .money import HOURS_PER_MONTH
from .plan import Action
from .report import Review


def render(review: Review) -> str:
    """The page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=_seen,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = _prose
    return environment.get_template("page.html").render(
        review=review,
        words=words,
        Action=Action,
        month=HOURS_PER_MONTH,
        top=review.reasons[0] if review.reasons else None,
    )


def _seen(value: object) -> object:
    """What a page shows of a value; markup is made of what is seen already."""
    return words.seen(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _prose(text: str) -> Markup:
    """Text in which what stands between backticks is code."""
    parts = words.seen(text).split("`")
    if len(parts) % 2 == 0:  # an odd backtick is only a backtick
        parts[-2:] = ["`".join(parts[-2:])]
    return Markup().join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )
