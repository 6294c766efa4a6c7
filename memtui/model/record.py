"""`record`: a class of named fields in slots, as `dataclasses.dataclass` makes it, but at a tenth of what that costs.

A program that starts makes dozens of such classes, and a dataclass compiles some eight functions for each of them
(0.5 to 2 ms a class). Here all share theirs but for `__init__`, which is compiled when the first object is made.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as record
    from dataclasses import field, replace
else:
    from dataclasses import FrozenInstanceError
    from inspect import get_annotations
    from operator import attrgetter

    class _Field:
        """What is to be known of a field beside its default."""

        __slots__ = ("default_factory", "init")

        def __init__(self, *, default_factory=None, init=True):
            self.default_factory, self.init = default_factory, init

    field = _Field
    _LATER = object()
    """The default of what a factory makes."""

    def record(*, frozen=False, slots=True, eq=True):
        """Make a class a record; the arguments mean what they mean to a dataclass. There are always slots."""

        def decorate(cls):
            names, body = tuple(get_annotations(cls)), dict(cls.__dict__)
            given = {name: body.pop(name) for name in names if name in body}
            settable = tuple(name for name in names if getattr(given.get(name), "init", True))
            body.pop("__dict__", None)
            body.pop("__weakref__", None)
            body |= {"__slots__": names, "__match_args__": settable, "__init__": _first(given), "__repr__": _repr}
            if eq:
                body |= {"__eq__": _equal(attrgetter(*names)), "__hash__": _hash if frozen else None}
            if frozen:
                body |= {"__setattr__": _refuse, "__delattr__": _refuse}
                body |= {"__getstate__": _state, "__setstate__": _set_state}
            return type(cls)(cls.__name__, cls.__bases__, body)

        return decorate

    def replace(one, /, **changes):
        """Another record like this one, but for these fields."""
        return type(one)(**{name: getattr(one, name) for name in one.__match_args__ if name not in changes}, **changes)

    def _first(given):
        def __init__(self, *values, **named):
            cls = type(self)
            cls.__init__ = _init(cls, given)
            cls.__init__(self, *values, **named)

        return __init__

    def _init(cls, given):
        """Compile what sets the fields; slots are set by their descriptors, which no refusal keeps from it."""
        known, heads, lines = {"LATER": _LATER}, ["self"], []
        for nth, name in enumerate(cls.__slots__):
            if name not in cls.__match_args__:
                continue
            default, value = given.get(name), name
            if isinstance(default, _Field):
                known[f"make_{nth}"] = default.default_factory
                heads.append(f"{name}=LATER")
                value = f"make_{nth}() if {name} is LATER else {name}"
            elif name in given:
                known[f"default_{nth}"] = default
                heads.append(f"{name}=default_{nth}")
            else:
                heads.append(name)
            if "__setattr__" in cls.__dict__:
                known[f"set_{nth}"] = cls.__dict__[name].__set__
                lines.append(f" set_{nth}(self, {value})")
            else:
                lines.append(f" self.{name} = {value}")
        if hasattr(cls, "__post_init__"):
            lines.append(" self.__post_init__()")
        exec("\n".join([f"def __init__({', '.join(heads)}):", *lines]), known)
        return known["__init__"]

    def _repr(self):
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"

    def _equal(values):
        def __eq__(self, other):
            return values(self) == values(other) if type(other) is type(self) else NotImplemented

        return __eq__

    def _hash(self):
        return hash(tuple(getattr(self, name) for name in self.__slots__))

    def _refuse(self, name, *_value):
        raise FrozenInstanceError(f"cannot change field {name!r}")

    def _state(self):
        return [getattr(self, name) for name in self.__slots__]

    def _set_state(self, state):
        for name, value in zip(self.__slots__, state, strict=True):
            object.__setattr__(self, name, value)


__all__ = ["field", "record", "replace"]
