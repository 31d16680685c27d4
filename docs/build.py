"""Builds what is generated of the documentation, and checks all of it.

    python docs/build.py            write docs/api from the docstrings, check links and citations
    python docs/build.py --check    the same without writing: fails where docs/api is stale

Reads sources only: nothing of theorylab is imported, so that it runs anywhere in a second.
"""

from __future__ import annotations

import argparse
import ast
import functools
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
API = Path("docs/api")
WIDTH = 120
FENCE = re.compile(r"^(```|~~~).*?^\1\s*?$", re.DOTALL | re.MULTILINE)
PACKAGES = {
    "theorylab": "what `import theorylab as tl` offers: predict, simulate, sweep, converge, optimize, load",
    "theorylab.compare": "verdicts: comparing, sweeping, options, results",
    "theorylab.core": "the interface that a system speaks",
    "theorylab.fit": "couplings and laws from measured curves",
    "theorylab.plan": "what a theory advises before anything is trained",
    "theorylab.solvers": "what theories are solved with",
    "theorylab.networks": "what simulations are made of",
    "theorylab.data": "data sets and spectra, for both sides",
}
"""Packages of the reference, with what they are for. A package with `__all__` shows those names, another one all public
names of its modules."""


@dataclass(frozen=True)
class Entry:
    """A public name: where it is defined, and the statement that defines it (with the string below a constant)."""

    name: str
    module: str
    node: ast.stmt
    source: str
    doc: str


# -- sources -------------------------------------------------------------------------------------------------


def path_of(module: str, root: Path = ROOT) -> Path | None:
    """File of a module or package; None where there is none."""
    base = root.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()), None)


def exported(tree: ast.Module) -> list[str] | None:
    """`__all__`, in its order; None where there is none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return list(ast.literal_eval(node.value))
    return None


@functools.cache
def imported(path: Path) -> dict[str, tuple[str, str]]:
    """Home and name there of everything that a file imports by `from`."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                found[alias.asname or alias.name] = (node.module, alias.name)
    return found


@functools.cache
def defined(module: str, root: Path = ROOT) -> dict[str, Entry]:
    """Top-level functions, classes and documented constants of a module, by name."""
    path = path_of(module, root)
    if path is None:
        return {}
    source = path.read_text()
    body = ast.parse(source).body
    found = {}
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = Entry(node.name, module, node, source, ast.get_docstring(node) or "")
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            below = after.value if isinstance(after, ast.Expr) else None
            doc = below.value if isinstance(below, ast.Constant) and isinstance(below.value, str) else ""
            if isinstance(target, ast.Name):
                found[target.id] = Entry(target.id, module, node, source, doc)
    return found


def resolved(module: str, name: str, root: Path = ROOT) -> Entry | None:
    """The definition behind a name, through re-exports; None for a module or what has no definition of ours."""
    path = path_of(module, root)
    if path is None or path_of(f"{module}.{name}", root):
        return None
    own = defined(module, root)
    if name in own:
        return own[name]
    home = imported(path).get(name)
    return resolved(*home, root) if home else None


def modules(package: str, root: Path = ROOT) -> Iterator[str]:
    """Modules below a package, a subpackage with `__all__` counting as one."""
    folder = root.joinpath(*package.split("."))
    for path in sorted(folder.iterdir()):
        if path.suffix == ".py" and not path.stem.startswith("_"):
            yield f"{package}.{path.stem}"
        elif (path / "__init__.py").exists():
            yield f"{package}.{path.name}"


def entries(package: str, root: Path = ROOT) -> dict[str, list[Entry]]:
    """What a package's page shows, by heading."""
    path = path_of(package, root)
    assert path is not None, package
    names = exported(ast.parse(path.read_text()))
    if names is not None:
        found = [resolved(package, name, root) for name in names]
        return {package: [entry for entry in found if entry is not None]}
    shown: dict[str, list[Entry]] = {}
    for module in modules(package, root):
        where = path_of(module, root)
        assert where is not None
        public = exported(ast.parse(where.read_text()))
        own = defined(module, root)
        wanted = public if public is not None else [name for name in own if not name.startswith("_")]
        there = [resolved(module, name, root) for name in wanted]
        kept = [one for one in there if one is not None and (one.doc or not isinstance(one.node, ast.Assign))]
        if kept:
            shown[module] = kept
    return shown


