"""Review the whole corpus and print a line for each pull request."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from .bad import BAD
from .harmless import HARMLESS
from .worlds import Worlds


def main() -> None:
    wrong, longest, total = 0, 0, 0.0
    with tempfile.TemporaryDirectory(prefix="openrelay-corpus-") as name, Worlds(Path(name)) as w:
        for request in (*BAD, *HARMLESS):
            if not all(word in request.title for word in sys.argv[1:]):
                continue
            outcome = w.review(request)
            right = outcome.top == (request.verdict, request.rule, request.resource)
            wrong += not right
            longest, total = max(longest, outcome.lines), total + outcome.seconds
            verdict, rule, resource = outcome.top
            said = f"{verdict:6}{outcome.lines:3} lines {outcome.seconds:5.1f} s  {request.title}"
            print(f"{' ' if right else '!'} {said}: {rule or 'nothing'} {resource}", flush=True)
            if not right:
                print(outcome.comment)
    print(f"corpus: longest comment {longest} lines, {total:.0f} s, {wrong} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
