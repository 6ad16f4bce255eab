"""The simulated world's laws, and how a source's description changes them."""

from pydantic import Field, ValidationError

from components.domain import DAY, ContractBroken
from components.frozen import Frozen, first_fault


class SimulatedSettings(Frozen):
    """The simulated world's laws; all chosen so that a week resembles a small shop's."""

    seed: int = 0
    users: int = Field(2000, ge=1)
    """Users over all time."""
    items: int = Field(300, ge=2)
    """Items over all time."""
    requests_per_day: int = Field(500, ge=1)
    eligible: int = Field(10, ge=2)
    """Items that could be shown in one request."""
    tastes: int = Field(5, ge=1)
    """Dimensions of taste."""
    rate: float = Field(0.3, gt=0, lt=1)
    """Reward probability of an item of neutral taste at position 0."""
    sharpness: float = Field(0.8, ge=0)
    """Standard deviation of an item's log odds between users."""
    turn_days: float = Field(60.0, gt=0)
    """Days in which a typical taste turns by one radian."""
    appeal: float = Field(0.0, ge=0)
    """Standard deviation of an item's log odds that all users share."""
    appeal_turn_days: float = Field(20.0, gt=0)
    """Days in which a typical appeal turns by one radian: what is in fashion passes sooner than tastes."""
    item_life_days: float = Field(60.0, gt=0)
    """Mean life of an item; half of all items are there on day 0, the others arrive over `span_days`."""
    span_days: float = Field(90.0, gt=0)
    """Days over which new users and items arrive."""
    position_decay: float = Field(0.7, ge=0)
    """Examination of position l is ``(1 + l)^-decay`` (Craswell et al. 2008 fit .6 to 1 for web search)."""
    delay_hours: float = Field(6.0, gt=0)
    """Mean of the exponential delay between an item shown and its outcome."""
    price: float = Field(20.0, gt=0)
    """Median price of an item, in EUR: what a reward brings."""
    price_spread: float = Field(0.0, ge=0)
    """Standard deviation of the log of items' prices."""
    price_noise: float = Field(0.0, ge=0)
    """Standard deviation of the log of what a reward brings around its item's price: rebates and quantities."""
    bargain: float = Field(0.0, ge=0)
    """Log odds of a reward that an item loses per unit of its log price: the cheap is bought more often."""
    start: int = 1_700_000_000_000_000 // DAY * DAY
    """First instant, microseconds."""


def described(laws: dict[str, float]) -> SimulatedSettings:
    """Settings that differ from the defaults by `laws`, as a source's description names them.

    Raises
    ------
    ContractBroken
        For a law there is not, or a value it does not allow; one line.
    """
    try:
        return SimulatedSettings.model_validate(laws)
    except ValidationError as error:
        raise ContractBroken(f"[simulated.laws], {first_fault(error)}") from None
