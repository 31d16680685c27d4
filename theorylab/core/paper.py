"""Where a theory comes from, and what it claims."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Claim:
    """A named, checkable statement of a paper; `case` names the preset case that shows it."""

    name: str
    statement: str
    case: str = ""


@dataclass(frozen=True)
class Finding:
    """What became of a claim.

    Arguments:
      measured: the number that the claim is about.
      error: its standard error, or numerical error; 0 where it is exact to the digits shown.
      expected: what the claim says of the number, in words.
      holds: None where the number does not decide.
    """

    measured: float
    error: float
    expected: str
    holds: bool | None

    @classmethod
    def judged(cls, agreement: Any, what: str) -> Finding:
        """Of a verdict: the deviation, with its noise, against the margin.

        Arguments:
          agreement: what `comparison.rungs[-1].agreements` holds for an observable.
          what: what is compared, in words.
        """
        words = {"agrees": True, "converges": True, "differs": False}
        return cls(
            agreement.deviation, agreement.noise, f"deviation of {what} within its margin", words.get(agreement.word)
        )

    @property
    def word(self) -> str:
        """holds, fails or undecided."""
        return "undecided" if self.holds is None else "holds" if self.holds else "fails"


@dataclass(frozen=True)
class Paper:
    """A paper: title, authors, year, arXiv identifier, claims."""

    title: str
    authors: tuple[str, ...]
    year: int
    arxiv: str
    claims: tuple[Claim, ...] = ()

    @property
    def url(self) -> str:
        return f"https://arxiv.org/abs/{self.arxiv}"

    @property
    def short(self) -> str:
        """First author (and others), year."""
        surnames = [author.split()[-1] for author in self.authors]
        named = {1: "{0}", 2: "{0} and {1}"}.get(len(surnames), "{0} et al.")
        return f"{named.format(*surnames)} ({self.year})"

    def bibtex(self) -> str:
        """The BibTeX entry."""
        tag = re.sub(r"\W", "", self.authors[0].split()[-1]).lower() + str(self.year)
        return (
            f"@misc{{{tag},\n"
            f"  title         = {{{{{self.title}}}}},\n"
            f"  author        = {{{' and '.join(self.authors)}}},\n"
            f"  year          = {{{self.year}}},\n"
            f"  eprint        = {{{self.arxiv}}},\n"
            f"  archivePrefix = {{arXiv}},\n"
            f"}}"
        )
