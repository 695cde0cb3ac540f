#!/usr/bin/env bash
# RLKD and its baselines on the toy problem, three seeds each, with equal steps and samples: makes the tables of RESULTS.md.
#
#     examples/tiny/results.sh [RUN_FOLDER]
#
# After an interruption, run it again: it continues where it stopped.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
run=${1:-runs/results}
base=$here/base
steps=${STEPS:-50}
seeds=${SEEDS:-1 2 3}
methods=${METHODS:-sft grpo ppo rlkd rlad}
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
mkdir -p "$run"

# what all methods share: student, problems, steps, samples a step
budget=(--student "$base" --steps "$steps" --batch-size 128 --accumulation 1 --group 8 --temperature 1
  --max-tokens 64 --warmup 10 --max-grad-norm 1 --save-steps 25 --no-gradient-checkpointing
  --prompt-template '{problem}' --quiet)
rl=(--learning-rate 4e-4 --outcome-weight 1)
gsrm=(--model "hf/$run/gsrm" --max-tokens 96 --concurrency 128 --quiet)

python "$here/world.py" --out "$run" --seed 1 --train 2000 --test 300 --gsrm 1200
rlkd train-gsrm "$run/gsrm.jsonl" -o "$run/gsrm" --model "$base" --batch-size 16 --accumulation 1 \
  --learning-rate 5e-4 --alpha 20 --save-steps 100 --no-gradient-checkpointing --quiet
# rlad's teacher: the base model after many steps of sft on the teacher's paths
rlkd distill "$run/teacher.jsonl" -o "$run/teacher" --method sft "${budget[@]}" --steps 300 --learning-rate 1e-3 --seed 7

declare -A own=(
  [sft]="--learning-rate 4e-4"
  [grpo]="${rl[*]}"
  [ppo]="${rl[*]}"
  [rlkd]="${rl[*]} --judge exact --gsrm hf/$run/gsrm --gsrm-max-tokens 96 --concurrency 128 --structure-weight 1"
  [rlad]="${rl[*]} --teacher $run/teacher"
)

measure() { # NAME MODEL
  rlkd sample "$run/test.jsonl" -o "$run/$1.paths.jsonl" --model "hf/$2" --n 8 --temperature 1 \
    --max-tokens 64 --concurrency 200 --prompt-template '{problem}' --quiet
  rlkd eval --samples "$run/$1.paths.jsonl" --k 8 -o "$run/$1.graded.jsonl" --quiet
  rlkd segment "$run/$1.paths.jsonl" -o "$run/$1.steps.jsonl" "${gsrm[@]}" || [ $? -eq 3 ]
  rlkd score "$run/test_teacher.jsonl" "$run/$1.steps.jsonl" --judge exact -o "$run/$1.scores.jsonl" --quiet
}

measure base "$base"
measure teacher "$run/teacher"
for seed in $seeds; do
  for method in $methods; do
    # shellcheck disable=SC2086  # the options are words
    rlkd distill "$run/teacher.jsonl" -o "$run/$method-$seed" --method "$method" "${budget[@]}" ${own[$method]} --seed "$seed"
    measure "$method-$seed" "$run/$method-$seed"
  done
done
python "$here/results.py" "$run"
