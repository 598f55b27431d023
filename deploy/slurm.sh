#!/bin/bash
#SBATCH --job-name=allot
#SBATCH --array=1-8
#SBATCH --cpus-per-task=1
#SBATCH --output=%x-%A-%a.log
#
# Compares the allocators on many machines: each task of the array runs one part of the tests.
#
#   export OUT=/shared/allot TESTS=10000000     # a folder that all machines see
#   id=$(sbatch --parsable deploy/slurm.sh)
#   sbatch --dependency=afterok:$id --wrap "sim merge --out $OUT/all $OUT/shard-*"
#
# Another number of parts: sbatch --array=1-100 deploy/slurm.sh
set -euo pipefail
exec "${SIM:-sim}" validate --n-tests "${TESTS:-100000}" --seed "${SEED:-1}" --family "${FAMILY:-thesis}" \
  --threads "${SLURM_CPUS_PER_TASK:-1}" --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
  --out "$OUT/shard-$SLURM_ARRAY_TASK_ID" --overwrite