# -- pages ---------------------------------------------------------------------------------------------------


def pages(root: Path = ROOT) -> dict[Path, str]:
    """Every page of the reference, by path."""
    homes: dict[tuple[str, str], str] = {}
    shown = {package: entries(package, root) for package in PACKAGES}
    for package in reversed(PACKAGES):  # the more special page is an entry's home: theorylab shows links
        for group in shown[package].values():
            for entry in group:
                homes.setdefault((entry.module, entry.name), package)
    made = {API / file_of(package): page(package, shown[package], homes, root) for package in PACKAGES}
    made[API / "README.md"] = index(shown)
    return made


def file_of(package: str) -> str:
    return f"{package.rpartition('.')[2]}.md"


def index(shown: dict[str, dict[str, list[Entry]]]) -> str:
    """The first page: packages, then every name."""
    lines = ["# API reference", "", _GENERATED, "", "| package | holds |", "| --- | --- |"]
    lines += [f"| [`{package}`]({file_of(package)}) | {about} |" for package, about in PACKAGES.items()]
    lines += [
        "",
        "Systems have pages of their own, with their mathematics: see the [documentation's index](../README.md). Their",
        "fields are listed by `python -m theorylab.compare NAME --help`.",
        "",
    ]
    return "\n".join(lines)


_GENERATED = "Generated from the docstrings by `docs/build.py`: change those, then run `make docs`."


def page(package: str, shown: dict[str, list[Entry]], homes: dict[tuple[str, str], str], root: Path = ROOT) -> str:
    """One package as Markdown."""
    lines = [f"# {package}", "", _GENERATED, ""]
    about = _docstring_of(package, root)
    lines += [*described(about.split("\n\n")[0]), ""]
    named = [entry for group in shown.values() for entry in group]
    ours = [entry for entry in named if homes[entry.module, entry.name] == package]
    for other in PACKAGES:
        there = [entry for entry in named if homes[entry.module, entry.name] == other != package]
        if there:
            links = ", ".join(f"[`{entry.name}`]({file_of(other)}#{anchor(entry.name)})" for entry in there)
            lines += [f"From [`{other}`]({file_of(other)}): {links}.", ""]
    for heading, group in shown.items():
        mine = [entry for entry in group if entry in ours]
        if not mine:
            continue
        if heading != package:
            lines += [f"## {heading}", "", *described(_docstring_of(heading, root).split("\n\n")[0]), ""]
        for entry in mine:
            lines += [*shown_entry(entry), ""]
    return "\n".join(lines).rstrip() + "\n"


def _docstring_of(module: str, root: Path) -> str:
    path = path_of(module, root)
    return (ast.get_docstring(ast.parse(path.read_text())) or "") if path else ""


def shown_entry(entry: Entry) -> Iterable[str]:
    """A name with its signature and docstring; of a class its public methods and properties too."""
    node = entry.node
    yield f"### {entry.name}"
    yield ""
    yield "```python"
    if isinstance(node, ast.FunctionDef):
        yield from signature(node, entry.source)
    elif isinstance(node, ast.ClassDef):
        bases = ", ".join(_segment(entry.source, base) for base in node.bases)
        fields = list(_fields(node, entry.source))
        yield f"class {node.name}{f'({bases})' if bases else ''}:" + ("" if fields else " ...")
        yield from (f"    {line}" for line in fields)
    else:
        yield from _statement(entry.source, node, "")
    yield "```"
    yield ""
    yield f"`{entry.module}`"
    yield ""
    yield from described(entry.doc)
    if isinstance(node, ast.ClassDef):
        for member in node.body:
            if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
                yield ""
                yield f"#### {entry.name}.{member.name}"
                yield ""
                yield "```python"
                yield from (f"@{_segment(entry.source, mark)}" for mark in member.decorator_list)
                yield from signature(member, entry.source)
                yield "```"
                yield ""
                yield from described(ast.get_docstring(member) or "")


def _fields(node: ast.ClassDef, source: str) -> Iterable[str]:
    """Annotated fields and the members of an enumeration, with the strings below them as comments."""
    body = node.body
    for member, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
            if member.target.id.startswith("_"):
                continue
            yield from _statement(source, member, "    ")
        elif isinstance(member, ast.Assign) and isinstance(member.targets[0], ast.Name) and _is_enumeration(node):
            yield from _statement(source, member, "    ")
        else:
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            yield f"# {' '.join(after.value.value.split())}"


