#!/usr/bin/env bash
# ms-swift (4.6) with the structured reward. Run it where ms-swift is installed.
#
#     TEACHER=teacher.jsonl GSRM=http://gsrm:8001/v1 JUDGE=http://judge:8002/v1 examples/peers/ms_swift.sh DATA.jsonl MODEL
#
# A row of the data names its problem by a column `id` (or `problem`), else by its last message of the user:
# {"id": 7, "messages": [{"role": "user", "content": "…"}]}.
# A reward that could not be had within RLKD_REWARD_DEADLINE seconds ends the run, because ms-swift would train on a 0.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=${1:?a file of messages} model=${2:?the student}
: "${TEACHER:?a file of segmentations}" "${GSRM:?a model}" "${JUDGE:?a model}"
export RLKD_REWARD_TEACHER=$(realpath "$TEACHER")
export RLKD_REWARD_GSRM=$GSRM RLKD_REWARD_JUDGE=$JUDGE RLKD_REWARD_VERDICT_CACHE=${CACHE:-$PWD/verdicts.db}
${SWIFT:-swift} rlhf --rlhf_type grpo --model "$model" --dataset "$data" --external_plugins "$here/ms_swift_plugin.py" \
  --reward_funcs rlkd --num_generations 4 --per_device_train_batch_size 2 --gradient_accumulation_steps 4 \
  --max_completion_length 4096 --temperature 0.7 --use_vllm true --vllm_mode colocate
