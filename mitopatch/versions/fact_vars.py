"""[worker] What a host's facts give as variables is worked out once, as long as its facts stay the same.

Upstream copies all facts twice for each host-task, up to 2.18 marks each text in them three times, and compares each name with those of all
connection plugins: a third of what a worker does for a small task once facts are gathered (2.16). Each host-task still gets copies.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

from ansible.vars import manager

from mitopatch.versions import plugin_lock
from mitopatch.versions.deep_copies import DeepCopies

#: Hosts whose facts are kept; those of further ones are worked out each time.
MOST = 500
#: Of these functions of upstream's the first that is there makes the variables named as the facts are (the first: from 2.20 on).
CLEANING = ("_clean_and_deprecate_top_level_facts", "clean_facts")

#: How the names begin that upstream takes away and says nothing (that facts were gathered, for one).
INTERNAL = "_ansible_"


class Kept(NamedTuple):
    """The facts of a host as the cache has them, marked, and what was made of them; all are kept so that their ids stay theirs."""

    facts: Any
    marked: Any
    namespaced: Any
    cleaned: list[Any]


class FactVars:
    """[worker] Asked under the replica's lock. A thread that has something else marked meanwhile at most makes it compute once more."""

    def __init__(self) -> None:
        #: By the id of facts, and by that of marked facts.
        self._kept: dict[int, Kept] = {}
        self._generation = plugin_lock.generation
        #: What was marked last, and what came of it; facts, if they are looked at next.
        self._marked: tuple[Any, Any] = (None, None)
        #: What was cleaned, and marked as well.
        self._cleaned: Any = None

    def forget(self) -> None:
        """Facts may be others from now on, in the same dictionaries."""
        self._kept.clear()

    def _of(self, facts: Any) -> Optional[Kept]:
        if self._generation != plugin_lock.generation:  # a connection plugin may have come
            self._generation = plugin_lock.generation
            self._kept.clear()
        kept = self._kept.get(id(facts))
        return kept if kept is not None and (kept.facts is facts or kept.marked is facts) else None

    def install(self, deepcopy: DeepCopies) -> None:
        """Put it in place; this process is a worker for the rest of its life."""
        mark: Optional[Callable[[Any], Any]] = getattr(manager, "wrap_var", None)  # up to 2.18
        namespace = manager.namespace_facts
        cleaning = next(name for name in CLEANING if hasattr(manager, name))
        clean = getattr(manager, cleaning)

        def mark_once(value: Any) -> Any:
            if value is self._cleaned and value is not None:
                return value
            kept = self._of(value)
            if kept is not None:
                return kept.marked
            marked = mark(value) if mark is not None else value
            if type(value) is dict and value:
                self._marked = (value, marked)
            return marked

        def namespace_once(facts: Any) -> Any:
            kept = self._of(facts)
            if kept is not None:
                return deepcopy(kept.namespaced)
            namespaced = namespace(facts)
            of, marked = self._marked if mark is not None else (facts, facts)
            self._marked = (None, None)
            if marked is facts and type(of) is dict and of and len(self._kept) < 2 * MOST:
                self._kept[id(of)] = self._kept[id(marked)] = Kept(of, marked, deepcopy(namespaced), [])
            return namespaced

        def clean_once(facts: Any) -> Any:
            kept = self._of(facts)
            if kept is None:
                return clean(facts)
            if not kept.cleaned:
                cleaned = clean(facts)
                if len(cleaned) != sum(not str(name).startswith(INTERNAL) for name in facts):
                    return cleaned  # something else was taken away, and a warning says so each time
                kept.cleaned.append(mark(cleaned) if mark is not None else cleaned)
            self._cleaned = deepcopy(kept.cleaned[0])
            return self._cleaned

        if mark is not None:
            manager.wrap_var = mark_once
        manager.namespace_facts = namespace_once
        if cleaning == "clean_facts":
            manager.clean_facts = clean_once
        else:
            manager._clean_and_deprecate_top_level_facts = clean_once