def _is_enumeration(node: ast.ClassDef) -> bool:
    return any("Enum" in ast.unparse(base) for base in node.bases)


def _statement(source: str, node: ast.stmt, indent: str) -> list[str]:
    """An assignment on one line where it fits, else as it stands in the source."""
    line = _segment(source, node)
    if len(indent) + len(line) <= WIDTH:
        return [line]
    first, *rest = (ast.get_source_segment(source, node) or line).splitlines()
    return [first, *(row.removeprefix(indent) for row in rest)]


def _segment(source: str, node: ast.AST) -> str:
    """Source text of a node on one line."""
    text = " ".join((ast.get_source_segment(source, node) or ast.unparse(node)).split())
    return re.sub(r"([(\[{]) ", r"\1", re.sub(r",? ([)\]}])", r"\1", text))


def signature(node: ast.FunctionDef, source: str) -> list[str]:
    """A function's header, one line or one a parameter."""
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    parts = [_parameter(source, one, default) for one, default in zip(plain, defaults, strict=True)]
    if arguments.posonlyargs:
        parts.insert(len(arguments.posonlyargs), "/")
    if arguments.vararg:
        parts.append("*" + _parameter(source, arguments.vararg, None))
    elif arguments.kwonlyargs:
        parts.append("*")
    parts += [
        _parameter(source, one, default)
        for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.kwarg:
        parts.append("**" + _parameter(source, arguments.kwarg, None))
    returns = f" -> {_segment(source, node.returns)}" if node.returns else ""
    line = f"def {node.name}({', '.join(parts)}){returns}: ..."
    if len(line) <= WIDTH:
        return [line]
    return [f"def {node.name}(", *(f"    {part}," for part in parts), f"){returns}: ..."]


def _parameter(source: str, argument: ast.arg, default: ast.expr | None) -> str:
    noted = f": {_segment(source, argument.annotation)}" if argument.annotation else ""
    if default is None:
        return f"{argument.arg}{noted}"
    equals = " = " if noted else "="
    return f"{argument.arg}{noted}{equals}{_segment(source, default)}"


# -- prose ---------------------------------------------------------------------------------------------------


def described(doc: str) -> list[str]:
    """A docstring as Markdown: paragraphs, sections of arguments as lists, indented blocks as they are."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", doc.strip("\n")):
        if not paragraph.strip():
            continue
        head, _, rest = paragraph.partition("\n")
        if paragraph.startswith("    "):
            lines += ["```text", *(line[4:] for line in paragraph.splitlines()), "```", ""]
        elif re.fullmatch(r"[A-Z]\w*:", head.strip()) and rest:
            lines += [f"**{head.strip()}**", "", *_items(rest), ""]
        else:
            text = re.sub(r"^(Arguments|Returns|Raises):", r"**\1:**", escaped(" ".join(paragraph.split())))
            lines += [text, ""]
    return lines[:-1]


def _items(block: str) -> list[str]:
    """The entries of a section: a line that is indented least begins one."""
    rows = block.splitlines()
    least = min(len(row) - len(row.lstrip()) for row in rows if row.strip())
    joined: list[str] = []
    for row in rows:
        if joined and len(row) - len(row.lstrip()) > least:
            joined[-1] += " " + row.strip()
        else:
            joined.append(row.strip())
    return [_item(row) for row in joined]


def _item(row: str) -> str:
    named = re.match(r"^(\*{0,2}[\w, ]+?): (.*)$", row)
    return f"- `{named[1]}`: {escaped(named[2])}" if named else f"- {escaped(row)}"


def escaped(text: str) -> str:
    """Text whose mathematics is not Markdown; what stands in backticks stays code."""
    parts = re.split(r"(`+[^`]*`+)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<>\[\]|#$~])", r"\\\1", part) for part in parts)


# -- links and citations -------------------------------------------------------------------------------------


def documents(root: Path = ROOT) -> list[Path]:
    """Every Markdown page of the project."""
    found = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("figures/*.md"), *root.glob("benchmarks/*.md")]
    return sorted(found)


def prose(text: str) -> str:
    """Markdown without its code."""
    return re.sub(r"(`+)(?:(?!\1).)+?\1", "", FENCE.sub("", text))


def anchor(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.replace("\\", "")).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings; a heading that comes again gets a number."""
    found: set[str] = set()
    counts: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE):
        name = anchor(heading)
        again = counts.get(name, 0)
        counts[name] = again + 1
        found.add(f"{name}-{again}" if again else name)
    return found | set(re.findall(r'<a (?:id|name)="([^"]+)"', text))


