#!/usr/bin/env bash
# As mmaction2's: CONFIG GPUS [FLAGS ...]. Here without torch.distributed.
exec python3 "$(dirname "$0")/train.py" "$1" "${@:3}"
