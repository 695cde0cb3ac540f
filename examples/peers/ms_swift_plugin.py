"""Registers the structured reward with ms-swift (4.6): `--external_plugins` of ms_swift.sh."""

from swift.rewards import orms

from rlkd_cli.reward.ms_swift import Structured

orms["rlkd"] = Structured