def targets(text: str) -> list[str]:
    """Where a page's links and images lead: inline, by reference, and in HTML."""
    words = prose(text)
    inline = re.findall(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)", words)
    by_reference = re.findall(r"^\s*\[[^\]]+\]:\s*(\S+)", words, re.MULTILINE)
    return inline + by_reference + re.findall(r'(?:href|src)="([^"]+)"', words)


def broken_links(root: Path = ROOT, generated: dict[Path, str] | None = None) -> list[str]:
    """Relative links that lead to no file, or to no heading; as "page: target"."""
    texts = {path: path.read_text() for path in documents(root)}
    texts |= {root / path: text for path, text in (generated or {}).items()}
    broken = []
    for page_path, text in sorted(texts.items()):
        for target in targets(text):
            if re.match(r"[a-z][a-z+.-]*:", target):
                continue
            path, _, fragment = target.partition("#")
            file = (page_path.parent / path).resolve() if path else page_path
            there = texts.get(file) or (file.read_text() if file.suffix == ".md" and file.exists() else None)
            missing = there is None and not file.exists()
            if missing or (fragment and (there is None or fragment not in anchors(there))):
                broken.append(f"{page_path.relative_to(root)}: {target}")
    return broken


def equations(text: str) -> set[str]:
    """Numbers of a page's equations: a tag, or parentheses that begin or end a line of a display."""
    found = set(re.findall(r"\\tag\{(\w+)\}", text))
    found |= set(re.findall(r"\((\d+[a-z]?)\)[.,;]?\s*(?:\$\$)?\s*$", text, re.MULTILINE))
    return found | set(re.findall(r"^ {4,}\((\d+[a-z]?)\) ", text, re.MULTILINE))


def broken_citations(root: Path = ROOT) -> list[str]:
    """Equations that the code cites ("docs/NAME.md eq. (n)") and the page does not number; as "file: citation"."""
    broken = []
    for path in sorted([*root.glob("theorylab/**/*.py"), *root.glob("figures/*.py")]):
        text = " ".join(path.read_text().split())
        for named, numbers in re.findall(r"docs/(\w+\.md)`?,? eqs?\. ((?:\(\w+\)(?:, | and |-)?)+)", text):
            cited = root / "docs" / named
            tags = equations(cited.read_text()) if cited.exists() else set()
            broken += [
                f"{path.relative_to(root)}: docs/{named} eq. ({number})"
                for number in re.findall(r"\((\w+)\)", numbers)
                if number not in tags
            ]
    return broken


# -- the command ---------------------------------------------------------------------------------------------


def stale(made: dict[Path, str], root: Path = ROOT) -> list[Path]:
    """Pages of the reference that are not what the docstrings say, or should not be there."""
    old = {path.relative_to(root) for path in (root / API).glob("*.md")}
    differing = [path for path, text in made.items() if path not in old or (root / path).read_text() != text]
    return sorted([*differing, *(old - set(made))])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where docs/api is stale")
    options = parser.parse_args(argv)
    made = pages(ROOT)
    changed = stale(made, ROOT)
    if not options.check:
        for path in changed:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            if path in made:
                (ROOT / path).write_text(made[path])
            else:
                (ROOT / path).unlink()
            print(f"written: {path}" if path in made else f"removed: {path}")
    problems = [f"stale: {path}; run make docs" for path in changed if options.check]
    problems += [f"broken link: {one}" for one in broken_links(generated=made)]
    problems += [f"broken citation: {one}" for one in broken_citations()]
    for problem in problems:
        print(problem, file=sys.stderr)
    count = sum(len(targets(path.read_text())) for path in documents())
    print(f"{len(documents())} pages, {count} links, problems: {len(problems)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
