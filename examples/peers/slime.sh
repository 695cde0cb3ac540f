#!/usr/bin/env bash
# slime (0.3) with the structured reward: the options to add to one of slime's own scripts.
#
#     examples/peers/slime.sh run-qwen3-4B.sh       SERVER=http://127.0.0.1:8900 examples/peers/slime.sh run-qwen3-4B.sh
#
# A row of the data names its problem by a label that is a JSON object with an id, or by "id" in its metadata:
# {"prompt": "…", "label": "{\"id\": 7}", "metadata": {"id": 7}}.
# With SERVER slime asks `rlkd serve`; without, it calls rlkd_cli.reward.slime.structured in its rollout process.
set -euo pipefail
script=${1:?a script of slime that passes on REWARD_ARGS}
if [ -n "${SERVER:-}" ]; then
  export REWARD_ARGS="--rm-type remote_rm --rm-url $SERVER/slime"
else
  : "${TEACHER:?a file of segmentations}" "${GSRM:?a model}" "${JUDGE:?a model}"
  export RLKD_REWARD_TEACHER=$(realpath "$TEACHER")
  export RLKD_REWARD_GSRM=$GSRM RLKD_REWARD_JUDGE=$JUDGE
  export REWARD_ARGS="--custom-rm-path rlkd_cli.reward.slime.structured"
fi
exec bash "$script"
