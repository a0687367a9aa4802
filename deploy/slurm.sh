#!/bin/bash
# A search on the nodes of a Slurm job, which becomes a Ray cluster for it: sbatch deploy/slurm.sh SPACE [flags of a search]
# A job that ends before the search does, by its time limit or otherwise, is resumed by submitting it again.
#SBATCH --job-name=pitprop
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-task=4
#SBATCH --time=24:00:00
#SBATCH --signal=B:INT@120
set -euo pipefail

# Where Python has this package, on a file system that all nodes see; RUNS as well, or give --storage.
: "${VENV:=$HOME/pitprop/.venv}" "${RUNS:=$SLURM_SUBMIT_DIR/runs}"
export PATH="$VENV/bin:$PATH" RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export RAY_AUTH_TOKEN

mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=$(srun --nodes=1 --ntasks=1 --nodelist="${hosts[0]}" hostname --ip-address | awk '{print $1}')
port=$((20000 + SLURM_JOB_ID % 10000)) # of this job's own, as others may be on the same nodes
gpus=${SLURM_GPUS_ON_NODE:-0}

srun --nodes=1 --ntasks=1 --nodelist="${hosts[0]}" --overlap \
    ray start --head --node-ip-address="$head" --port="$port" --include-dashboard=false \
    --num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="$gpus" --block &
until python -c 'import sys, ray; ray.init(sys.argv[1])' "$head:$port" >/dev/null 2>&1; do sleep 2; done
if ((${#hosts[@]} > 1)); then
    srun --nodes=$((${#hosts[@]} - 1)) --ntasks=$((${#hosts[@]} - 1)) --exclude="${hosts[0]}" --overlap \
        ray start --address="$head:$port" --num-cpus="$SLURM_CPUS_PER_TASK" --num-gpus="$gpus" --block &
fi

# The batch script runs on the first node, which is the head, so the driver joins the Ray there.
pitprop doctor "$1" --ray "$head:$port" --runs "$RUNS" || true # whose nodes may still be on their way
pitprop search "$@" --ray "$head:$port" --runs "$RUNS" &
driver=$!
trap 'kill -INT "$driver"' INT TERM # before the time is over: the search ends in order, and the same job resumes it
wait "$driver" || wait "$driver"
