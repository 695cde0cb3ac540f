#!/usr/bin/env bash
# Trainings on the accelerators that are here, a row each: status, seconds a step, peak memory a device.
#
#     benchmarks/gpu.sh MODEL TEACHER.jsonl [RUN_FOLDER]     MODEL: a folder or name, of SmolLM2's size or so
#
# Without an accelerator it runs its reduced form: what trains in one CPU process, and in two. --table FILE by TABLE=FILE:
# the rows are written between the two marks in it, `<!-- gpu -->` and `<!-- /gpu -->` (benchmarks/README.md has them).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
model=$1 teacher=$2 run=${3:-runs/gpu}
steps=${STEPS:-4}
devices=$(python -c 'import torch; print(torch.cuda.device_count())')
mkdir -p "$run"
rows=$run/rows.md
printf '| run | status | s a step | of it generation | peak GiB |\n| --- | --- | --- | --- | --- |\n' >"$rows"

row() { # NAME ARGS…: one training; what it printed stays in RUN_FOLDER/NAME.log
  local name=$1 status=0
  shift
  rm -rf "${run:?}/$name"
  PYTHONPATH=$here/..:${PYTHONPATH:-} timeout "${LIMIT:-600}" python "$here/peak.py" "$run/$name.peak" \
    distill "$teacher" -o "$run/$name" --student "$model" --steps "$steps" --group 4 --accumulation 1 --warmup 0 \
    --max-tokens "${TOKENS:-64}" --quiet "$@" >"$run/$name.log" 2>&1 || status=$?
  python "$here/peak.py" --row "$name" "$status" "$run/$name" "$run/$name.peak" >>"$rows"
  tail -1 "$rows"
}

row sft --method sft --batch-size 4
row grpo --method grpo --batch-size 4
row grpo-lora --method grpo --batch-size 4 --lora 8
if [ "$devices" -eq 0 ]; then
  row grpo-ddp-2 --method grpo --batch-size 2 --num-processes 2
else
  row grpo-fp32 --method grpo --batch-size 4 --fp32
  row grpo-no-checkpointing --method grpo --batch-size 4 --no-gradient-checkpointing
  row grpo-vllm --method grpo --batch-size 4 --vllm colocate --trl vllm_gpu_memory_utilization=0.3
  row grpo-vllm-lora --method grpo --batch-size 4 --vllm colocate --lora 8 --trl vllm_gpu_memory_utilization=0.3
  for launch in ddp zero2 zero3 fsdp2; do
    row "grpo-$launch" --method grpo --batch-size 4 --launch $launch --num-processes "$devices"
    row "grpo-$launch-lora" --method grpo --batch-size 4 --launch $launch --num-processes "$devices" --lora 8
  done
fi
[ -z "${TABLE:-}" ] || python "$here/peak.py" --table "$TABLE" "$rows"
