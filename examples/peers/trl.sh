#!/usr/bin/env bash
# TRL's own GRPO with the structured reward, on the toy problem: two CPU cores, no download.
#
#     examples/peers/trl.sh [RUN_FOLDER]        STEPS=50 examples/peers/trl.sh
#
# The reward is named by its dotted path. Its options stand in the environment, or in the table [reward] of rlkd.toml.
# The data set is TRL's: `prompt`, and an `id` (or the `problem`) by which the reward finds the teacher's record.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
run=${1:-runs/trl}
base=$here/../tiny/base
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
mkdir -p "$run/data"

python "$here/../tiny/world.py" --out "$run" --train "${PROBLEMS:-64}" --test 4 --gsrm 32
python -c "
import json, sys
for line in open(sys.argv[1]):
    row = json.loads(line)
    print(json.dumps({'id': row['id'], 'prompt': [{'role': 'user', 'content': row['problem']}]}))" \
  "$run/teacher.jsonl" > "$run/data/train.jsonl"

export RLKD_REWARD_TEACHER="$run/teacher.jsonl" RLKD_REWARD_GSRM="hf/$base" RLKD_REWARD_GSRM_MAX_TOKENS=96
export RLKD_REWARD_JUDGE=exact RLKD_REWARD_STRUCTURE_WEIGHT=1 RLKD_REWARD_OUTCOME_WEIGHT=1
trl grpo --model_name_or_path "$base" --dtype float32 --dataset_name "$run/data" --output_dir "$run/student" \
  --reward_funcs rlkd_cli.reward.trl.structured \
  --max_steps "${STEPS:-10}" --per_device_train_batch_size "${BATCH:-32}" --num_generations 8 \
  --max_completion_length 64 --temperature 1 --learning_rate 4e-4 --logging_steps 1 --report_to none \
  --bf16 false --gradient_checkpointing false --use_cpu true --save_strategy no
