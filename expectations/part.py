"""What the plan's and the policy's files have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", description="lower case, digits and underscores")]
Frequency = Literal["month", "quarter", "year", "event"]


class Part(BaseModel):
    """Every part of a plan: unknown fields are errors, so that a misspelt field is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)
