"""[controller] What a bundle says it changes: plain data, checked by the ledger, applied by nobody else.

Four kinds by rising risk (a bundle takes the first that serves): `Wrap`, `StandIn`, `Replace`, `Edit`; `Relies` changes nothing
but ties a bundle to a body that it runs itself. Each says why it exists, where upstream's code is, and when it can go.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Optional

from mitopatch import fingerprint
from mitopatch.errors import NotApplied, Reason

if TYPE_CHECKING:
    from mitopatch.diffs import Patch
    from mitopatch.lookup import Found

#: What became of a symbol from one release to another, in a word.
SAME, BODY, PARAMETERS, GONE = "same", "body changed", "parameters changed", "gone"

Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]


class Missing:
    """[controller] Says that a parent's own ``__dict__`` does not hold the name: undoing means deleting."""


MISSING = Missing()


class Site:
    """[controller] Where a dotted name lives: its parent, the raw value there, and whether the parent only inherits it."""

    def __init__(self, module: ModuleType, name: str) -> None:
        """Raises AttributeError naming the part that is not there."""
        self.module = module
        *path, self.attribute = name.split(".")
        parent: Any = module
        for part in path:
            parent = getattr(parent, part)
        self.parent = parent
        self.own: Any = vars(parent).get(self.attribute, MISSING)
        self.value: Any = self.own
        if self.own is MISSING:
            # Through the MRO and __dict__, not getattr: getattr would bind class methods and unpack static ones.
            for base in getattr(parent, "__mro__", ()):
                if self.attribute in vars(base):
                    self.value = vars(base)[self.attribute]
                    break
            else:
                raise AttributeError(f"{module.__name__}.{name}")


class Declaration:
    """[controller] The common part. Raises ValueError if why, upstream or undo_when is empty: such a declaration does not load."""

    kind = "declaration"
    #: Does the body have to be one that the table of fingerprints knows?
    gated = False

    def __init__(self, module: str, name: str, *, why: str, upstream: str, undo_when: str) -> None:
        for field, value in (("module", module), ("name", name), ("why", why), ("upstream", upstream), ("undo_when", undo_when)):
            if not isinstance(value, str) or not value.strip():
                raise ValueError(f"{type(self).__name__} of {module}:{name} has no {field}")
        self.module = module
        self.name = name
        self.why = why
        self.upstream = upstream
        self.undo_when = undo_when

    @property
    def key(self) -> str:
        """[controller] ``module:Symbol``, the name used in the tables of fingerprints and in messages."""
        return f"{self.module}:{self.name}"

    def verify(self, site: Site, original: Any, known: fingerprint.Known) -> Optional[Reason]:
        """[controller] Why this must not be applied, or None. ``original`` is upstream's value, also if one of ours stands there."""
        raise NotImplementedError

    def verify_source(self, found: Found, known: fingerprint.Known) -> Optional[Reason]:
        """[cli, maintenance] As `verify`, for a release that is only read: ``found`` is the symbol as it stands in its source."""
        reason = self._same_names(found.parameters, getattr(self, "signature", None))
        unknown = self.gated and found.mark not in known.symbols.get(self.key, ())
        return reason or (self._unknown(found.mark, known) if unknown else None)

    def build(self, original: Any) -> Any:
        """[controller] The value to be put in place; MISSING if there is nothing to put."""
        return MISSING

    def holds(self, site: Site, put: Any) -> bool:
        """[controller] Is what was put really what a look-up finds now?"""
        return put is MISSING or vars(site.parent).get(site.attribute) is put

    def _same_parameters(self, original: Any, wanted: Optional[tuple[str, ...]]) -> Optional[Reason]:
        return None if wanted is None else self._same_names(fingerprint.parameters(original), wanted)

    def _same_names(self, found: Optional[tuple[str, ...]], wanted: Optional[tuple[str, ...]]) -> Optional[Reason]:
        if wanted is None or found == wanted:
            return None
        shown = "not a Python function" if found is None else ", ".join(found)
        return Reason("MP109", target=self.key, found=shown, wanted=", ".join(wanted))

    def _known_body(self, site: Site, original: Any, known: fingerprint.Known) -> Optional[Reason]:
        found = known.check(self.key, site.module, original)
        return None if found is None else self._unknown(found, known)

    def _unknown(self, found: str, known: fingerprint.Known) -> Reason:
        # The release is filled in by the ledger's owner, which knows it.
        listed = ", ".join(sorted(known.symbols.get(self.key, ()))) or "none"
        return Reason("MP108", target=self.key, found=found, known=listed, found_release="as installed")


def _as_was(original: Any, make: Callable[[Any], Any]) -> Any:
    """Give ``make`` the function behind staticmethod or classmethod, and put the result into the same descriptor."""
    if isinstance(original, (staticmethod, classmethod)):
        made = make(original.__func__)
        return made if isinstance(made, (staticmethod, classmethod)) else type(original)(made)
    return make(original)


