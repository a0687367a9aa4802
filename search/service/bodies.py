"""What is asked of the API: the bodies of requests, in which a field that is not known is an error."""

from __future__ import annotations

from typing import Annotated

from pitprop.service.models import MOST, NAME, URGENT, Count, Number, Scope
from pydantic import BaseModel, ConfigDict, Field, model_validator


class Request(BaseModel):
    """A request, in which a field that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Submit(Request):
    """A search to run: a space of the operator's catalogue by name, or one as YAML; what else is given overrides what it says."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"space": "focal_alpha", "trials": 40, "priority": 5}, {"name": "rates", "yaml": "..."}]}
    )

    space: str | None = Field(None, max_length=200, description="name of a space of the catalogue")
    yaml: str | None = Field(None, max_length=2**18, description="a space as YAML, in place of a name")
    name: str | None = Field(None, pattern=NAME, description="what the search is called; the space's name if not given")
    trials: Count | None = Field(None, description="how many trials in all, baselines included")
    timeout: float | None = Field(None, gt=0, le=MOST, description="seconds after which no more trials are started")
    seed: Number | None = Field(None, description="seed of the sampler and of the trainings")
    priority: int = Field(0, ge=-URGENT, le=URGENT, description="which of your own searches goes first: the highest")
    workers: Count | None = Field(None, description="how many workers it takes at most")
    notify: list[Annotated[str, Field(min_length=1, max_length=500)]] = Field(
        default_factory=list,
        max_length=5,
        description="where its end, a target that it reaches, and that everything dies is told: https://..., "
        "mailto:..., ntfy+https://...",
    )

    @model_validator(mode="after")
    def _one_space(self) -> Submit:
        if (self.space is None) == (self.yaml is None):
            raise ValueError("give either space, a name of the catalogue, or yaml, a space of your own")
        return self


class Validate(Request):
    """A space as YAML, to be checked and not run."""

    yaml: str = Field(max_length=2**18)
    name: str = Field("space", pattern=NAME)


class Extend(Request):
    """So many more trials than were planned."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"trials": 20}]})

    trials: Count


class Order(Request):
    """Which of your searches goes first, and how many workers it takes at most; what is not given stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"priority": 10}]})

    priority: Annotated[int, Field(ge=-URGENT, le=URGENT)] | None = None
    workers: Count | None = None


class Revive(Request):
    """The numbers of parked or waiting trials, to be trained to their full budget."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"trials": [3, 5]}]})

    trials: list[Number] = Field(min_length=1, max_length=1000)


class ConfirmSearch(Request):
    """What to train again on fresh seeds; what is not given is as the space says."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"top": 3, "seeds": 5}, {"trials": [7]}]})

    top: Annotated[int, Field(ge=1, le=1000)] | None = None
    seeds: Annotated[int, Field(ge=2, le=1000)] | None = None
    trials: list[Number] = Field(default_factory=list, max_length=100)


class MakeToken(Request):
    """A token for an owner, which expires after ``days``."""

    owner: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$")
    scope: Scope = Scope.SUBMIT
    days: Annotated[int, Field(ge=1, le=3650)] = 90
