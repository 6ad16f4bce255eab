"""Records and settings that stand still, and one line about what does not fit them."""

from pydantic import BaseModel, ConfigDict, ValidationError


class Frozen(BaseModel):
    """A frozen record in which an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def first_fault(error: ValidationError, whole: str = "the whole file") -> str:
    """Where the first thing that does not fit stands, and what is wrong with it; `whole` names what has no parts.

    >>> class Slate(Frozen):
    ...     size: int = 1
    >>> try:
    ...     Slate.model_validate({"size": "many"})
    ... except ValidationError as error:
    ...     print(first_fault(error))
    size: Input should be a valid integer, unable to parse string as an integer; received 'many'
    """
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    received = first["input"]
    told = "" if isinstance(received, dict | bytes) or first["type"] == "missing" else f"; received {received!r:.80}"
    return f"{where}: {first['msg']}{told}"