class Wrap(Declaration):
    """[controller] Upstream's function still runs, ours around it: ``wrapper(wrapped, instance, args, kwargs)``, the order of wrapt's."""

    kind = "wrap"

    def __init__(
        self, module: str, name: str, wrapper: Wrapper, signature: Sequence[str], *, why: str, upstream: str, undo_when: str
    ) -> None:
        super().__init__(module, name, why=why, upstream=upstream, undo_when=undo_when)
        self.wrapper = wrapper
        self.signature = tuple(signature)

    def verify(self, site: Site, original: Any, known: fingerprint.Known) -> Optional[Reason]:
        """[controller] Refuses if upstream's parameter names differ."""
        return self._same_parameters(original, self.signature)

    def build(self, original: Any) -> Any:
        """[controller] A function like the original, of its kind. Not wrapt's: to import that costs a seventh of plain Ansible's start."""
        return _as_was(original, self._around_method if "." in self.name and not isinstance(original, staticmethod) else self._around)

    def _around_method(self, original: Any) -> Any:
        bind, wrapper = original.__get__, self.wrapper

        @functools.wraps(original)
        def method(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
            return wrapper(bind(instance), instance, args, kwargs)

        return method

    def _around(self, original: Any) -> Any:
        wrapper = self.wrapper

        @functools.wraps(original)
        def function(*args: Any, **kwargs: Any) -> Any:
            return wrapper(original, None, args, kwargs)

        return function


class StandIn(Declaration):
    """[controller] ``make(original)`` returns what upstream finds under the name; ``signature`` (a class: of ``__init__``) is optional."""

    kind = "stand-in"

    def __init__(
        self,
        module: str,
        name: str,
        make: Callable[[Any], Any],
        *,
        why: str,
        upstream: str,
        undo_when: str,
        signature: Optional[Sequence[str]] = None,
    ) -> None:
        super().__init__(module, name, why=why, upstream=upstream, undo_when=undo_when)
        self.make = make
        self.signature = None if signature is None else tuple(signature)

    def verify(self, site: Site, original: Any, known: fingerprint.Known) -> Optional[Reason]:
        """[controller] Refuses if a signature was declared and differs."""
        return self._same_parameters(original, self.signature)

    def build(self, original: Any) -> Any:
        """[controller] What ``make`` returns for the original. Raises what ``make`` raises."""
        return _as_was(original, self.make)


class Replace(Declaration):
    """[controller] Another body for a small function; gated by the known fingerprints of the body it replaces."""

    kind = "replace"
    gated = True

    def __init__(
        self,
        module: str,
        name: str,
        function: Callable[..., Any],
        *,
        why: str,
        upstream: str,
        undo_when: str,
        signature: Optional[Sequence[str]] = None,
    ) -> None:
        super().__init__(module, name, why=why, upstream=upstream, undo_when=undo_when)
        self.function = function
        self.signature = None if signature is None else tuple(signature)

    def verify(self, site: Site, original: Any, known: fingerprint.Known) -> Optional[Reason]:
        """[controller] Refuses if the body is unknown, or if a signature was declared and differs."""
        return self._same_parameters(original, self.signature) or self._known_body(site, original, known)

    def build(self, original: Any) -> Any:
        """[controller] The replacement in the descriptor the original had."""
        return _as_was(original, lambda _original: self.function)


class Edit(Declaration):
    """[controller] A few lines inside a long function: a source patch, gated by the fingerprints that the patch itself has sections for.

    On one name it stands before any `Wrap`: it wants upstream's own function, and the wrap goes around the patched one.
    """

    kind = "edit"

    def __init__(self, patch: Patch) -> None:
        module, _, name = patch.header["Target"].partition(":")
        header = patch.header
        super().__init__(module, name, why=header["Why"], upstream=header["Upstream"], undo_when=header["Undo-When"])
        self.patch = patch
        self._made: tuple[Any, Any] = (MISSING, MISSING)

    def verify(self, site: Site, original: Any, known: fingerprint.Known) -> Optional[Reason]:
        """[controller] Refuses what is no plain function, a body that the patch has no section for, and what does not compile."""
        try:
            self._made = (original, self._edited(original))
        except NotApplied as refused:
            return refused.reason
        return None

    def verify_source(self, found: Found, known: fingerprint.Known) -> Optional[Reason]:
        """[cli, maintenance] Refuses a body that the patch has no section for."""
        from mitopatch import body

        if found.text is None:
            return self.patch.misfit("its source text cannot be read")
        try:
            self.patch.apply(body.from_text(found.text))
        except NotApplied as refused:
            return refused.reason
        return None

    def build(self, original: Any) -> Any:
        """[controller] The patched function in the descriptor the original had. Raises NotApplied if it cannot be made."""
        seen, made = self._made
        return made if seen is original else self._edited(original)

    def _edited(self, original: Any) -> Any:
        # Imported here and not above: a run in which mitopatch is off imports this module and needs none of these.
        from mitopatch import body, recompile

        try:
            recompile.suitable(original)
            found = body.of_function(fingerprint.plain(original), self.patch.fingerprints)
            return _as_was(original, lambda function: recompile.patched(function, found, self.patch))
        except ValueError as error:
            raise NotApplied(self.patch.misfit(str(error))) from error


class Relies(Declaration):
    """[controller] Applies nothing: the bundle runs this body on objects of its own, so the body must be a known one."""

    kind = "relies"
    gated = True

    def verify(self, site: Site, original: Any, known: fingerprint.Known) -> Optional[Reason]:
        """[controller] Refuses if the body is unknown."""
        return self._known_body(site, original, known)


class Bundle:
    """[controller] All declarations for one series: one transaction. ``begin`` runs last in it, ``end`` first when it is undone."""

    def __init__(
        self,
        series: str,
        family: str,
        declarations: Sequence[Declaration],
        begin: Optional[Callable[[], None]] = None,
        end: Optional[Callable[[], None]] = None,
    ) -> None:
        self.series = series
        self.family = family
        self.declarations = tuple(declarations)
        self.begin = begin
        self.end = end

    @property
    def modules(self) -> tuple[str, ...]:
        """[controller] The modules touched, in order of first mention."""
        return tuple(dict.fromkeys(declaration.module for declaration in self.declarations))
