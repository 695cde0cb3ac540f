#!/usr/bin/env bash
# Trainings on the accelerators that are here, a row each: status, seconds a step, peak memory a device. The rows trl-… are
# the same trainings by TRL alone.
#
#     benchmarks/gpu.sh MODEL TEACHER.jsonl [RUN_FOLDER]     MODEL: a folder or name, of SmolLM2's size or so
#
# Without an accelerator it runs its reduced form: what trains in one CPU process, and in two. With TABLE=FILE
# the rows are also written between its two marks, `<!-- gpu -->` and `<!-- /gpu -->` (benchmarks/README.md has them).
# STEPS=4, TOKENS=64 and LIMIT=600 (seconds a training) are what is set otherwise.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
model=$1 teacher=$2 run=${3:-runs/gpu}
steps=${STEPS:-4} tokens=${TOKENS:-64}
devices=$(python -c 'import torch; print(torch.cuda.device_count())')
mkdir -p "$run"
rows=$run/rows.md
printf '| run | status | s a step | of it generation | peak GiB |\n| --- | --- | --- | --- | --- |\n' >"$rows"

timed() { # NAME ARGS…: `python ARGS`, which trains into RUN_FOLDER/NAME; what it printed stays in RUN_FOLDER/NAME.log
  local name=$1 status=0
  shift
  rm -rf "${run:?}/$name"
  PYTHONPATH=$here/..:${PYTHONPATH:-} timeout "${LIMIT:-600}" python "$here/peak.py" "$run/$name.peak" "$@" \
    >"$run/$name.log" 2>&1 || status=$?
  python "$here/peak.py" --row "$name" "$status" "$run/$name" "$run/$name.peak" >>"$rows"
  tail -1 "$rows"
}

row() { # NAME ARGS…: one training by rlkd
  timed "$1" -m rlkd_cli distill "$teacher" -o "$run/$1" --student "$model" --steps "$steps" --group 4 --accumulation 1 \
    --warmup 0 --prompt-template "{problem}" --max-tokens "$tokens" --quiet "${@:2}"
}

bare() { # NAME METHOD: the same by TRL alone
  timed "$1" "$here/bare.py" "$2" "$model" "$teacher" "$run/$1" --steps "$steps" --tokens "$tokens"
}

with_server() { # NAME ARGS…: one training whose texts come from vLLM on the last device
  local devices_left
  devices_left=$(seq -s, 0 $((devices - 2)))
  CUDA_VISIBLE_DEVICES=$((devices - 1)) trl vllm-serve --model "$model" --port 8017 >"$run/$1-server.log" 2>&1 &
  server=$!
  trap 'kill $server 2>/dev/null || true' EXIT
  until curl -sf localhost:8017/health/ >/dev/null || ! kill -0 $server; do sleep 2; done
  CUDA_VISIBLE_DEVICES=$devices_left row "$@" --vllm server --trl vllm_server_base_url=http://localhost:8017
  kill $server && wait $server || true
}

bare trl-sft sft
row sft --method sft --batch-size 4
bare trl-grpo grpo
row grpo --method grpo --batch-size 4
row grpo-lora --method grpo --batch-size 4 --lora 8
if [ "$devices" -eq 0 ]; then
  row grpo-ddp-2 --method grpo --batch-size 2 --num-processes 2
else
  row grpo-fp32 --method grpo --batch-size 4 --fp32
  row grpo-no-checkpointing --method grpo --batch-size 4 --no-gradient-checkpointing
  row grpo-vllm --method grpo --batch-size 4 --vllm colocate --trl vllm_gpu_memory_utilization=0.3
  row grpo-vllm-lora --method grpo --batch-size 4 --vllm colocate --lora 8 --trl vllm_gpu_memory_utilization=0.3
  if [ "$devices" -gt 1 ]; then
    with_server grpo-vllm-server --method grpo --batch-size 4
  else
    echo '| grpo-vllm-server | needs two devices: one writes, one trains | - | - | - |' | tee -a "$rows"
  fi
  for launch in ddp zero2 zero3 fsdp2; do
    row "grpo-$launch" --method grpo --batch-size 4 --launch $launch --num-processes "$devices"
    row "grpo-$launch-lora" --method grpo --batch-size 4 --launch $launch --num-processes "$devices" --lora 8
  done
fi
[ -z "${TABLE:-}" ] || python "$here/peak.py" --table "$TABLE" "$rows"
