# what: openmpi: the same, with its environment passed in messages and not in shared memory
# packages: openmpi-bin libopenmpi-dev gcc
. "${BASH_SOURCE%/*}/openmpi.sh"
run() { PMIX_MCA_gds=hash mpi; }
