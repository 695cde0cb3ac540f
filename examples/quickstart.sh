#!/usr/bin/env bash
# From data to a distilled student on two CPU cores, without a download: all of RLKD at a small scale.
#
#     examples/quickstart.sh [RUN_FOLDER]
#
# After an interruption, run it again: it continues where it stopped.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
run=${1:-runs/quickstart}
base=$here/tiny/base
steps=${STEPS:-50}
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
mkdir -p "$run"

step() { printf '\n== %s\n' "$*" >&2; }
# what both methods share: student, problems, steps, completions, learning rate
budget=(--student "$base" --steps "$steps" --batch-size 128 --accumulation 1 --group 8 --temperature 1
  --max-tokens 64 --learning-rate 4e-4 --warmup 10 --max-grad-norm 1 --save-steps 25
  --no-gradient-checkpointing --prompt-template '{problem}')

step "make the data: a teacher's paths, segmentations, held-out problems"
python "$here/tiny/world.py" --out "$run" --seed 1 --train 2000 --test 150 --gsrm 1200

step "train the GSRM from the base model: three phases (section 3.1)"
rlkd train-gsrm "$run/gsrm.jsonl" -o "$run/gsrm" --model "$base" --batch-size 16 --accumulation 1 \
  --learning-rate 5e-4 --alpha 20 --save-steps 100 --no-gradient-checkpointing --plot "$run/gsrm.png"

gsrm=(--model "hf/$run/gsrm" --max-tokens 96 --concurrency 128)
step "segment the teacher's paths with it"
python -c "
import json, sys
for line in open(sys.argv[1]):
    print(json.dumps({k: v for k, v in json.loads(line).items() if k != 'steps'}))" "$run/teacher.jsonl" > "$run/paths.jsonl"
rlkd segment "$run/paths.jsonl" -o "$run/teacher_steps.jsonl" "${gsrm[@]}" || [ $? -eq 3 ]

step "distil the student: RLKD (section 3.2), and plain GRPO for comparison"
rlkd distill "$run/teacher_steps.jsonl" --method rlkd -o "$run/rlkd" "${budget[@]}" --judge exact \
  --gsrm "hf/$run/gsrm" --gsrm-max-tokens 96 --concurrency 128 --structure-weight 1 --outcome-weight 1 --plot "$run/rlkd.png"
rlkd distill "$run/teacher_steps.jsonl" --method grpo -o "$run/grpo" "${budget[@]}" --outcome-weight 1 --plot "$run/grpo.png"

for student in base grpo rlkd; do
  step "sample, grade, segment and score: $student"
  model=$run/$student
  [ "$student" = base ] && model=$base
  rlkd sample "$run/test.jsonl" -o "$run/$student.paths.jsonl" --model "hf/$model" --n 8 --temperature 1 \
    --max-tokens 64 --concurrency 200 --prompt-template '{problem}'
  rlkd eval --samples "$run/$student.paths.jsonl" --k 8 --json > "$run/$student.eval.json"
  rlkd segment "$run/$student.paths.jsonl" -o "$run/$student.steps.jsonl" "${gsrm[@]}" || [ $? -eq 3 ]
  rlkd score "$run/test_teacher.jsonl" "$run/$student.steps.jsonl" --judge exact -o "$run/$student.scores.jsonl"
  rlkd diversity "$run/$student.steps.jsonl" --embedder lexical -o "$run/$student.diversity.jsonl"
done
rlkd diversity "$run/base.steps.jsonl" --with "$run/grpo.steps.jsonl" --with "$run/rlkd.steps.jsonl" \
  --embedder lexical -o "$run/diversity.jsonl" --plot "$run/diversity.png" --quiet

python "$here/tiny/report.py" "$run"
