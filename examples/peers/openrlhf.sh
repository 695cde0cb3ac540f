#!/usr/bin/env bash
# OpenRLHF (0.11) with the structured reward. Run it where OpenRLHF is installed.
#
#     SERVER=http://127.0.0.1:8900 examples/peers/openrlhf.sh DATA.jsonl MODEL        asks `rlkd serve`
#     TEACHER=teacher.jsonl GSRM=… JUDGE=… examples/peers/openrlhf.sh DATA.jsonl MODEL    computes it in its own processes
#
# The server is started with: rlkd serve teacher.jsonl --gsrm http://gsrm:8001/v1 --judge http://judge:8002/v1
# A row of the data names its problem by a label that is a JSON object with an id: {"input": "…", "label": "{\"id\": 7}"}.
# One that needs a token takes it as a password: http://rlkd:TOKEN@host:8900.
set -euo pipefail
data=${1:?a file of prompts} model=${2:?the student}
if [ -n "${SERVER:-}" ]; then
  reward=$SERVER/openrlhf
else
  : "${TEACHER:?a file of segmentations}" "${GSRM:?a model}" "${JUDGE:?a model}"
  export RLKD_REWARD_TEACHER=$(realpath "$TEACHER")
  export RLKD_REWARD_GSRM=$GSRM RLKD_REWARD_JUDGE=$JUDGE
  reward=$(${PYTHON:-python3} -c 'import rlkd_cli.reward.openrlhf as file; print(file.__file__)')
fi
${PYTHON:-python3} -m openrlhf.cli.train_ppo_ray --actor.model_name_or_path "$model" --reward.remote_url "$reward" \
  --data.prompt_dataset "$data" --data.input_key input --data.label_key label --data.apply_chat_template \
  --data.max_len 5120 --rollout.max_new_tokens 4096 --rollout.n_samples_per_prompt 4 --rollout.temperature 0.7 \
  --algo.advantage.estimator group_norm --vllm.num_engines "${GPUS:-8}" --train.colocate_all
