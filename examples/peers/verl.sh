#!/usr/bin/env bash
# verl (0.9) with the structured reward. Run it where verl is installed; rlkd needs to be importable there.
#
#     TEACHER=teacher.jsonl GSRM=http://gsrm:8001/v1 JUDGE=http://judge:8002/v1 examples/peers/verl.sh DATA.parquet MODEL
#
# verl calls rlkd_cli.reward.verl.compute_score, which is asynchronous, for each sample. It names the problem by
# `id` (or `problem`) in the row's extra_info, or by a ground truth that is a JSON object with an `id`:
#
#     {"prompt": [{"role": "user", "content": "…"}], "data_source": "rlkd",
#      "reward_model": {"style": "rule", "ground_truth": "{\"id\": 7}"}, "extra_info": {"id": 7}}
#
# A reward that could not be had within RLKD_REWARD_DEADLINE seconds ends the run, because verl would train on a 0.
set -euo pipefail
data=${1:?a parquet file of prompts} model=${2:?the student}
: "${TEACHER:?a file of segmentations}" "${GSRM:?a model}" "${JUDGE:?a model}"
export RLKD_REWARD_TEACHER=$(realpath "$TEACHER")
export RLKD_REWARD_GSRM=$GSRM RLKD_REWARD_JUDGE=$JUDGE RLKD_REWARD_VERDICT_CACHE=${CACHE:-$PWD/verdicts.db}
${PYTHON:-python3} -m verl.trainer.main_ppo algorithm.adv_estimator=grpo \
  data.train_files="$data" data.val_files="$data" data.train_batch_size=128 \
  data.max_prompt_length=1024 data.max_response_length=4096 \
  actor_rollout_ref.model.path="$model" actor_rollout_ref.rollout.name=vllm actor_rollout_ref.rollout.n=4 \
  actor_rollout_ref.actor.ppo_mini_batch_size=32 actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=2 \
  actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=2 actor_rollout_ref.rollout.temperature=0.7 \
  reward.custom_reward_function.path=pkg://rlkd_cli.reward.verl reward.custom_reward_function.name=compute_score \
  trainer.n_gpus_per_node="${GPUS:-8}" trainer.total_epochs=1 trainer.val_before_train=False
