#!/usr/bin/env bash
# The paper's run (RLKD, sections 3 and 4) with its settings, and those of the released code where the paper gives none.
#
#     examples/paper.sh [RUN_FOLDER]           DRY=--dry-run examples/paper.sh   prints what would be done
#     STAGE=gsrm: no further than the GSRM; STAGE=rest: what comes after it (see paper.slurm)
#
# Exit status 3 (done, with rejects) does not stop the script. DeepSeek-V3 is no longer served (2026-11): its successor
# verifies. The paper trained 7B models on five accelerators. Keys for the two APIs: OPENAI_API_KEY and DEEPSEEK_API_KEY.
set -euo pipefail
run=${1:-runs/paper}
dry=${DRY:-}
stage=${STAGE:-all}
gpus=${GPUS:-8}
thoughts=${THOUGHTS:-hf://open-thoughts/OpenThoughts-114k/metadata:train}   # 3.1: the paths that are segmented
openr1=${OPENR1:-hf://open-r1/OpenR1-Math-220k:train}                       # 4.1: the teacher's problems and paths
student=${STUDENT:-deepseek-ai/DeepSeek-R1-Distill-Qwen-7B}                 # 4.1; or Qwen/Qwen2.5-Math-7B ("Zero")
[ -n "$dry" ] || mkdir -p "$run"
rlkd() { command rlkd "$@" || [ $? -eq 3 ]; } # done, with or without rejects

if [ "$stage" != rest ]; then
  # 3.1, dataset construction: GPT-4o writes, DeepSeek-V3 verifies, three re-generations; 93,625 pairs came out
  rlkd segment "$thoughts" -o "$run/pairs.jsonl" --preset paper \
    --max-attempts 4 --concurrency 512 $dry
  pairs=$run/pairs.jsonl
  [ -z "$dry" ] || pairs=${PAIRS:?a file of segmentations, for a dry run}

  # 3.1, equation 1: three phases, a and b every 100 steps. Release: learning rate 5e-5, warm-up 0.1, batch 1 x 2,
  # weight decay 1e-4, 25,000 tokens, rope base 300,000
  rlkd train-gsrm "$pairs" -o "$run/gsrm" --model Qwen/Qwen2.5-7B-Instruct --alpha 100 --learning-rate 5e-5 --warmup 0.1 \
    --weight-decay 1e-4 --batch-size 1 --accumulation 2 --max-length 25000 --rope-theta 300000 \
    --eval-fraction 0.005 --launch zero3 --num-processes "$gpus" $dry
fi
[ "$stage" != gsrm ] || exit 0

# 4.3: the 3.2K samples least like the test set
rlkd select "$openr1" --away-from "${BENCH:-aime24}" -n 3200 -o "$run/teacher.jsonl" $dry
teacher=$run/teacher.jsonl
[ -z "$dry" ] || teacher=$openr1

# 4.1: RLKD and its baselines on the same samples and on equal terms: one budget, one set of rewards but for the
# structured one. GRPO, group 4, batch 2 x 4, temperature 0.7. Release: weights 15 (structure), 15 (accuracy), 10
# (format), learning rate 5e-5 constant with warm-up 0.1, gradients clipped at 0.2, prompt 1,024, completion 4,096, a
# checkpoint every 10 steps. The judge: Qwen2.5-7B-Instruct (3.1); it and the GSRM behind vLLM servers of their own
terms=(--student "$student" --outcome-weight 15 --format-weight 10 --group 4 --accumulation 4 --temperature 0.7
  --learning-rate 5e-5 --warmup 0.1 --max-grad-norm 0.2 --max-prompt-length 1024 --max-tokens 4096 --steps 100
  --save-steps 10 --num-processes "$gpus")
for method in rlkd grpo ppo sft; do # 4.3: sft with 32 samples a step (1 x 4 x 8 devices)
  own=(--batch-size 2 --vllm colocate)
  [ $method != sft ] || own=(--batch-size 1)
  own+=(--launch "$([ $method = ppo ] && echo ddp || echo zero3)") # ppo: each device holds student and critic whole
  [ $method != rlkd ] || own+=(--structure-weight 15 --gsrm "${GSRM_URL:-http://127.0.0.1:8001/v1#gsrm}"
    --judge "${JUDGE_URL:-http://127.0.0.1:8002/v1#Qwen/Qwen2.5-7B-Instruct}")
  rlkd distill "$teacher" -o "$run/$method" --method $method "${terms[@]}" "${own[@]}" $dry
done

# 4.1, Table 1: temperature 0.6, top-p 0.95, 32,768 tokens; 64 runs on AIME24, 8 on GPQA-Diamond, 4 on MATH-500
for method in rlkd grpo ppo sft; do
  model=$run/$method
  rlkd eval --bench "${BENCH:-aime24}" --k 64 --model "$model" -o "$run/$method.aime24.jsonl" $dry
  rlkd eval --bench "${GPQA:-gpqa-diamond}" --k 8 --model "$model" -o "$run/$method.gpqa.jsonl" $dry
  rlkd eval --bench "${MATH:-math500}" --k 4 --model "$model" -o "$run/$method.math500.jsonl" $dry
done
[ -n "$dry" ] || rlkd eval --compare "$run/grpo.aime24.jsonl" "$run/rlkd.aime24.jsonl"

# 4.3, Figure 5: 16 responses to each of 500 questions at temperature 0.8, segmented, step by step
for method in rlkd sft; do
  rlkd sample "${MATH_FILE:-hf://HuggingFaceH4/MATH-500:test}" --limit 500 --n 16 --temperature 0.8 --model "$run/$method" \
    -o "$run/$method.paths.jsonl" $dry
  [ -n "$dry" ] || rlkd segment "$run/$method.paths.jsonl" --model "hf/$run/gsrm" -o "$run/$method.steps.jsonl"
done
[ -n "$dry" ] || rlkd diversity "$run/rlkd.steps.jsonl" --with "$run/sft.steps.jsonl" --plot "$run/diversity.pdf" -o "$run/diversity.jsonl"
