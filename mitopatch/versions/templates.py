"""[worker] A template is compiled once for all hosts of a task, not once for each: a fifth of what a small task costs a worker (2.16).

Jinja evaluates what is constant when it compiles, with Ansible's filters too: ``{{ 10 | random }}`` would draw one number for all hosts.
So a template with a filter or a test of nothing but constants is compiled anew each time, as ever.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any, Callable, Optional

import jinja2
from jinja2 import nodes

from mitopatch.runtime.bounded import Bounded

#: Compiled templates that are kept.
MOST = 2000
#: Settings of an environment that say how a template is read and what it becomes.
SETTINGS = (
    "block_start_string", "block_end_string", "variable_start_string", "variable_end_string", "comment_start_string", "comment_end_string",
    "line_statement_prefix", "line_comment_prefix", "trim_blocks", "lstrip_blocks", "newline_sequence", "keep_trailing_newline",
    "autoescape", "optimized", "sandboxed", "is_async",
)  # fmt: skip

_local = threading.local()


class Compiled:
    """What was compiled, and the filters and tests that must be there for it."""

    __slots__ = ("code", "filters", "tests")

    def __init__(self, code: Any, tree: nodes.Template) -> None:
        self.code = code
        self.filters = {node.name for node in tree.find_all(nodes.Filter)}
        self.tests = {node.name for node in tree.find_all(nodes.Test)}

    def fits(self, environment: Any) -> bool:
        """Whether a look-up finds them all, as it did when this was compiled; it may load them, and warn, as it did then."""
        return all(name in environment.filters for name in self.filters) and all(name in environment.tests for name in self.tests)


def foldable(tree: nodes.Template) -> bool:
    """Whether Jinja may call a filter or a test while it compiles this."""
    return any(node.find((nodes.Name, nodes.Call)) is None for node in tree.find_all((nodes.Filter, nodes.Test)))


def _tree(environment: Any, source: str) -> Optional[nodes.Template]:
    try:
        tree: nodes.Template = environment._parse(source, None, None)
    except jinja2.TemplateError:
        return None  # not raised from here: what it is raised from goes into its words (2.21)
    return tree


def install(environment_class: Any, mark: Callable[[Any], Hashable]) -> None:
    """Let environments of this class share what they compile. ``mark(source)`` tells sources of one text apart."""
    known: dict[Hashable, Compiled] = Bounded(MOST)
    compile_template, compile_expression = environment_class.compile, environment_class.compile_expression

    def compile_once(self: Any, source: Any, name: Any = None, filename: Any = None, raw: bool = False, defer_init: bool = False) -> Any:
        text = source if isinstance(source, str) else getattr(_local, "expression", None)
        if text is None or name is not None or filename is not None or raw or defer_init:
            return compile_template(self, source, name, filename, raw, defer_init)
        settings = tuple(getattr(self, setting) for setting in SETTINGS)
        finalize = getattr(self.finalize, "__qualname__", None)
        key = (type(self), text, source is text, mark(text), settings, finalize, tuple(self.extensions))
        try:
            found = known.get(key)
        except TypeError:  # a setting that is a function of somebody's, an unhashable tag
            return compile_template(self, source)
        if found is not None and found.fits(self):
            return found.code
        tree = source if source is not text else _tree(self, source)
        code = compile_template(self, source)
        if tree is None:
            return code
        once = Compiled(code, tree)
        if not foldable(tree):
            known[key] = once
        return once.code

    def compile_an_expression(self: Any, source: Any, *args: Any, **kwargs: Any) -> Any:
        # It parses by itself and has the tree compiled.
        _local.expression = source if isinstance(source, str) else None
        try:
            return compile_expression(self, source, *args, **kwargs)
        finally:
            _local.expression = None

    environment_class.compile = compile_once
    environment_class.compile_expression = compile_an_expression
